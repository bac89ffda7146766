"""`gimp-bsrgan degrade` with what it cannot do: one sentence, no result, nothing replaced."""

from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.degradation import Request, plan
from bsrgan_backend.imaging.pictures import Picture, write_picture
from support.cli_pictures import picture
from support.degrade_command import Degrade


@pytest.fixture
def degrade(tmp_path, capsys) -> Degrade:
    """The command."""
    return Degrade(tmp_path, capsys)


@pytest.fixture
def photo(tmp_path) -> Path:
    """A 40 x 32 PNG."""
    return picture(tmp_path / "photo.png", 32, 40)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 5000), (3, 2), (1, 9)])
@pytest.mark.parametrize("mode", ["bsrgan", "bsrgan-plus"])
def test_odd_and_tiny_pictures_work(degrade, tmp_path, height, width, mode):
    """Pictures of any size have a result, also where the scale is larger than the picture."""
    degrade(picture(tmp_path / "a.png", height, width), "--mode", mode, "--pairs", "--same-size", "nearest")
    assert degrade.pixels("a_LQ.png").shape == (height, width, 3)
    degrade(picture(tmp_path / "a.png", height, width), "--mode", mode, "--pairs")
    assert degrade.pixels("a_LQ.png").shape == (-(-height // 4), -(-width // 4), 3)
    assert degrade.pixels("a_pair.png").shape == (height, 2 * width, 3)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--strength", "1.5"], "strength"),
        (["--strength", "nan"], "strength"),
        (["--seed", "-1"], "seed"),
        (["--seed", str(2**53)], "seed"),
        (["--variation", "0.9"], "variation"),
        (["--scale", "1"], "scale"),
        (["--mode", "manual"], "steps"),
    ],
)
def test_numbers_out_of_bounds(degrade, photo, options, word):
    """A number that is not allowed is named in one sentence."""
    assert word in degrade.fails(photo, *options)


def test_an_option_has_its_own_name(degrade, photo):
    """A sentence about an option names it as the command does."""
    assert degrade.fails(photo, "--seed", "-1").startswith("gimp-bsrgan: 'seed' is -1; it must be a whole number")
    assert degrade.fails(photo, "--scale", "1").startswith("gimp-bsrgan: 'scale' is 1; it must be 2, 3 or 4.")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--preset", "web-jpeg", "--mode", "bsrgan"], "--preset"),
        (["--steps", "x.json", "--mode", "bsrgan"], "--steps"),
        (["--recipe", "x.json", "--seed", "4"], "--seed"),
        (["--recipe", "x.json", "--count", "4"], "--count"),
        (["--recipe", "x.json", "--same-size", "area"], "--same-size"),
    ],
)
def test_options_that_contradict(degrade, photo, options, word):
    """Options that cannot go together are wrong usage."""
    assert word in degrade.fails(photo, *options, status=2)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[{"step": "melt"}]', "'melt'"),
        ('[{"step": "blur", "along": 1e9}]', "along"),
        ('[{"step": "blur", "along": NaN}]', "not a number"),
        ('[{"step": "jpeg", "quality": 0}]', "quality"),
        ('[{"step": "jpeg", "speed": 4}]', "speed"),
        ('[{"kind": "jpeg"}]', "Step 1 has no name"),
        ('{"step": "jpeg"}', "steps"),
        ("[]", "steps"),
        ('[{"step": "jpeg"', "JSON"),
    ],
)
def test_steps_that_do_not_exist(degrade, photo, tmp_path, text, word):
    """Unknown steps, numbers out of bounds, NaN and broken JSON are one sentence each."""
    (tmp_path / "steps.json").write_text(text)
    assert word in degrade.fails(photo, "--steps", tmp_path / "steps.json")


def recipe_values() -> dict:
    """A recipe as plain values."""
    return plan(Request(seed=4), (32, 40)).to_json()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": 99}, "99"),
        ({"version": "x"}, "not complete"),
        ({"format": "something"}, "no recipe"),
        ({"steps": None}, "not complete"),
        ({"steps": [{"step": "melt"}]}, "melt"),
        ({"source": [1, 2]}, "not complete"),
    ],
)
def test_recipes_that_cannot_be_used(degrade, photo, tmp_path, change, word):
    """A newer, foreign, damaged or unknown recipe is one sentence."""
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(recipe_values() | change))
    assert word in degrade.fails(photo, "--recipe", file)


