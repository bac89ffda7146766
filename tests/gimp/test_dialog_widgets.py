"""Both dialogs by keyboard and for screen readers, in three languages, on a small screen; their Help button."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "dialog_widgets"
HEIGHT_PX = 768 - 48
"""Of a window on a screen of 1366 x 768, with its title and one bar of the desktop."""


@pytest.fixture(scope="module")
def installation():
    """None: the dialogs are looked at without a daemon."""
    return


@pytest.mark.parametrize("check", cases(INSIDE, "check_dialog"))
def test_keyboard_and_names(outcome):
    """Tab comes to everything, all has a name, no letter is there twice, sliders move finely, the screen is enough."""
    told = outcome.unwrap()
    assert len(told["takers"]) > 18
    assert [kind for kind, name in told["takers"] if not name] == []
    assert told["passed_over"] == []
    assert {letter: labels for letter, labels in told["letters"].items() if len(labels) > 1} == {}
    assert len(told["letters"]) > 18
    assert len(told["steps"]) == 2
    assert [name for name, least, most, step in told["steps"] if step > (most - least) / 50] == []
    assert told["state_lines"] == [1]
    width, height = told["size"]
    assert (width < 1366, height <= HEIGHT_PX, told["unfolded"] <= HEIGHT_PX) == (True, True, True), told["size"]


@pytest.mark.parametrize("check", ["check_monitors"])
def test_monitors(outcome):
    """The monitor that GIMP is on decides how large a view is at least; without its number the first one does."""
    told = outcome.unwrap()
    assert told["0"] == [480, 480]
    assert told["1"] == told["-1"] == [480, 310]
    assert told["2"] == [430, 250]
    assert told["3"] == [240, 240]


@pytest.mark.parametrize("check", ["check_no_browser"])
def test_help_without_a_browser(outcome):
    """Where no program shows pages, a sentence names the file."""
    told = outcome.unwrap()
    assert "/plug-ins/gimp-bsrgan/help/" in told["page"]
    assert "Browser" in told["text"]


@pytest.mark.parametrize("check", cases(INSIDE, "check_manual"))
def test_help_opens_the_manual(outcome, check):
    """The Help button and F1 open the page of the dialog, in its language, from the plug-in's own folder."""
    told = outcome.unwrap()
    name = check.partition("[")[2].rstrip("]")
    assert told["button"].endswith(f"/plug-ins/gimp-bsrgan/help/de/{name}.html")
    assert told["f1"] == told["button"]


@pytest.mark.parametrize("check", ["check_remarks"])
def test_remarks_before_the_run(outcome):
    """What becomes of a special layer can be read before the run and follows the output; a plain one has none."""
    new_layer, new_image, plain = outcome.unwrap()
    assert [line.partition(" is ")[0].partition(" becomes ")[0] for line in new_layer] == [
        "The indexed picture",
        "The layer",
    ]
    assert new_image[0].startswith("The new picture is RGB")
    assert new_image[1:] == new_layer[1:]
    assert plain == []


@pytest.mark.parametrize("check", ["check_words"])
def test_lists_of_words(outcome):
    """Argument and list follow each other both ways, and what older settings call by an unknown word is the default."""
    *told, titles = outcome.unwrap()
    words = [answer[-1] if isinstance(answer, list) else answer for answer in told]
    assert words == ["new-layer", "new-layer", "same-size", "new-image", "new-layer"]
    assert titles == ["New layer, picture enlarged", "New picture", "New layer, same size"]
