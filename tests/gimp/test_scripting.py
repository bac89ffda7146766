"""The examples of docs/scripting.md, run in both GIMPs as they stand there."""

from __future__ import annotations

import pytest

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
    # What GIMP would replace by the default is an exception of the example's function.
    assert set(told["refused"]) == {"output", "precision", "strength", "scale"}
    assert told["refused"]["output"] == "'nowhere' is no value for output"


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
