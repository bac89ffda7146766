"""A person at the screen without any model: gets one, adds one, and finds the choice again in later runs.

GIMP_BSRGAN_SCREENSHOTS=folder python3 tests/run.py tests/gimp/test_models_screen.py
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from PIL import Image

from bsrgan_backend.models import synthetic
from bsrgan_wire import places, rendezvous
from bsrgan_wire.client import Client
from support import gimp_daemon, published, weights_host
from support import weight_files as files
from support.gimp_screen import full_gimp
from support.gimp_session import GimpSession, short_folder

MENU = ("alt+r", "h", "b")
"""Filters > Enhance > BSRGAN Upscale, by their mnemonics."""
DIALOG = "^BSRGAN Upscale$"
MODELS = "^BSRGAN Models$"
NET = replace(synthetic.TINY, features=32, growth=24)
"""Large enough for a transfer that can be seen on its way, and fast enough for previews."""
BODY = files.torch_zip(files.renamed(synthetic.random_weights(NET, 31), "bsrgan"))
OWN = files.torch_zip(files.renamed(synthetic.random_weights(synthetic.TINY, 32), "bsrgan"))


@pytest.fixture
def host():
    """Where the published models lie."""
    with weights_host.serving(BODY) as host:
        yield host


@pytest.fixture
def root(host):
    """The root folder of a daemon without any model."""
    first = ("first", host.url, len(BODY), hashlib.sha256(BODY).hexdigest())
    wrong = ("wrong", host.url, len(BODY), "0" * 64)
    with short_folder("models") as root:
        (root / "settings.toml").write_text('model = "first"\ndevice = "cpu"\n', "utf-8")
        with gimp_daemon.served(root, published.SERVE, published.variable([first, wrong])):
            yield root


@pytest.fixture
def gimp(suite, root):
    """A GIMP of that installation, with a small picture and two files to add."""
    with short_folder(suite) as base:
        session = GimpSession(suite, base, prefix=root)
        session.install_plugin()
        Image.radial_gradient("L").convert("RGB").resize((60, 40)).save(base / "photo.png")
        (base / "My Net.pth").write_bytes(OWN)
        (base / "page.pth").write_text("<!doctype html><html></html>")
        yield session


def add(screen, path):
    """Choose a file in the window of models."""
    screen.keys("alt+a")
    chooser = screen.wait_window("^Add a model from a file$")
    # The first key opens a field for the path, into which the next ones must not go too early.
    screen.keys("slash")
    screen.type(str(path)[1:])
    screen.keys("alt+o")
    screen.wait_gone(chooser)


def used(screen, root, jobs):
    """Wait for the so-manieth run and return the model that it used."""
    screen.wait(lambda: gimp_daemon.status(root)["jobs_done"] >= jobs, f"run {jobs}")
    return gimp_daemon.status(root)["model"]


def phase(root):
    """What has become of the daemon's latest transfer."""
    with Client.connect(rendezvous.read(places.rendezvous_file(root)), name="test") as client:
        return client.models().phase


def fetch(screen, root, host):
    """Get the first model: closed and opened again on the way, cancelled, and then for good."""
    host.behaviours[:] = ["hang"]
    window = screen.wait_text(MODELS, "Apache-2.0")
    screen.shot("m2-window")
    screen.keys("alt+g")
    screen.wait_text(MODELS, "first: 0")
    screen.shot("m3-progress")
    screen.keys("Escape")
    screen.wait_gone(window)
    assert phase(root) == "running"
    screen.wait_window(DIALOG)
    screen.keys("alt+d")
    screen.wait_text(MODELS, "first: 0")
    screen.keys("alt+c")
    screen.wait_text(MODELS, "was cancelled")
    screen.keys("alt+g")
    screen.wait_text(MODELS, "is installed")


def presets(screen, root):
    """GIMP's Save Settings and Load Saved Settings; in between the preview is made by the default model."""
    screen.keys("alt+s", "alt+m", "Home")
    screen.wait(lambda: gimp_daemon.status(root)["model"] == "first", "the other model")
    screen.keys("alt+l")
    screen.wait_text(DIALOG, "My Net.pth")


def test_models(gimp, root, host, tmp_path):
    """From no model to a chosen one, which Save, Load, Repeat and the next dialog know again."""
    with full_gimp(gimp, gimp.base / "photo.png", shots=tmp_path) as screen:
        screen.keys(*MENU)
        dialog = screen.wait_text(DIALOG, "No model is installed")
        screen.shot("m1-none")
        screen.keys("alt+d")
        fetch(screen, root, host)
        add(screen, gimp.base / "page.pth")
        screen.wait_text(MODELS, "is a web page")
        screen.shot("m4-wrong-file")
        add(screen, gimp.base / "My Net.pth")
        window = screen.wait_text(MODELS, "my-net is installed")
        screen.keys("Escape")
        screen.wait_gone(window)
        presets(screen, root)
        screen.wait(lambda: not gimp_daemon.status(root)["running"], "the end of the preview")
        screen.shot("m5-chosen")
        jobs = gimp_daemon.status(root)["jobs_done"]
        screen.keys("alt+u")
        screen.wait_gone(dialog)
        assert used(screen, root, jobs + 1) == "my-net"
        screen.wait_window("240x160")
        # Filters > Repeat, then Filters > Re-Show.
        screen.keys("ctrl+f")
        assert used(screen, root, jobs + 2) == "my-net"
        screen.wait_window("960x640")
        screen.keys("ctrl+shift+f")
        screen.wait_text(DIALOG, "My Net.pth")
        screen.shot("m6-shown-again")
        screen.keys("Escape")
        assert not [found for found in screen.windows() if "Message" in found.title]
        assert "Traceback" not in screen.log()
