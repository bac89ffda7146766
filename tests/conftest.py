"""The tests read English; a test of another language asks for it."""

from __future__ import annotations

import os

# What starts no locale of its own must not pick up that of the person who runs the tests.
os.environ["LANGUAGE"] = "C"
