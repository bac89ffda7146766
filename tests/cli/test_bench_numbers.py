"""The arithmetic of `bench`: operations, differences, ratios, claims and tables."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsrgan_backend.cli.benching import arithmetic, contestants, judging, pictures, report
from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.benching.comparison import Report
from bsrgan_backend.cli.benching.fidelity import Fidelity
from bsrgan_backend.cli.benching.rows import Row, ceiling, find, share_of, times_as_fast
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture


def row(name, asked, *seconds, precision="", **others):
    """A row of a 512 x 512 picture with a million million operations."""
    facts = {"pixels": 512 * 512, "operations": 1e12, **others}
    return Row(name, asked, precision or asked, seconds=seconds, **facts)


def product(name, asked, seconds):
    """A row of a matrix product of as many operations."""
    return row(name, asked, seconds, pixels=0)


ROWS = [
    row(contestants.ENGINE, "exact", 2.0, precision="fp32"),
    row(contestants.ENGINE, "fast", 1.25, precision="bf16", psnr_db=54.0, largest_levels=3.0),
    row(contestants.DAEMON, "exact", 2.5, precision="fp32"),
    row(contestants.DAEMON, "fast", 1.5, precision="bf16"),
    row(contestants.PYTORCH, "fp32", 4.0),
    row(contestants.OPENVINO, "fp32", 2.0),
    row(contestants.OPENVINO, "bf16", 1.2),
    Row(contestants.ONNX_RUNTIME, "fp32", pixels=512 * 512, operations=1e12, reason="needs about 9 GB"),
    product(contestants.PYTORCH, "bf16", 1.1),
    product(contestants.OPENVINO, "bf16", 1.0),
    product(contestants.NUMPY, "fp32", 1.8),
]


def test_operations_of_the_full_network_are_those_of_the_papers_layers():
    """23 blocks of 15 convolutions, first and last of the trunk, and the tail at twice and four times the size."""
    dense = sum((64 + 32 * number) * 32 for number in range(4)) + (64 + 4 * 32) * 64
    low = 23 * 3 * dense + 3 * 64 + 64 * 64
    tail = 4 * 64 * 64 + 16 * (64 * 64 + 64 * 64 + 64 * 3)
    assert arithmetic.operations_per_pixel(synthetic.BSRGAN) == 2 * 9 * (low + tail)
    assert 35e6 < arithmetic.operations_per_pixel(synthetic.BSRGAN) < 37e6


def test_operations_count_for_pixels_before_unshuffling():
    """A network that gathers 2 x 2 pixels does a quarter of its work for each pixel given."""
    plain = Architecture(features=8, blocks=1, growth=4, in_channels=12, out_channels=3, scale=4)
    gathered = replace(plain, in_channels=3, scale=2, unshuffle=2)
    assert arithmetic.operations_per_pixel(gathered) == arithmetic.operations_per_pixel(plain) / 4


@given(st.floats(1e-4, 0.5), st.integers(1, 6))
def test_a_constant_difference_has_its_own_psnr(difference, side):
    """The PSNR of a constant difference d is -20 log10 d, and its largest difference 255 d."""
    black = np.zeros((1, 3, side, side), np.float32)
    other = black + np.float32(difference)
    assert arithmetic.psnr_db(black, other) == pytest.approx(-20 * np.log10(difference), abs=1e-3)
    assert arithmetic.largest_levels(black, other) == pytest.approx(255 * difference, rel=1e-5)


def test_differences_outside_of_the_range_do_not_count():
    """Results are compared as they are shown: everything above white is white."""
    assert arithmetic.psnr_db(np.float32([1.2]), np.float32([1.9])) == arithmetic.EQUAL_DB
    assert arithmetic.largest_levels(np.float32([-0.5]), np.float32([0])) == 0


def test_a_row_tells_median_spread_and_speed():
    """Middle, distance of the extremes, seconds for a megapixel, operations a second, memory over base."""
    one = row("x", "fp32", 1.0, 2.0, 4.0, pixels=500_000, operations=6e9, base_bytes=100, peak_bytes=250)
    assert (one.median_s, one.spread, one.per_megapixel_s, one.giga_per_s) == (2.0, 1.5, 4.0, 3.0)
    assert one.over_base_bytes == 150


def test_a_row_that_did_not_run_has_no_numbers():
    """Nothing is made up for a contestant without a run."""
    one = Row("x", "fp32", pixels=16, reason="why")
    assert one.median_s is one.spread is one.per_megapixel_s is one.giga_per_s is one.over_base_bytes is None
    assert find([one], "x", "fp32") is None
    assert times_as_fast(one, ROWS[0]) is None


def test_the_ceiling_is_the_fastest_product_of_the_same_arithmetic():
    """Of several libraries the better one counts, and only products of that precision."""
    top = ceiling(ROWS, "bf16")
    assert top is not None
    assert top.name == contestants.OPENVINO
    assert share_of(ROWS[1], top) == pytest.approx(0.8)
    assert ceiling(ROWS, "fp16") is None
    quick = row(contestants.ENGINE, "exact", 0.1, precision="fp32")
    assert ceiling([quick, *ROWS], "fp32") is ceiling(ROWS, "fp32") is ROWS[-1]


def test_claims_compare_the_whole_way_with_the_others():
    """Speeds are of the file to file runs; each claim is reached or not by its own bound."""
    claims = judging.claims(ROWS, 512, synthetic.BSRGAN)
    assert [(round(c.value, 2), c.bound, c.reached) for c in claims] == [
        (1.6, 1.6, True),
        (0.8, 0.95, False),
        (2.67, 3.0, False),
        (0.8, 0.88, False),
        (54.0, 53.0, True),
        (0.8, 0.78, True),
    ]
    assert "0.67 file to file" in claims[-1].note


@pytest.mark.parametrize(("side", "architecture"), [(128, synthetic.BSRGAN), (512, synthetic.TINY)])
def test_other_sizes_and_networks_are_shown_but_not_judged(side, architecture):
    """The requirements hold for the full network and whole photos of one size only."""
    claims = judging.claims(ROWS, side, architecture)
    assert {c.reached for c in claims} == {None}
    assert all(c.value is not None and c.cells()[4] == "not judged" for c in claims)


def test_a_comparison_that_cannot_be_made_says_why():
    """A contestant that did not take part or did not run is named with the reason."""
    (first, *_rest) = judging.claims(ROWS[:4], 512, synthetic.BSRGAN)
    assert first.value is first.reached is None
    assert "--peers" in first.note
    failed = [*ROWS[:4], Row(contestants.PYTORCH, "fp32", reason="needs about 40 GB")]
    assert "needs about 40 GB" in judging.claims(failed, 512, synthetic.BSRGAN)[0].note


def test_fast_that_computes_in_fp32_says_so_beside_its_share_of_bf16():
    """Where fast convolutions in fp32 are the fast precision, their share counts plain operations and is told so."""
    rows = [replace(each, precision="fp32") if each.asked == "fast" else each for each in ROWS]
    share = judging.claims(rows, 512, synthetic.BSRGAN)[-1]
    assert share.value is not None
    assert "in fp32, operations of plain convolutions" in share.note


def test_no_share_is_told_of_a_bf16_that_is_no_faster():
    """Where the processor only imitates bf16, a share of its product would mean nothing."""
    rows = [row for row in ROWS if row.precision != "bf16" or row.pixels]
    share = judging.claims([*rows, product(contestants.PYTORCH, "bf16", 9.0)], 512, synthetic.BSRGAN)[-1]
    assert share.value is None
    assert "no faster" in share.note


def test_an_openvino_without_bf16_is_told():
    """A comparison with a peer that silently computed in fp32 says so."""
    rows = [replace(each, precision="fp32") if each.asked == "bf16" and each.pixels else each for each in ROWS]
    assert "it computed in fp32" in judging.claims(rows, 512, synthetic.BSRGAN)[3].note


def test_the_worst_photo_counts_and_the_largest_difference_of_all():
    """Of a folder the lowest PSNR is judged."""
    claim = judging.photos_claim([Fidelity("a", (9, 9), 60.0, 9.0), Fidelity("b", (9, 9), 52.0, 4.0)])
    assert (claim.value, claim.reached) == (52.0, False)
    assert "b; at most 9.0" in claim.note


def test_a_claim_shows_value_bound_ratio_and_verdict():
    """A line has all of them, and words where nothing could be measured or nothing is required."""
    assert Claim("x", 15.0, "ms", 30.0, note="n").cells() == ("x", "15.0 ms", "at most 30 ms", "0.50", "reached", "n")
    assert Claim("x", 31.0, "ms", 30.0).cells()[4] == "NOT reached"
    assert Claim("x", None, "ms", 30.0).cells() == ("x", "-", "at most 30 ms", "", "not measured", "")
    assert Claim("x", 1.234, "s").cells() == ("x", "1.23 s", "", "", "", "")
    assert Claim("x", 1.6, "", 1.6, "at least").reached is True


def whole_report():
    """A report with everything in it."""
    return Report(
        {"date": "2026-11-24", "threads": "2"},
        {512: ROWS},
        judging.claims(ROWS, 512, synthetic.BSRGAN),
        [Fidelity("a|b.png", (9, 8), 60.0, 9.0)],
    )


def test_the_json_form_has_every_number_unrounded():
    """Programs find rows by side, with ratios and reasons, and the claims with their verdicts."""
    told = json.loads(json.dumps(report.as_facts({"system": "x"}, whole_report()), allow_nan=False))
    assert set(told) == {"schema", "machine", "conditions", "rows", "photos", "memory", "claims"}
    torch = told["rows"]["512"][4]
    assert (torch["times_pytorch"], torch["median_s"], torch["share_of_product"]) == (1.0, 4.0, pytest.approx(0.45))
    assert told["rows"]["512"][3]["times_openvino"] == pytest.approx(0.8)
    assert told["rows"]["512"][7]["reason"] == "needs about 9 GB"
    assert [claim["reached"] for claim in told["claims"]][:2] == [True, False]


def test_the_markdown_form_is_made_of_whole_tables():
    """Every table has as many cells in each line as in its heading, and a dated heading is above all."""
    text = report.as_markdown({"system": "x"}, whole_report())
    assert text.startswith("## 2026-11-24\n")
    assert "a\\|b.png" in text
    for table in (part for part in text.split("\n\n") if part.startswith("|")):
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


def test_the_text_form_has_a_reason_where_a_contestant_did_not_run():
    """A skipped contestant keeps its line."""
    (line,) = (line for line in report.as_text({"system": "x"}, whole_report()).splitlines() if "ONNX" in line)
    assert line.endswith("needs about 9 GB")


@pytest.mark.parametrize(
    ("shape", "way"), [((40, 50, 3), "cut out"), ((20, 50, 3), "20 x 32 mirrored until it fills the size")]
)
def test_a_photo_is_brought_to_a_square(shape, way):
    """A large photo is cut in its middle, a small one mirrored; both are told."""
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    made, told = pictures.square(pixels, 32)
    assert made.shape == (32, 32, 3)
    assert told == way
    top, left = max(0, (shape[0] - 32) // 2), 9
    height = min(20, shape[0])
    assert np.array_equal(made[:height], pixels[top : top + height, left : left + 32])
    if shape[0] < 32:
        assert np.array_equal(made[20:32], made[8:20][::-1])


def test_a_picture_is_written_as_each_contestant_takes_it(tmp_path):
    """File, float rows and unshuffled planes hold the same values."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    ground = pictures.prepare(pixels, replace(synthetic.TINY, scale=2, unshuffle=2), tmp_path / "here")
    assert np.array_equal(pictures.rgb(ground.png), pixels)
    image = np.load(ground.image)
    assert np.array_equal(np.rint(image * 255), pixels)
    planes = np.load(ground.planes)
    assert planes.shape == (1, 12, 4, 6)
    assert np.array_equal(planes[0, 1], image[0::2, 1::2, 0])
