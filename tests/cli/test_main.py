"""The command's very start and end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_backend.cli import commands, main

INTERRUPTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.modules.pop("argparse", None)
from bsrgan_backend.cli.main import main
sys.exit(main(["settings", "get", "tile"]))
"""


@pytest.mark.parametrize("module", ["argparse", "bsrgan_backend.cli.commands", "bsrgan_backend.cli.upscale"])
def test_ctrl_c_during_the_imports_is_quiet(bare, module):
    """While the command still imports, Ctrl-C ends it without a traceback, with the usual status."""
    command = [sys.executable, "-c", INTERRUPTED, module]
    done = subprocess.run(command, env=bare.environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_while_the_line_is_read_is_told(monkeypatch, capsys):
    """Ctrl-C while the options are put together is one word."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "parser", interrupted)
    assert main.main(["status"]) == 130
    assert capsys.readouterr().err == "gimp-bsrgan: Stopped.\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_failure(bare, closed):
    """A caller that closes the streams gets the status all the same."""
    for words, status in (("settings get tile", 0), ("status", 1)):
        line = f"exec {sys.executable} -m bsrgan_backend.cli.main {words} {closed}"
        done = subprocess.run(["sh", "-c", line], env=bare.environ, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert "unexpected" not in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["--help", "--version", "upscale --help", "models list", "settings"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_left_hears_nothing(bare, words, unbuffered):
    """Output into a closed pipe is status 1 and no complaint, help included."""
    environ = bare.environ | {"PYTHONUNBUFFERED": unbuffered}
    line = f"({sys.executable} -m bsrgan_backend.cli.main {words}; echo $? >&2) | true"
    # The reader has gone before the command writes: it starts slowly.
    done = subprocess.run(["sh", "-c", line], env=environ, capture_output=True, text=True, check=False)
    assert done.stderr == "1\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", ["--help", "--version", "models list", "settings get tile"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_does_not_fit_is_one_sentence(bare, words, unbuffered):
    """A full disk under the output is told once, with status 1."""
    environ = bare.environ | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "bsrgan_backend.cli.main", *words.split()]
        done = subprocess.run(command, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "gimp-bsrgan: No space left on device.\n")
