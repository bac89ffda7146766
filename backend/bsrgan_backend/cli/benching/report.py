"""A measurement as text for a terminal, as JSON for programs, and as Markdown to be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bsrgan_backend.cli.benching import contestants as names
from bsrgan_backend.cli.benching import fidelity, memories
from bsrgan_backend.cli.benching.claims import HEADING, Claim
from bsrgan_backend.cli.benching.comparison import Report
from bsrgan_backend.cli.benching.rows import Row, ceiling, find, share_of, times_as_fast
from bsrgan_backend.cli.table import aligned, size_text

SCHEMA = 2
"""Of the JSON; a field that changes its meaning raises it."""

Rows = Sequence[Sequence[str]]

NETWORKS = (
    "network",
    "precision",
    "seconds",
    "spread",
    "s/MP",
    "GFLOP/s",
    "of product",
    "x PyTorch",
    "x OpenVINO",
    "over base",
    "PSNR dB",
    "largest",
    "",
)
PRODUCTS = ("matrix product", "precision", "seconds", "spread", "GFLOP/s", "")
_RIGHT = frozenset(range(2, 12))

LEGEND = (
    "seconds: median of warm runs; spread: slowest less fastest, of that; s/MP: for a million pixels of the picture "
    "given; GFLOP/s: operations of plain convolutions, of which fast ones save most; of product: share of the fastest "
    "matrix product of the same arithmetic, above 1 where operations are saved; x PyTorch, x OpenVINO: times as fast "
    "(OpenVINO in the same arithmetic); over base: peak memory of the first run on top of the loaded network; PSNR "
    "and largest difference (of 255): against fp32."
)


def as_text(machine: Mapping[str, str], report: Report) -> str:
    """Tables with aligned columns."""
    parts = [aligned([*machine.items(), *report.conditions.items()])]
    for side, rows in report.rows.items():
        parts.append(f"{side} x {side}\n{aligned(network_cells(rows), _RIGHT)}")
        parts.append(aligned(product_cells(rows), frozenset({2, 3, 4})))
    parts.append(LEGEND)
    if report.photos:
        parts.append(aligned(fidelity.texts(report.photos), frozenset({2, 3})))
    if report.memory:
        parts.append(aligned(memories.texts(report.memory), frozenset({3, 4, 5, 6, 7})))
    parts.append(aligned(claim_cells(report.claims), frozenset({1, 2, 3})))
    return "\n\n".join(parts)


def as_markdown(machine: Mapping[str, str], report: Report) -> str:
    """A section with its date as heading."""
    facts = {**machine, **report.conditions}
    parts = [f"## {facts.pop('date')}", _table([("machine and conditions", ""), *facts.items()])]
    for side, rows in report.rows.items():
        parts += [f"### {side} x {side}", _table(network_cells(rows)), _table(product_cells(rows))]
    parts.append(LEGEND)
    if report.photos:
        parts.append(_table(fidelity.texts(report.photos)))
    if report.memory:
        parts += ["### Memory of a job", _table(memories.texts(report.memory)), memories.LEGEND]
    return "\n\n".join([*parts, "### Claims", _table(claim_cells(report.claims))])


def as_facts(machine: Mapping[str, str], report: Report) -> dict[str, Any]:
    """For programs; every number unrounded, None where there is none."""
    return {
        "schema": SCHEMA,
        "machine": dict(machine),
        "conditions": report.conditions,
        "rows": {str(side): [_row_facts(row, rows) for row in rows] for side, rows in report.rows.items()},
        "photos": [asdict(photo) for photo in report.photos],
        "memory": [asdict(use) for use in report.memory],
        "claims": [claim.facts() for claim in report.claims],
    }


def network_cells(rows: Sequence[Row]) -> Rows:
    """The networks of one size, with their heading."""
    return [NETWORKS, *(_network(row, rows) for row in rows if row.pixels)]


def product_cells(rows: Sequence[Row]) -> Rows:
    """The matrix products of one size's rounds, with their heading."""
    return [PRODUCTS, *(_product(row) for row in rows if not row.pixels)]


def claim_cells(claims: Sequence[Claim]) -> Rows:
    """The claims, with their heading."""
    return [HEADING, *(claim.cells() for claim in claims)]


def _network(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    named = row.name, _precision(row)
    if not row.seconds:
        return (*named, *("-",) * 10, row.reason)
    over = row.over_base_bytes
    return (
        *named,
        _number(row.median_s, 2),
        _percent(row.spread),
        _number(row.per_megapixel_s, 1),
        _number(row.giga_per_s, 0),
        _number(share_of(row, ceiling(rows, row.precision)), 2),
        _number(times_as_fast(row, find(rows, names.PYTORCH, "fp32")), 2),
        _number(times_as_fast(row, find(rows, names.OPENVINO, row.precision)), 2),
        "-" if over is None else size_text(max(over, 0)),
        _number(row.psnr_db, 1),
        _number(row.largest_levels, 2),
        row.note,
    )


def _product(row: Row) -> tuple[str, ...]:
    if not row.seconds:
        return row.name, row.asked, "-", "-", "-", row.reason
    note = f"{names.PRODUCT_TIMES} of {names.PRODUCT_SIDE} x {names.PRODUCT_SIDE}"
    return row.name, row.asked, _number(row.median_s, 3), _percent(row.spread), _number(row.giga_per_s, 0), note


def _precision(row: Row) -> str:
    """What was asked for, and what it was where that is another word."""
    return row.asked if row.precision in ("", row.asked) else f"{row.asked} ({row.precision})"


def _row_facts(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        **asdict(row),
        "median_s": row.median_s,
        "spread": row.spread,
        "per_megapixel_s": row.per_megapixel_s,
        "giga_per_s": row.giga_per_s,
        "over_base_bytes": row.over_base_bytes,
        "share_of_product": share_of(row, ceiling(rows, row.precision)),
        "times_pytorch": times_as_fast(row, find(rows, names.PYTORCH, "fp32")),
        "times_openvino": times_as_fast(row, find(rows, names.OPENVINO, row.precision)),
    }


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.0f} %"


def _table(rows: Rows) -> str:
    """Rows as a table of Markdown; the first is its heading."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)
