"""The installer with a real GIMP: it is asked for the filter, and upscales the photo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.cli import gimp_memory, gimp_writing
from bsrgan_backend.imaging.pictures import read_picture
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.store import ModelStore
from bsrgan_install import record
from support import gimp_session

ROOT = Path(__file__).resolve().parents[2]
REQUIRE_VARIABLE = "GIMP_BSRGAN_REQUIRE_GIMP"

# What stands for gimp-console on the PATH: the one of a chroot, which sees `base` and `prefix` at the same places.
SHIM = """#!{python}
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from support.gimp_session import GimpSession
base = Path({base!r})
session = GimpSession({suite!r}, base, prefix=base / "prefix")
log = base / "gimp.log"
with session.started(["gimp-console", *sys.argv[1:]], log) as process:
    status = process.wait()
sys.stderr.write(log.read_text(encoding="utf-8", errors="replace")[-2000:])
sys.exit(status)
"""


@pytest.mark.gimp
@pytest.mark.parametrize("suite", ["trixie", "forky"])
def test_try_goes_through_gimp(suite):
    """--try upscales through GIMP to the same picture, and bench measures the plug-in's process."""
    if reason := gimp_session.missing(suite):
        if os.environ.get(REQUIRE_VARIABLE):
            pytest.fail(reason)
        pytest.skip(reason)
    with gimp_session.short_folder(suite) as base:
        session = gimp_session.GimpSession(suite, base)
        ModelStore(session.prefix / "models").put("tiny", synthetic.random_weights(synthetic.TINY, 1), "", None, "test")
        (session.prefix / "settings.toml").write_text('model = "tiny"\n')
        record.write(session.prefix / "installation.json", record.Record())
        console = base / "bin/gimp-console"
        console.parent.mkdir()
        console.write_text(
            SHIM.format(python=sys.executable, path=[str(ROOT / "tests"), *sys.path], base=str(base), suite=suite)
        )
        console.chmod(0o755)
        environ = {
            **os.environ,
            "HOME": str(session.home),
            "GIMP3_DIRECTORY": str(session.profile),
            "PATH": f"{console.parent}{os.pathsep}{os.environ['PATH']}",
            # Both sides exchange files by paths, so those must be of a folder that both see.
            "TMPDIR": str(base),
        }
        installer = [sys.executable, ROOT / "installer/install.py", "--prefix", session.prefix, "--venv", sys.prefix]
        try:
            done = subprocess.run([*installer, "--try"], capture_output=True, text=True, env=environ, timeout=280)
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"GIMP {session.version} knows the filter" in done.stdout
            assert "through GIMP's own procedure" in done.stdout
            address = session.prefix / "state/daemon.json"
            peak, problem = gimp_memory.peak_bytes([str(console)], address, "tiny", side_px=256)
            assert problem == ""
            assert 20e6 < peak < 450e6
            writing, problem = gimp_writing.measure([str(console)], side_px=512, rounds=1)
            assert problem == ""
            assert writing.plugin_s > 0
            assert writing.gimp_s > 0
            assert 20e6 < writing.peak_bytes < 450e6
            _assert_same_picture(session.prefix / "try/after.png", session.prefix / "try/after-gimp.png")
        finally:
            subprocess.run([*installer, "--uninstall", "--purge"], env=environ, check=True)
        assert not (session.profile / "plug-ins/gimp-bsrgan").exists()


def _assert_same_picture(one: Path, other: Path) -> None:
    """Two libraries decode a JPEG a little differently, so no pixel is exactly the same; the picture is."""
    first, second = read_picture(one).pixels, read_picture(other).pixels
    assert first.shape[:2] == second.shape[:2]
    difference = np.abs(first[..., :3].astype(int) - second[..., :3])
    assert difference.mean() < 2.0, difference.mean()
