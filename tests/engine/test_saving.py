"""Saved programs: written once, whole or not at all, mended when damaged."""

from __future__ import annotations

import gc
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.engine import saving
from bsrgan_backend.engine.runtime import paddle
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Weights


@pytest.fixture
def saved(tiny: Weights, cache: Path, tmp_path: Path) -> Path:
    """A cache of its own with the tiny network's programs in it."""
    folder = saving.prepare(tiny, cache)
    shutil.copytree(folder, tmp_path / "cache" / folder.name, ignore=shutil.ignore_patterns("blobs-*", "trial-*"))
    return tmp_path / "cache" / folder.name


def stamps(folder: Path) -> dict[str, int]:
    """When each file was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_what_is_sound_is_used_as_it_is(saved: Path, tiny: Weights) -> None:
    """A second load writes nothing."""
    before = stamps(saved)
    assert saving.prepare(tiny, saved.parent) == saved
    assert stamps(saved) == before
    assert saved.name.startswith(f"{tiny.digest[:32]}-3.2.2-")


@pytest.mark.parametrize("name", ["tail.pdmodel", "tail.pdiparams", "block.pdmodel", "reference.npz", "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_damage_is_mended(saved: Path, tiny: Weights, name: str, damage: str) -> None:
    """A file that is missing, cut short or changed is noticed before it is used, and all are written again."""
    path = saved / name
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:] if name != "manifest.json" else b"[1, 2]")
    assert not saving.is_sound(saved)
    assert saving.is_sound(saving.prepare(tiny, saved.parent))
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_every_program_is_named_by_the_manifest(saved: Path) -> None:
    """The manifest holds the hash of each file that a load reads."""
    files = json.loads((saved / "manifest.json").read_text())["files"]
    assert {f"{name}.pdmodel" for name in saving.PROGRAMS} <= set(files)
    assert "reference.npz" in files


def test_what_has_been_described_does_not_stay(saved: Path, tiny: Weights) -> None:
    """A program that was written in the middle of a job leaves no memory taken: it would hold all weights."""
    gc.collect()
    before = _programs_alive()
    gc.disable()
    try:
        saving.grouped(tiny, saved, "singles")
        assert _programs_alive() == before
    finally:
        gc.enable()


def _programs_alive() -> int:
    # Not isinstance: asked for their class, some of other libraries' objects warn.
    return sum(type(one) is paddle.static.Program for one in gc.get_objects())


def test_the_folder_may_be_removed(saved: Path, tiny: Weights) -> None:
    """After `remove` nothing is there, and the next load makes it anew."""
    saving.remove(saved.parent)
    assert not saved.parent.exists()
    assert saving.is_sound(saving.prepare(tiny, saved.parent))


def test_a_failure_leaves_nothing_behind(tmp_path: Path, tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle is one sentence, and no half-written folder stays."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "_write_manifest", full)
    with pytest.raises(BackendError) as failed:
        saving.prepare(tiny, tmp_path)
    assert failed.value.code == "DISK_FULL"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_left_is_removed(saved: Path, tiny: Weights) -> None:
    """Half-written folders of an hour ago go with the next load, also if it writes nothing; one at work stays."""
    for parent in (saved.parent, saved):
        for name, age_s in ((".new-old", 4000), (".new-young", 60)):
            (parent / name).mkdir()
            (parent / name / "tail.pdiparams").write_bytes(b"half")
            os.utime(parent / name, (time.time() - age_s,) * 2)
    saving.prepare(tiny, saved.parent)
    saving.grouped(tiny, saved, "singles")
    for parent in (saved.parent, saved):
        assert [path.name for path in parent.glob(".new-*")] == [".new-young"]


def test_a_faster_process_wins(saved: Path, tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another process has put sound programs there meanwhile, they are used."""
    root, elsewhere = saved.parent, saved.parent.parent / "other"
    real = saving._write_manifest
    saved.rename(elsewhere)

    def overtaken(staged: Path) -> None:
        real(staged)
        elsewhere.rename(saved)

    monkeypatch.setattr(saving, "_write_manifest", overtaken)
    assert saving.prepare(tiny, root) == saved
    assert saving.is_sound(saved)
    assert [path.name for path in root.iterdir()] == [saved.name]


def test_the_reference_has_the_nets_shapes(saved: Path, tiny: Weights) -> None:
    """The self-check's arrays are finite and fit the architecture."""
    image, features, result = saving.reference(saved)
    height, width = saving.CHECK_SIZE
    assert image.shape == (1, 3, height, width)
    assert features.shape == (1, tiny.architecture.features, height, width)
    assert result.shape == (1, 3, 4 * height, 4 * width)
    assert np.isfinite(result).all()
