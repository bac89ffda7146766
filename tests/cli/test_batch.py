"""Which files become which."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsrgan_backend.cli import batch
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.imaging.pictures import writing


def touch(folder: Path, *names: str) -> list[Path]:
    """Empty files: nothing is read when a batch is planned."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return [folder / name for name in names]


def test_results_are_named_as_the_authors_did(tmp_path):
    """A result in a folder is NAME_BSRGAN.png, whatever the picture's own kind."""
    (photo,) = touch(tmp_path, "my photo.2.JPG")
    assert batch.plan([photo], None, tmp_path / "out") == [batch.Item(photo, tmp_path / "out/my photo.2_BSRGAN.png")]


def test_of_a_folder_its_pictures_count(tmp_path):
    """Of a folder the pictures are taken in order: no other files, no hidden ones, no earlier results."""
    touch(tmp_path / "in", "b.png", "a.tif", "notes.txt", ".hidden.png", "a_BSRGAN.png", "c.WEBP")
    (tmp_path / "in/sub.png").mkdir()
    items = batch.plan([tmp_path / "in"], None, tmp_path / "out")
    assert [item.source.name for item in items] == ["a.tif", "b.png", "c.WEBP"]


def test_pictures_that_share_a_name_keep_their_endings(tmp_path):
    """Each of them has its ending in the result's name, in whatever order; all others are named as ever."""
    pictures = touch(tmp_path, "anim.gif", "anim.png", "anim.2.png", "other.png")
    named = {"anim_gif_BSRGAN.png", "anim_png_BSRGAN.png", "anim.2_BSRGAN.png", "other_BSRGAN.png"}
    for order in (pictures, pictures[::-1]):
        items = batch.plan(order, None, tmp_path / "out")
        assert {item.target.name for item in items} == named
        assert all(item.source.suffix[1:] in item.target.name for item in items if item.source.stem == "anim")


def test_a_named_file_counts_whatever_its_name(tmp_path):
    """A file that is named itself is taken without a look at its ending."""
    (odd,) = touch(tmp_path, "scan.dat")
    assert [item.source for item in batch.plan([odd], None, tmp_path / "out")] == [odd]


def test_output_file_is_kept_as_named(tmp_path):
    """With -o the result has exactly that name."""
    (photo,) = touch(tmp_path, "a.jpg")
    assert batch.plan([photo], tmp_path / "x.webp", None) == [batch.Item(photo, tmp_path / "x.webp", is_named=True)]


@pytest.mark.parametrize(
    ("inputs", "output", "folder", "words", "status"),
    [
        (["a.png", "b.png"], "x.png", None, "exactly one", 2),
        (["."], "x.png", None, "exactly one", 2),
        (["a.png"], ".", None, "is a folder", 2),
        (["a.png"], "a.png", None, "replace the picture", 2),
        (["a.png"], "x.bmp", None, "choose one of these", 2),
        (["a.png"], "x", None, "choose one of these", 2),
        (["a.png"], None, "b.png", "takes a folder", 2),
        (["empty"], None, "out", "no pictures", 1),
        (["a.png", "a.jpg", "a_jpg.png"], None, "out", "both become a_jpg_BSRGAN.png", 1),
        (["a.png", "more/a.png"], None, "out", "into different folders", 1),
        (["a_BSRGAN.png"], None, None, "Say where", 2),
    ],
)
def test_mistakes_are_told_before_anything_is_done(tmp_path, monkeypatch, inputs, output, folder, words, status):
    """Each wrong combination is one sentence, with status 2 where the usage is wrong."""
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "a.png", "b.png", "a.jpg", "a_jpg.png")
    touch(tmp_path / "more", "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Failure, match=words) as caught:
        batch.plan([Path(name) for name in inputs], output and Path(output), folder and Path(folder))
    assert caught.value.status == status


def test_endings_that_are_written_are_those_of_the_writers():
    """The list that -o is held against, spelt out so that the command starts soon, is the writers' own."""
    assert set(writing._WRITERS) == batch.WRITTEN


def test_a_result_never_replaces_its_picture(tmp_path):
    """A link that makes result and picture the same file is noticed."""
    (photo,) = touch(tmp_path / "in", "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a_BSRGAN.png").hardlink_to(photo)
    with pytest.raises(Failure, match="would replace it"):
        batch.plan([photo], None, tmp_path / "out")


@pytest.mark.parametrize("name", ["a_BSRGAN.png", "a_BSRGAN.tif"])
def test_a_result_never_replaces_another_input(tmp_path, monkeypatch, name):
    """A result of an earlier run that is an input itself is kept, whatever the folder is called by."""
    monkeypatch.chdir(tmp_path)
    first, second = touch(tmp_path, "a.png", name)
    (tmp_path / "here").symlink_to(tmp_path)
    for folder in (tmp_path, Path(), tmp_path / "here"):
        with pytest.raises(Failure, match=f"The result {name} would replace an input") as caught:
            batch.plan([first, second], None, folder)
        assert caught.value.status == 2


def test_a_picture_that_is_named_twice_is_taken_once(tmp_path, monkeypatch):
    """The same file counts once, at its first place, also when it is named by a folder or by another way to it."""
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "same").symlink_to(tmp_path / "in")
    inputs = [Path("in/b.png"), tmp_path / "in", Path("in/../in/b.png"), Path("same/a.png")]
    items = batch.plan(inputs, None, tmp_path / "out")
    assert [item.source for item in items] == [Path("in/b.png"), tmp_path / "in/a.png"]


def test_another_name_for_a_picture_has_its_own_result(tmp_path):
    """A link with another name is no repetition: both names are asked for."""
    (photo,) = touch(tmp_path, "a.png")
    (tmp_path / "link.png").symlink_to(photo)
    items = batch.plan([photo, tmp_path / "link.png"], None, tmp_path / "out")
    assert [item.target.name for item in items] == ["a_BSRGAN.png", "link_BSRGAN.png"]


def test_links_in_a_circle_are_left_to_the_reader(tmp_path):
    """A link to itself is no reason to end: reading it says what is wrong."""
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    assert len(batch.plan([tmp_path / "a.png"], None, tmp_path / "out")) == 1
