"""`gimp-bsrgan models`."""

from __future__ import annotations

import dataclasses

import pytest

from bsrgan_backend.cli import models
from bsrgan_backend.models import catalog, safetensors_file, synthetic
from bsrgan_backend.models.store import ModelStore


def test_list_shows_installed_and_available_models(installation):
    """Installed models and all published ones are listed with scale, licence and origin."""
    done = installation("models", "list")
    assert done.returncode == 0
    lines = {
        line.split()[1] if line.startswith("*") else line.split()[0]: line
        for line in done.stdout.splitlines()[1:]
        if line
    }
    assert lines["tiny"].startswith("*")
    assert "installed" in lines["tiny"]
    for entry in catalog.ENTRIES:
        assert "available" in lines[entry.id]
        assert f"x{entry.scale}" in lines[entry.id]
        assert entry.licence in lines[entry.id]
        assert f"from {entry.source_name}\n" in done.stdout
        assert entry.description in done.stdout


def test_list_says_when_the_default_is_missing(bare):
    """Without the default model the list says how to get one."""
    assert "bsrgan-x4 is not installed" in bare("models", "list").stdout


def test_own_files_are_added_found_and_removed(bare, tmp_path):
    """A file becomes a model of a name, has a path, and can be removed."""
    file = tmp_path / "My Net.safetensors"
    file.write_bytes(safetensors_file.encode(synthetic.random_weights(synthetic.TINY, 3)))
    done = bare("models", "add", file, "--id", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine is installed: x4")
    path = bare("models", "path", "mine").stdout.strip()
    assert path == str(bare.root / "models/mine.safetensors")
    assert bare("models", "remove", "mine").returncode == 0
    assert "not installed" in bare.fails("models", "path", "mine")


@pytest.mark.parametrize(("count", "words"), [(1, "1 block,"), (2, "2 blocks,")])
def test_one_block_is_a_block(tmp_path, capsys, count, words):
    """The line about a model that was added counts its blocks in words."""
    weights = synthetic.random_weights(dataclasses.replace(synthetic.TINY, blocks=count), 3)
    models._say_installed(ModelStore(tmp_path).put("mine", weights, "", None, "test"))
    assert capsys.readouterr().out == f"mine is installed: x4, {words} licence unknown\n"


def test_what_is_no_model_is_one_sentence(bare, tmp_path):
    """A web page, a missing file and a name that is none are refused with a sentence, and nothing is installed."""
    page = tmp_path / "BSRGAN.pth"
    page.write_text("<!DOCTYPE html><html></html>")
    assert "web page" in bare.fails("models", "add", page)
    assert "no file" in bare.fails("models", "add", tmp_path / "none.pth")
    assert "../x" in bare.fails("models", "path", "../x")
    assert not list((bare.root / "models").glob("*.safetensors"))


def test_removing_what_is_not_there_does_not_advise_to_add_it(bare):
    """The sentence says where to look, for published models too."""
    for model in ("nothing", "bsrgan-x4"):
        told = bare.fails("models", "remove", model)
        assert told == f"The model {model} is not installed; 'gimp-bsrgan models list' shows what there is."


def test_an_unpublished_model_names_those_there_are(bare):
    """Downloading something unknown says what can be had."""
    assert "realesrgan-x4plus" in bare.fails("models", "download", "frob")
