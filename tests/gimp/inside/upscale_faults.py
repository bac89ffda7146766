"""Checks of runs that fail in the middle or meet no proper daemon: one sentence, and everything as it was.

Each check has an installation of its own below the scratch folder and starts its daemon from inside, so that it may
kill it; everything ends with GIMP.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.gimp_inside import fingerprint, new_image, tool_command, upscale

SLOW_PX = 200
"""Side of a picture on which the slow model works for many seconds."""
DOUBLES = ("version", "silent", "junk", "leaving", "full")
CASES: dict[str, dict[str, Any]] = {
    "check_double": {kind: {"kind": kind} for kind in DOUBLES},
    "check_killed": {whom: {"whom": whom} for whom in ("daemon", "worker")},
}


def installation(options: dict[str, Any], name: str) -> Path:
    """A copy of the prepared installation, with nothing running."""
    root = Path(options["scratch"]) / name
    shutil.copytree(Path(options["prefix"]), root, ignore=shutil.ignore_patterns("state", "run", "spool", "logs"))
    return root


def address(root: Path) -> str:
    """The `endpoint` argument for the daemon of an installation."""
    return str(root / "state" / "daemon.json")


@contextlib.contextmanager
def running(command: list[str], root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run something that writes a rendezvous file, until the end of the block."""
    environ = {**os.environ, "GIMP_BSRGAN_PREFIX": str(root)}
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while not Path(address(root)).exists():
            assert process.poll() is None, (root / "log").read_text()
            assert time.monotonic() < end, (root / "log").read_text()
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def failed(image: Any, layer: Any, **arguments: Any) -> dict[str, str]:
    """Call the plug-in, hold it to leaving everything as it was, and return its status and sentence."""
    from gi.repository import Gimp

    before, images, dirty = fingerprint(image), len(Gimp.get_images()), image.is_dirty()
    ended = upscale(image, layer, **arguments)
    assert ended.status != "SUCCESS"
    assert fingerprint(image) == before
    assert len(Gimp.get_images()) == images
    assert image.is_dirty() == dirty
    return {"status": ended.status, "text": ended.text}


def check_not_installed(options: dict[str, Any]) -> dict[str, str]:
    """No daemon runs, and the folder of the installation holds no program."""
    image, layer = new_image(8, 8, "RGB", 1)
    return failed(image, layer)


def check_started(options: dict[str, Any]) -> None:
    """The plug-in starts the installed daemon, which outlives the plug-in and serves the next run too."""
    prefix = Path(options["prefix"])
    image, layer = new_image(8, 8, "RGB", 1)
    ended = upscale(image, layer)
    assert ended.status == "SUCCESS", ended.text
    pid = json.loads((prefix / "state" / "daemon.json").read_text())["pid"]
    os.kill(pid, 0)
    assert os.getsid(pid) != os.getsid(0)
    assert upscale(*_first_layer(image)).status == "SUCCESS"
    assert json.loads((prefix / "state" / "daemon.json").read_text())["pid"] == pid
    os.kill(pid, signal.SIGTERM)


def _first_layer(image: Any) -> tuple[Any, Any]:
    return image, image.get_layers()[0]


def check_killed(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """Daemon or worker are killed while the network runs."""
    root = installation(options, case["whom"])
    with running([str(root / "bin" / "gimp-bsrgan"), "serve"], root):
        killer = subprocess.Popen(tool_command(["kill-when-running", str(root), case["whom"]]))
        image, layer = new_image(SLOW_PX, SLOW_PX, "RGBA", 1)
        told = failed(image, layer, model="slow", endpoint=address(root))
        assert killer.wait(60) == 0
        return told


def check_double(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """A ROUTER that answers wrongly, or not at all."""
    root = installation(options, case["kind"])
    with running(tool_command(["double", case["kind"], str(root)]), root):
        image, layer = new_image(20, 20, "RGB", 1)
        return failed(image, layer, endpoint=address(root))


def check_other_protocol(options: dict[str, Any]) -> dict[str, str]:
    """The rendezvous file tells of a daemon of another protocol."""
    root = installation(options, "protocol")
    (root / "state").mkdir(mode=0o700)
    told = {"protocol": 2, "version": "9", "instance": "0" * 32, "pid": 1, "endpoints": ["ipc:///nowhere"]}
    Path(address(root)).write_text(json.dumps(told))
    image, layer = new_image(20, 20, "RGB", 1)
    return failed(image, layer, endpoint=address(root))


def check_nobody_there(options: dict[str, Any]) -> dict[str, str]:
    """The named endpoint is a socket that nobody listens on."""
    image, layer = new_image(20, 20, "RGB", 1)
    return failed(image, layer, endpoint=f"ipc://{options['scratch']}/nobody")


def check_damaged_address(options: dict[str, Any]) -> dict[str, str]:
    """The rendezvous file is no JSON."""
    path = Path(options["scratch"]) / "damaged.json"
    path.write_text("{")
    path.chmod(0o600)
    image, layer = new_image(20, 20, "RGB", 1)
    return failed(image, layer, endpoint=str(path))


def check_plugin_killed(options: dict[str, Any]) -> dict[str, Any]:
    """The plug-in is killed while the network runs, as GIMP's status bar does on Cancel: the daemon drops the job."""
    root = installation(options, "cancel")
    with (root / "settings.toml").open("a") as settings:
        settings.write("orphan_grace_s = 1.0\n")
    with running([str(root / "bin" / "gimp-bsrgan"), "serve"], root):
        killer = subprocess.Popen(tool_command(["kill-when-running", str(root), "plugin"]))
        image, layer = new_image(SLOW_PX, SLOW_PX, "RGB", 1)
        told = failed(image, layer, model="slow", endpoint=address(root))
        assert killer.wait(60) == 0
        idle = subprocess.run(tool_command(["wait-idle", str(root)]), capture_output=True, check=True)
        report = json.loads(idle.stdout)
        # And it takes the next job as if nothing had been.
        assert upscale(image, layer, output="new-image", endpoint=address(root)).status == "SUCCESS"
        return {**told, "spool": report["spool_bytes"], "restarts": report["worker_restarts"]}