def test_files_without_a_recipe(degrade, photo, tmp_path):
    """A cut recipe, a line that is none, a PNG without one, an empty and a missing file are one sentence each."""
    file = tmp_path / "recipe.json"
    whole = json.dumps(recipe_values())
    file.write_text(whole[: len(whole) // 2])
    assert "JSON" in degrade.fails(photo, "--recipe", file)
    file.write_text(json.dumps(recipe_values(), indent=1)[:300])
    assert "JSON" in degrade.fails(photo, "--recipe", file)
    file.write_text(f"{whole}\n{whole[:40]}\n")
    assert "line 2" in degrade.fails(photo, "--recipe", file)
    assert "holds no recipe" in degrade.fails(photo, "--recipe", photo, status=1)
    file.write_bytes(photo.read_bytes()[:60])
    assert "holds no recipe" in degrade.fails(photo, "--recipe", file)
    file.write_text("\n")
    assert "empty" in degrade.fails(photo, "--recipe", file)
    assert "cannot be read" in degrade.fails(photo, "--recipe", tmp_path / "none.json")


def test_nan_is_refused(degrade, tmp_path):
    """A picture with NaN is refused in one sentence; under alpha 0 it does not count."""
    pixels = np.full((8, 8, 4), 0.5, np.float32)
    pixels[2, 2, 0] = np.nan
    write_picture(tmp_path / "a.tif", Picture(pixels))
    assert "NaN" in degrade.fails(tmp_path / "a.tif")
    pixels[2, 2, 3] = 0.0
    write_picture(tmp_path / "a.tif", Picture(pixels))
    degrade(tmp_path / "a.tif")


def test_a_bad_picture_does_not_stop_the_others(degrade, photo, tmp_path):
    """Each bad file is one sentence, the good ones are done, and the status is 1."""
    (tmp_path / "bad.png").write_bytes(b"no picture")
    small = picture(tmp_path / "small.png", 8, 8)
    lines = degrade(tmp_path / "bad.png", small, photo, "--patch", 16, status=1)
    assert [line.split(":")[0] for line in lines] == ["bad.png", "small.png"]
    assert "8 x 8" in lines[1]
    assert (degrade.out / "photo_LQ.png").exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_what_all_results_of_a_picture_meet_is_told_once(degrade, tmp_path, processes):
    """The same sentence about one picture is printed once however many results are wanted; programs get each."""
    small = [picture(tmp_path / name, 8, 8) for name in ("a.png", "b.png")]
    options = ["--patch", 16, "--count", 5, "--processes", processes, "--json"]
    lines = degrade(*small, *options, status=1)
    assert [line.split(":")[0] for line in lines] == ["a.png", "b.png"]
    assert json.loads(degrade.stdout)["failed"] == [lines[0]] * 5 + [lines[1]] * 5


def test_no_input_is_written_over(degrade, photo, tmp_path):
    """A result that has the name of an input, a recipe's file included, is refused."""
    degrade.out = tmp_path
    degrade(photo)
    first = tmp_path / "photo_LQ.png"
    before = first.read_bytes()
    assert "replace" in degrade(photo, first, status=2)[0]
    assert "replace" in degrade(photo, "--recipe", first, status=2)[0]
    assert first.read_bytes() == before


def test_names_that_collide(degrade, tmp_path):
    """Two pictures that would become one file are refused before anything is read."""
    first, second = (tmp_path / name / "a.png" for name in ("first", "second"))
    for path in (first, second):
        path.parent.mkdir()
        picture(path)
    assert "do them into different folders." in degrade.fails(first, second, status=2)


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Let files have at most so many bytes, which stands in for a disk that runs full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("options", [["--patch", 96], ["--pairs"]])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_ends_the_run(degrade, tmp_path, options, processes):
    """It is told once with what to do, and no LQ is left without its clean picture, nor a part of a file."""
    source = picture(tmp_path / "a.png", 96, 96)
    degrade.out.mkdir()
    (degrade.out / "a_1_LQ.png").write_bytes(b"old")
    with small_disk(12_000):
        lines = degrade(source, "--count", 5, "--processes", processes, *options, status=1)
    (line,) = lines
    assert line.startswith("gimp-bsrgan: a_1_")
    assert "free some space" in line
    assert [path.name for path in degrade.out.iterdir()] == ["a_1_LQ.png"]
    assert (degrade.out / "a_1_LQ.png").read_bytes() == b"old"


def test_a_list_that_does_not_fit_leaves_no_part(degrade, tmp_path):
    """When only the recipes are too large, one sentence says so and the list of earlier runs stays."""
    source = picture(tmp_path / "a.png")
    degrade.out.mkdir()
    (degrade.out / "recipes.jsonl").write_text("{}\n" * 10_000)
    with small_disk(12_000):
        (line,) = degrade(source, status=1)
    assert line.startswith("gimp-bsrgan: recipes.jsonl: ")
    assert {path.name for path in degrade.out.iterdir()} == {"a_LQ.png", "recipes.jsonl"}
    assert len((degrade.out / "recipes.jsonl").read_text()) == 30_000


def test_a_place_that_cannot_be_written_is_told_once(degrade, photo):
    """A folder where no list can be written is told before anything is done, however many results are wanted."""
    (degrade.out / "recipes.jsonl").mkdir(parents=True)
    (line,) = degrade(photo, "--count", 3, status=1)
    assert "recipes.jsonl: The file cannot be written" in line
    assert [path.name for path in degrade.out.iterdir()] == ["recipes.jsonl"]


def test_a_result_that_cannot_be_written_is_named(degrade, photo):
    """What the system says about one file is a sentence with the result's name, and the other results are done."""
    (degrade.out / "photo_1_LQ.png").mkdir(parents=True)
    (line,) = degrade(photo, "--count", 2, status=1)
    assert line.startswith("photo_1_LQ.png: The file cannot be written")
    assert {path.name for path in degrade.out.iterdir()} == {"photo_1_LQ.png", "photo_2_LQ.png", "recipes.jsonl"}


def test_places_that_are_none(degrade, photo, tmp_path):
    """A file as -d and a folder without pictures are refused."""
    (tmp_path / "empty").mkdir()
    assert "no pictures" in degrade.fails(tmp_path / "empty")
    degrade.out = photo
    assert "takes a folder" in degrade(photo, status=2)[0]
