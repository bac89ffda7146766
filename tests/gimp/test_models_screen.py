"""A person at the screen without any model: gets one, adds one, and finds the choice again in later runs.

GIMP_BSRGAN_SCREENSHOTS=folder python3 tests/run.py tests/gimp/test_models_screen.py
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from PIL import Image

from bsrgan_backend.models import synthetic
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
    screen.type(str(path))
    screen.keys("alt+o")
    screen.wait_gone(chooser)


def used(screen, root, jobs):
    """Wait for the so-manieth run and return the model that it used."""
    screen.wait(lambda: gimp_daemon.status(root)["jobs_done"] >= jobs, f"run {jobs}")
    return gimp_daemon.status(root)["model"]


def fetch(screen, host):
    """Get the first model: closed and opened again on the way, cancelled, and then for good."""
    host.behaviours[:] = ["hang"]
    window = screen.wait_text(MODELS, "Apache-2.0")
    screen.shot("m2-window")
    screen.keys("alt+g")
    screen.wait_text(MODELS, "first: 0")
    screen.shot("m3-progress")
    screen.keys("Escape")
    screen.wait_gone(window)
    screen.wait_window(DIALOG)
    screen.keys("alt+d")
    screen.wait_text(MODELS, "first: 0")
    screen.keys("alt+c")
    screen.wait_text(MODELS, "was cancelled")
    screen.keys("alt+g")
    screen.wait_text(MODELS, "is installed")
    screen.shot("m4-installed")


def test_models(gimp, root, host, tmp_path):
    """From no model to a chosen one, which Save, Load, Repeat and the next dialog know again."""
    with full_gimp(gimp, gimp.base / "photo.png", shots=tmp_path) as screen:
        screen.keys(*MENU)
        dialog = screen.wait_text(DIALOG, "No model is installed")
        screen.shot("m1-none")
        screen.keys("alt+d")
        fetch(screen, host)
        add(screen, gimp.base / "page.pth")
        screen.wait_text(MODELS, "is a web page")
        screen.shot("m5-wrong-file")
        add(screen, gimp.base / "My Net.pth")
        window = screen.wait_text(MODELS, "my-net is installed")
        screen.shot("m6-added")
        screen.keys("Escape")
        screen.wait_gone(window)
        screen.wait_text(DIALOG, "my-net x4")
        screen.wait_text(DIALOG, "My Net.pth")
        screen.shot("m7-chosen")
        jobs = gimp_daemon.status(root)["jobs_done"]
        screen.keys("alt+u")
        screen.wait_gone(dialog)
        assert used(screen, root, jobs + 1) == "my-net"
        # Filters > Repeat.
        jobs = gimp_daemon.status(root)["jobs_done"]
        screen.wait_window("photo")
        screen.keys("ctrl+f")
        assert used(screen, root, jobs + 1) == "my-net"
        screen.shot("m8-repeated")
        assert not [found for found in screen.windows() if "Message" in found.title]
        assert "Traceback" not in screen.log()
