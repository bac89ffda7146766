"""`gimp-bsrgan degrade`: files, recipes and options; no daemon."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bsrgan_backend.cli import degrade as command
from bsrgan_backend.degradation import Request, degrade_layer, describe, loads, replay
from bsrgan_backend.imaging.pictures import Picture, read_picture, write_picture
from support.cli_pictures import picture
from support.degrade_command import Degrade

KEY = "gimp-bsrgan-recipe"


@pytest.fixture
def degrade(tmp_path, capsys) -> Degrade:
    """The command."""
    return Degrade(tmp_path, capsys)


@pytest.fixture
def photo(tmp_path) -> Path:
    """A 40 x 32 PNG."""
    return picture(tmp_path / "photo.png", 32, 40)


def text_of(path: Path) -> str:
    """The recipe that any reader of PNG finds in a file."""
    with Image.open(path) as image:
        return image.info[KEY]


def names(folder: Path) -> set[str]:
    """What is in a folder, hidden files included."""
    return {path.name for path in folder.iterdir()}


def test_a_picture_becomes_a_quarter_with_its_recipe(degrade, photo):
    """By default one bsrgan result of a quarter of the size is written, silently, with its recipe beside and inside."""
    assert degrade(photo) == []
    assert degrade.stdout == ""
    assert names(degrade.out) == {"photo_LQ.png", "recipes.jsonl"}
    assert degrade.pixels("photo_LQ.png").shape == (8, 10, 3)
    (line,) = (degrade.out / "recipes.jsonl").read_text().splitlines()
    assert text_of(degrade.out / "photo_LQ.png") == line
    assert json.loads(line)["file"] == "photo_LQ.png"
    assert loads(line).request.mode == "bsrgan"


def test_the_file_holds_what_the_model_makes(degrade, photo):
    """The pixels of the file are those of the model for the same request."""
    degrade(
        photo, "--seed", 7, "--scale", 2, "--profile", "paper", "--strength", 0.5, "--off", "noise", "--off", "camera"
    )
    request = Request(seed=7, scale=2, profile="paper", strength=0.5, off=("noise", "camera"))
    expected = degrade_layer(read_picture(photo).pixels, request)
    np.testing.assert_array_equal(degrade.pixels("photo_LQ.png"), expected.pixels)


def test_the_same_seed_gives_the_same_file(degrade, photo):
    """Two runs with one seed write the same bytes, another seed writes others."""
    degrade(photo, "--seed", 3)
    first = (degrade.out / "photo_LQ.png").read_bytes()
    degrade(photo, "--seed", 3)
    assert (degrade.out / "photo_LQ.png").read_bytes() == first
    degrade(photo, "--seed", 4)
    assert (degrade.out / "photo_LQ.png").read_bytes() != first


def test_every_process_makes_the_same(degrade, photo, tmp_path):
    """Results do not depend on the number of processes, and item k is what the seed N + k gives alone."""
    degrade(photo, "--count", 9, "--seed", 5, "--processes", 1)
    alone = {path.name: path.read_bytes() for path in degrade.out.iterdir()}
    degrade.out = tmp_path / "many"
    degrade(photo, "--count", 9, "--seed", 5, "--processes", 2)
    assert {path.name: path.read_bytes() for path in degrade.out.iterdir()} == alone
    degrade(photo, "--seed", 5 + 3)
    np.testing.assert_array_equal(degrade.pixels("photo_LQ.png"), degrade.pixels("photo_4_LQ.png"))


def test_pictures_of_one_run_differ_in_seed(degrade, photo, tmp_path):
    """The second picture of a run is drawn from the next seed, so a folder does not get one damage only."""
    degrade(photo, picture(tmp_path / "second.png"), "--seed", 2**53 - 1)
    lines = (degrade.out / "recipes.jsonl").read_text().splitlines()
    assert [loads(line).request.seed for line in lines] == [2**53 - 1, 0]


def test_pairs_lie_side_by_side(degrade, photo):
    """--pairs writes the result with visible pixels on the left of the clean picture."""
    degrade(photo, "--pairs")
    pair = degrade.pixels("photo_pair.png")
    assert pair.shape == (32, 80, 3)
    np.testing.assert_array_equal(pair[:, 40:], read_picture(photo).pixels)
    np.testing.assert_array_equal(pair[:, :40], degrade.pixels("photo_LQ.png").repeat(4, axis=0).repeat(4, axis=1))


def test_pairs_of_odd_sizes_lie_on_one_another(degrade, tmp_path):
    """Where the picture was padded, the enlarged result is cut to it, each pixel where it belongs."""
    degrade(picture(tmp_path / "odd.png", 7, 13), "--pairs", "--preset", "clean-bicubic", "--variation", 0)
    lq, pair = degrade.pixels("odd_LQ.png"), degrade.pixels("odd_pair.png")
    assert lq.shape == (2, 4, 3)
    np.testing.assert_array_equal(pair[:, :13], lq.repeat(4, axis=0).repeat(4, axis=1)[:7, :13])


def test_patches_are_cut_by_seed(degrade, photo):
    """--patch cuts a part of the picture, keeps it as NAME_HQ.png, and a replay finds it again."""
    degrade(photo, "--patch", 16, "--seed", 9, "--count", 2)
    clean = read_picture(photo).pixels
    lines = [json.loads(line) for line in (degrade.out / "recipes.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines, 1):
        top, left, side = line["patch"]
        np.testing.assert_array_equal(degrade.pixels(f"photo_{number}_HQ.png"), clean[top : top + 16, left : left + 16])
        assert side == 16
    assert lines[0]["patch"] != lines[1]["patch"]
    before = degrade.pixels("photo_2_LQ.png")
    degrade(photo, "--patch", 16, "--recipe", degrade.out / "recipes.jsonl")
    np.testing.assert_array_equal(degrade.pixels("photo_2_LQ.png"), before)


def test_a_sheet_shows_all(degrade, photo):
    """--sheet puts every result on one page."""
    degrade(photo, "--sheet", "--count", 4, "--preset", "clean-bicubic", "--variation", 0)
    sheet = degrade.pixels("sheet.png")
    lq = degrade.pixels("photo_1_LQ.png")
    cell = sheet[6 : 6 + 192, 6 : 6 + 192]
    assert (cell[100] != 255).any()
    np.testing.assert_array_equal(cell[96, 96], lq[4, 5])
    assert sheet.shape == (2 * (192 + 18 + 6) + 6, 2 * (192 + 6) + 6, 3)


@pytest.mark.parametrize("form", ["png", "line", "lines", "indented"])
def test_a_recipe_is_replayed(degrade, photo, tmp_path, form):
    """--recipe takes a PNG of ours, a recipe as JSON, or many as lines, and gives the same pixels again."""
    degrade(photo, "--seed", 11, "--same-size", "bicubic")
    first, line = degrade.pixels("photo_LQ.png"), (degrade.out / "recipes.jsonl").read_text()
    file = tmp_path / "recipe.txt"
    text = {"line": line, "lines": line * 2, "indented": loads(line).dumps(), "png": ""}[form]
    file.write_bytes((degrade.out / "photo_LQ.png").read_bytes() if form == "png" else text.encode())
    degrade.out = tmp_path / "again"
    degrade(photo, "--recipe", file)
    for name in ("photo_1_LQ.png", "photo_2_LQ.png") if form == "lines" else ("photo_LQ.png",):
        np.testing.assert_array_equal(degrade.pixels(name), first)


def test_a_recipe_fits_another_size(degrade, photo, tmp_path):
    """A recipe of one picture runs on a larger one, with the same numbers."""
    degrade(photo, "--seed", 2)
    recipe = degrade.out / "photo_LQ.png"
    other = picture(tmp_path / "other.png", 65, 90)
    degrade(other, "--recipe", recipe)
    colour = read_picture(other).pixels.astype(np.float32) / np.float32(255)
    expected = replay(colour, loads(text_of(recipe))).image
    np.testing.assert_array_equal(degrade.pixels("other_LQ.png"), np.floor(expected * 255 + np.float32(0.5)))


def test_lines_of_earlier_runs_stay(degrade, photo, tmp_path):
    """recipes.jsonl keeps the lines of other files and replaces those of files that are written anew."""
    degrade(photo, "--seed", 1)
    degrade(picture(tmp_path / "b.png"), "--seed", 2)
    degrade(photo, "--seed", 3)
    lines = [json.loads(line) for line in (degrade.out / "recipes.jsonl").read_text().splitlines()]
    assert [(line["file"], line["request"]["seed"]) for line in lines] == [("b_LQ.png", 2), ("photo_LQ.png", 3)]


def test_lines_that_are_no_text_stay(degrade, photo):
    """Bytes that are no UTF-8 in the list of earlier runs are kept as they are."""
    degrade.out.mkdir()
    (degrade.out / "recipes.jsonl").write_bytes(b"\xff\xfe no text\n\n[1]\n")
    degrade(photo)
    lines = (degrade.out / "recipes.jsonl").read_bytes().splitlines()
    assert lines[:3] == [b"\xff\xfe no text", b"", b"[1]"]
    assert json.loads(lines[3])["file"] == "photo_LQ.png"


def test_steps_of_ones_own(degrade, photo, tmp_path):
    """--steps runs exactly these steps."""
    file = tmp_path / "steps.json"
    file.write_text('[{"step": "jpeg", "quality": 20}, {"step": "gaussian", "level": 4}]')
    degrade(photo, "--steps", file)
    (line,) = (degrade.out / "recipes.jsonl").read_text().splitlines()
    assert [step.name for step in loads(line).steps] == ["jpeg", "gaussian"]
    assert degrade.pixels("photo_LQ.png").shape == (32, 40, 3)


def test_json_is_for_programs(degrade, photo):
    """--json prints every result with its recipe, and what failed."""
    lines = degrade(photo, degrade.folder / "none.png", "--json", status=1)
    told = json.loads(degrade.stdout)
    assert told["failed"] == lines
    (result,) = told["results"]
    assert (result["file"], result["width"], result["height"], result["seed"]) == ("photo_LQ.png", 10, 8, 0)
    assert result["recipe"]["format"] == "bsrgan-degradation"


def test_a_folder_is_done_without_earlier_results(degrade, tmp_path):
    """Of a folder the pictures are taken, but not what this command or `upscale` wrote there."""
    for name in ("a.png", "a_LQ.png", "a_pair.png", "a_HQ.png", "a_trip.png", "a_BSRGAN.png", "sheet.png"):
        picture(tmp_path / name)
    degrade.out = tmp_path
    degrade(tmp_path)
    assert names(tmp_path) >= {"a_LQ.png", "recipes.jsonl"}
    assert not any("_LQ_LQ" in name or "sheet_" in name for name in names(tmp_path))


def test_pictures_that_share_a_name_keep_their_endings(degrade, tmp_path):
    """Pictures with one name and several endings have results of their own."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "a.jpg", "b.png"):
        picture(folder / name)
    degrade(folder)
    assert names(degrade.out) == {"a_jpg_LQ.png", "a_png_LQ.png", "b_LQ.png", "recipes.jsonl"}


