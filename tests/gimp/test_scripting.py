"""The examples of docs/scripting.md, run in both GIMPs as they stand there."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "scripting"


@pytest.mark.parametrize("check", ["check_python"])
def test_python(outcome):
    """The batch makes a new picture of each open one that can be that size, and names the sentence of the others."""
    told = outcome.unwrap()
    # 100 mm at 300 dpi are 1181 pixels; two of the pictures are too small for that.
    printed = sorted(told["printed"])
    assert printed[0] == "1181 x 118"
    assert len(printed) == 3
    assert all("0.25 to 16 times" in line for line in printed[1:])
    assert told["images"] == 4


@pytest.mark.parametrize("check", cases(INSIDE, "check_refused"))
def test_refused(outcome, check):
    """A value that cannot be is an error with a sentence that names it, in both languages, and nothing changes."""
    told = outcome.unwrap()
    for status, text in told.values():
        assert status in ("CALLING_ERROR", "EXECUTION_ERROR"), told
        assert text.rstrip().endswith("."), told
    # What Script-Fu computes as NaN has a sign.
    assert told["python"][1] in told["script"][1].replace("-nan", "nan")


@pytest.mark.parametrize("check", ["check_script"])
def test_script(outcome):
    """The batch of Script-Fu restores the selected layer of every open picture."""
    assert outcome.unwrap() == [["photo (BSRGAN)", "photo"]] * 2


@pytest.mark.parametrize("check", ["check_command"])
def test_command(outcome):
    """The command without a window makes a file of twice the size."""
    assert outcome.unwrap() == [42, 26]


@pytest.mark.parametrize("check", ["check_table"])
def test_table(outcome):
    """The table names every argument, no other, and their true defaults."""
    told = outcome.unwrap()
    assert set(told["told"]) == set(told["real"])
    for name, default in told["told"].items():
        assert default.replace('""', "") == told["real"][name].removesuffix(".0"), name
