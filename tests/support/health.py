"""What must hold after every fault."""

from __future__ import annotations

from bsrgan_wire.messages import Release, Released
from support.daemons import Daemon, order, pixels, wait_for
from support.fake_worker import upscale


def check_well(daemon: Daemon) -> None:
    """The daemon answers, nothing is left behind, and the next job is right."""
    assert daemon.process.poll() is None
    peer = daemon.connect()
    peer.ping()
    asked = order(6, 5)
    data = pixels(asked)
    peer.submit(data, asked)
    state = peer.final(asked.job)
    assert state.state == "ready", state
    assert peer.fetch(asked.job, state.total) == upscale(data, 6, 5, 24, 20, 3)
    peer.ask(Release(asked.job), Released)
    wait_for(lambda: (r := peer.status())["spool_bytes"] == 0 and r["queue"] == r["running"] == 0)
    assert peer.status()["rss_bytes"] < 100e6
    assert "Traceback" not in daemon.log()
    assert "INTERNAL" not in daemon.log()
    peer.bye()