def test_the_help_names_what_the_model_knows():
    """Modes, presets and families of the command line are those of the model."""
    known = describe()
    assert known["modes"] == list(command.MODES)
    assert list(known["presets"]) == list(command.PRESETS)
    assert known["families"] == list(command.FAMILIES)


def test_profile_and_resolution_stay(degrade, tmp_path):
    """What belongs to the colours of the file stays with them."""
    source = picture(tmp_path / "a.png", icc=b"a profile of some kind", dpi=(300.0, 300.0))
    degrade(source)
    result = read_picture(degrade.out / "a_LQ.png")
    assert (result.icc, result.dpi) == (b"a profile of some kind", (300.0, 300.0))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_depth_and_channels(degrade, tmp_path, channels, dtype):
    """Gray stays gray, alpha stays, and 16 bits stay where the last step is not JPEG."""
    source = picture(tmp_path / "a.png", 12, 16, channels, dtype)
    degrade(source, "--preset", "clean-bicubic", "--variation", 0)
    result = degrade.pixels("a_LQ.png")
    assert result.shape == (3, 4, channels)
    assert result.dtype == dtype


def test_sixteen_bits_end_where_jpeg_comes_last(degrade, tmp_path):
    """After a final JPEG a 16-bit picture is written in 8 bits, and that is said; its levels are the same."""
    source = picture(tmp_path / "a.png", 12, 16, 3, "uint16")
    (line,) = degrade(source)
    assert "8-bit" in line
    result = degrade.pixels("a_LQ.png")
    assert result.dtype == np.uint8
    exact = degrade_layer(read_picture(source).pixels, Request())
    np.testing.assert_array_equal(exact.pixels, result.astype(np.uint16) * 257)
    degrade(source, "--same-size", "bicubic")
    assert degrade.pixels("a_LQ.png").dtype == np.uint16


