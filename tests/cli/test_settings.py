"""`gimp-bsrgan settings`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bsrgan_backend import settings


def test_every_setting_is_shown_with_its_source(bare):
    """The table names each setting, its value and where it comes from."""
    bare.root.mkdir()
    (bare.root / "settings.toml").write_text("threads = 3\n")
    command = replace(bare, environ={**bare.environ, "GIMP_BSRGAN_DEVICE": "cpu"})
    told = json.loads(command("settings", "--json").stdout)
    assert set(told) == set(settings.RULES)
    assert told["threads"] == {"value": 3, "source": "file"}
    assert told["device"] == {"value": "cpu", "source": "environment"}
    assert told["model"] == {"value": "bsrgan-x4", "source": "default"}
    text = command("settings").stdout
    assert all(name in text for name in settings.RULES)


def test_a_setting_can_be_written_and_read(bare):
    """`set` writes the file, `get` reads the value."""
    assert bare("settings", "set", "model", "my-model").returncode == 0
    assert bare("settings", "get", "model").stdout == "my-model\n"


def test_a_bad_value_is_refused_with_a_sentence(bare):
    """A value out of range is not written, and the sentence says the range."""
    assert "between" in bare.fails("settings", "set", "threads", "-5")
    assert not (bare.root / "settings.toml").exists()


@pytest.mark.parametrize("arguments", [["get", "frob"], ["set", "frob", "1"], ["set", "model"]])
def test_unknown_names_are_wrong_usage(bare, arguments):
    """A setting that does not exist is status 2."""
    assert bare("settings", *arguments).returncode == 2


def test_a_file_that_is_no_text_is_told(bare):
    """A settings file that is no UTF-8 is named with what to do, and stays as it is."""
    bare.root.mkdir()
    (bare.root / "settings.toml").write_bytes(b"tile = 3 # \xff\n")
    assert "settings.toml is not valid TOML" in bare.fails("settings", "set", "tile", "5")
    assert (bare.root / "settings.toml").read_bytes() == b"tile = 3 # \xff\n"
