"""The catalog's facts are the published ones."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bsrgan_backend.models import catalog
from bsrgan_backend.models.catalog import PackageSource, UrlSource

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "weights.md"
IDS = ("bsrgan-x4", "bsrgan-x2", "bsrnet-x4", "realesrgan-x4plus", "realesrgan-x4plus-anime", "realsr-jpeg")


def test_ids_and_defaults() -> None:
    """The names that users and scripts rely on stay."""
    assert tuple(entry.id for entry in catalog.ENTRIES) == IDS
    assert catalog.DEFAULT_ID == "bsrgan-x4"
    assert isinstance(getattr(catalog.find(catalog.FALLBACK_ID), "source", None), PackageSource)
    assert catalog.find("nothing") is None


@pytest.mark.parametrize("entry", catalog.ENTRIES, ids=lambda entry: entry.id)
def test_every_entry_says_what_it_is(entry: catalog.Entry) -> None:
    """Title, purpose, licence, credit and a checked source: nothing is left out."""
    assert entry.title
    assert entry.description.endswith(".")
    assert entry.licence in ("Apache-2.0", "BSD-3-Clause")
    assert re.search(r"\((ICCV|ICCVW|CVPRW) 20\d\d\)$", entry.credit)
    assert entry.scale in (2, 4)
    if isinstance(entry.source, UrlSource):
        assert urlsplit(entry.source.url).scheme == "https"
        assert entry.source.url.endswith(entry.source.file_name)
    else:
        assert entry.source_name == f"{entry.source.package}=={entry.source.version}"
        assert len(entry.source.sha256) == len(entry.source.graph.sha256) == 64
    assert len(entry.source_sha256) == (0 if entry.id == "bsrnet-x4" else 64)


def test_files_fetched_by_hand_are_recognised() -> None:
    """A digest of the catalog gives its entry; an unknown or empty one gives none."""
    for entry in catalog.ENTRIES:
        assert catalog.recognise(entry.source_sha256) is (entry if entry.source_sha256 else None)
    assert catalog.recognise("0" * 64) is None


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference list of weights is not beside this checkout")
def test_numbers_equal_the_reference() -> None:
    """Every digest, size, version and address equals the reference list's, line by line."""
    rows = [line for line in REFERENCE.read_text("utf-8").splitlines() if line.startswith("| ") and "---" not in line]
    by_title = dict(zip(IDS, rows[1:], strict=True))
    for entry in catalog.ENTRIES:
        row, source = by_title[entry.id], entry.source
        if isinstance(source, UrlSource):
            assert source.sha256 in row
            assert (str(source.size_bytes) in row) or not source.size_bytes
            assert source.url.removeprefix("https://github.com/cszn/KAIR/releases/download/") in row
            assert entry.licence in row
            continue
        for fact in (source.numbers.sha256, source.graph.sha256, str(source.numbers.size_bytes)):
            assert fact in row
        assert Path(source.numbers.path).name in row
        package = row if entry.id != "realesrgan-x4plus-anime" else by_title["realesrgan-x4plus"]
        assert f"{source.package}=={source.version}" in package
        assert source.sha256 in package