def test_floats_are_written_in_sixteen_bits(degrade, tmp_path):
    """A floating-point TIFF becomes a 16-bit PNG, and that is said."""
    source = picture(tmp_path / "a.tif", 12, 16, 3, "float32")
    (line,) = degrade(source, "--preset", "clean-bicubic", "--pairs")
    assert "16 bits" in line
    assert degrade.pixels("a_LQ.png").dtype == np.uint16
    assert degrade.pixels("a_pair.png").shape == (12, 32, 3)


def test_hidden_colours_stay_hidden(degrade, tmp_path):
    """Wild colours under alpha 0 change nothing that can be seen, and alpha keeps its levels at the same size."""
    pixels = np.full((24, 24, 4), 128, np.uint8)
    pixels[8:16, 8:16, 3] = 0
    pixels[:4, :, 3] = 77
    results = []
    for name, wild in (("a", 0), ("b", 255)):
        pixels[8:16, 8:16, :3] = wild
        write_picture(tmp_path / f"{name}.png", Picture(pixels.copy()))
        degrade(tmp_path / f"{name}.png", "--same-size", "bicubic", "--off", "noise", "camera")
        results.append(degrade.pixels(f"{name}_LQ.png"))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0][..., 3], pixels[..., 3])
    assert np.abs(results[0][..., :3].astype(int) - 128).max() <= 2


def test_a_picture_that_is_named_twice_is_degraded_once(degrade, photo):
    """The same file counts once, also when it is named by its folder as well."""
    degrade(photo, photo.parent)
    assert names(degrade.out) == {"photo_LQ.png", "recipes.jsonl"}
    assert len((degrade.out / "recipes.jsonl").read_text().splitlines()) == 1
