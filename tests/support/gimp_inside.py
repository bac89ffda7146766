"""What check functions inside GIMP share. Imported by GIMP's own Python: standard library, and gi inside functions."""

from __future__ import annotations

import os

HOST_PYTHON_VARIABLE = "GIMP_BSRGAN_TEST_PYTHON"


def host_command(arguments: list[str]) -> list[str]:
    """A command that runs the Python of the backend's environment, on the host's file system, from inside."""
    return ["chroot", "/host", os.environ[HOST_PYTHON_VARIABLE], *arguments]
