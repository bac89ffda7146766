"""The claims about speed: which rows they compare, and what is required."""

from __future__ import annotations

from collections.abc import Sequence

from bsrgan_backend.cli.benching import contestants as names
from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.benching.fidelity import Fidelity, worst
from bsrgan_backend.cli.benching.rows import Row, ceiling, find, share_of, times_as_fast
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture

SIDE_PX = 512
"""The requirements are for a whole photo of this side."""

SPEEDS = (
    ("exact", names.PYTORCH, "fp32", 1.6),
    ("exact", names.OPENVINO, "fp32", 0.95),
    ("fast", names.PYTORCH, "fp32", 3.0),
    ("fast", names.OPENVINO, "bf16", 0.88),
)
"""This engine's precision, whom it is compared with, in which precision, and how many times as fast it must be."""

FAST_PSNR_DB = 53.0
FAST_SHARE = 0.78


def claims(rows: Sequence[Row], side: int, architecture: Architecture) -> list[Claim]:
    """What one size of picture says about the requirements.

    Args:
        rows: networks and matrix products of one run.
        side: of the picture.
        architecture: of the network; the requirements are for the full one.
    """
    judged = side == SIDE_PX and architecture == synthetic.BSRGAN
    return [
        *(_speed(rows, side, judged, *speed) for speed in SPEEDS),
        _psnr(rows, side, judged),
        _share(rows, side, judged),
    ]


def _speed(
    rows: Sequence[Row], side: int, judged: bool, asked: str, other_name: str, other_asked: str, bound: float
) -> Claim:
    mine, other = find(rows, names.DAEMON, asked), find(rows, other_name, other_asked)
    name = f"{side} x {side}, {asked}, file to file, times as fast as {other_name} {other_asked}"
    value = times_as_fast(mine, other)
    if mine is None or other is None or mine.median_s is None or other.median_s is None:
        note = _missing(rows, (names.DAEMON, asked), (other_name, other_asked))
    else:
        note = _other_precision(other, f"{mine.median_s:.2f} s against {other.median_s:.2f} s")
    return Claim(name, value, "", bound, "at least", note, is_judged=judged and value is not None)


def _other_precision(other: Row, note: str) -> str:
    return note if other.precision == other.asked else f"{note}; it computed in {other.precision}"


def _psnr(rows: Sequence[Row], side: int, judged: bool) -> Claim:
    row = find(rows, names.ENGINE, "fast")
    name = f"{side} x {side}, fast, PSNR against fp32"
    if row is None or row.psnr_db is None:
        return Claim(name, None, "dB", FAST_PSNR_DB, "at least", _missing(rows, (names.ENGINE, "fast")))
    note = f"at most {row.largest_levels:.1f} of 255 off; before rounding to 8 bit"
    return Claim(name, row.psnr_db, "dB", FAST_PSNR_DB, "at least", note, is_judged=judged)


def _share(rows: Sequence[Row], side: int, judged: bool) -> Claim:
    row, top = find(rows, names.ENGINE, "fast"), ceiling(rows, "bf16")
    name = f"{side} x {side}, fast, share of the bf16 matrix product"
    if row is None or top is None or top.giga_per_s is None:
        note = _missing(rows, (names.ENGINE, "fast"), (names.PYTORCH, "bf16"))
        return Claim(name, None, "", FAST_SHARE, "at least", note)
    plain = ceiling(rows, "fp32")
    if plain is not None and (plain.giga_per_s or 0.0) >= top.giga_per_s:
        return Claim(name, None, "", FAST_SHARE, "at least", "products in bf16 are no faster than in fp32 here")
    note = f"of {top.giga_per_s:.0f} GFLOP/s by {top.name}; without daemon"
    if row.precision != "bf16":
        note = f"{note}, in {row.precision}, operations of plain convolutions"
    whole = share_of(find(rows, names.DAEMON, "fast"), top)
    if whole is not None:
        note += f", {whole:.2f} file to file"
    return Claim(name, share_of(row, top), "", FAST_SHARE, "at least", note, is_judged=judged)


def _missing(rows: Sequence[Row], *wanted: tuple[str, str]) -> str:
    """Why a comparison cannot be made."""
    for name, asked in wanted:
        row = next((row for row in rows if (row.name, row.asked) == (name, asked)), None)
        if row is None:
            hint = " (--peers)" if name in (names.PYTORCH, names.OPENVINO) else ""
            return f"{name} {asked} did not take part{hint}"
        if not row.seconds:
            return f"{name} {asked} did not run: {row.reason}"
    return ""


def photos_claim(photos: Sequence[Fidelity]) -> Claim:
    """The worst of a folder of photos."""
    photo = worst(photos)
    largest = max(each.largest_levels for each in photos)
    note = f"the worst of {len(photos)}: {photo.name}; at most {largest:.1f} of 255 off"
    return Claim("photos, fast, PSNR against exact", photo.psnr_db, "dB", FAST_PSNR_DB, "at least", note)
