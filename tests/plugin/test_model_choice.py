"""What the dialogs say of models."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from bsrgan_plugin import model_choice
from bsrgan_plugin.model_choice import Awaited, offers, transfer
from bsrgan_wire.messages import ModelsReport
from bsrgan_wire.model_facts import ModelFacts
from support import catalogs, translatable

NET = ModelFacts(
    "bsrgan-x4",
    "BSRGAN x4",
    "Photos of unknown origin.",
    "Apache-2.0",
    "https://github.com/cszn/KAIR/releases/download/v1.0/BSRGAN.pth",
    4,
    67_046_751,
    is_installed=False,
    is_default=True,
)
OWN = replace(NET, id="my-net", title="my-net", licence="unknown", source="My Net.pth", scale=2, is_installed=True)


def test_a_row_tells_title_scale_licence_and_origin():
    """The scale is told once, and of an address only what says whose it is."""
    assert (model_choice.label(NET), model_choice.label(OWN)) == ("BSRGAN x4", "my-net x2")
    assert model_choice.about(NET) == "Apache-2.0 · github.com/cszn/KAIR"
    assert model_choice.about(OWN) == "licence unknown · My Net.pth"
    assert model_choice.about(replace(NET, source="some-package==1.0.1")).endswith("some-package 1.0.1")
    assert model_choice.spoken(OWN) == "my-net x2, installed, licence unknown · My Net.pth"


def test_licence_and_size_are_told_before_a_download():
    """What is fetched, how much it is, under which licence and from where, in full."""
    told = model_choice.details(NET)
    for part in ("Photos of unknown origin.", "Licence: Apache-2.0", f"From: {NET.source}", "Download: 67 MB"):
        assert part in told.splitlines()
    own = model_choice.details(OWN)
    assert "Download" not in own
    assert "Licence: unknown" in own
    assert model_choice.state(replace(NET, size_bytes=0)) == "size unknown"


@pytest.mark.parametrize(
    ("report", "share", "text", "is_problem"),
    [
        (ModelsReport(), None, "", False),
        (ModelsReport(phase="running", what="n"), None, "Installing n…", False),
        (ModelsReport(phase="running", what="n", done=2_000_000), None, "n: 2.0 MB", False),
        (ModelsReport(phase="running", what="n", done=30_000_000, total=60_000_000), 0.5, "n: 30 MB of 60 MB", False),
        (ModelsReport(phase="running", what="n", done=9, total=9), 1.0, "Checking n…", False),
        (ModelsReport(phase="running", what="n", done=9, total=8), 1.0, "n: 0.0 MB of 0.0 MB", False),
        (ModelsReport(phase="done", what="n.pth", made="n"), None, "n is installed.", False),
        (ModelsReport(phase="cancelled", what="n"), None, "n was cancelled.", False),
        (ModelsReport(phase="failed", what="n", text="No network."), None, "No network.", True),
    ],
)
def test_a_transfer_in_words(report, share, text, is_problem):
    """Each state of a transfer has one sentence, and a share where one is known."""
    told = transfer(report)
    assert (told.share, told.text, told.is_problem) == (share, text, is_problem)
    assert told.is_running == (report.phase == "running")


def test_only_a_model_that_was_seen_coming_is_chosen():
    """What was installed before the window was opened does not change the user's choice; what comes does, once."""
    awaited = Awaited()
    assert awaited.made(ModelsReport(number=3, phase="done", made="old")) == ""
    assert awaited.made(ModelsReport(number=4, phase="running")) == ""
    assert awaited.made(ModelsReport(number=4, phase="done", made="new")) == "new"
    assert awaited.made(ModelsReport(number=4, phase="done", made="new")) == ""
    assert awaited.made(ModelsReport(number=5, phase="running")) == ""
    assert awaited.made(ModelsReport(number=5, phase="failed")) == ""


def test_the_list_keeps_a_choice_that_is_not_installed():
    """The default is first, titles stand where they are known, and a preset's model stays until the user decides."""
    assert offers(("a", "my-net"), (NET, OWN), "bsrgan-x4", "gone") == [
        ("", "Default (BSRGAN x4)"),
        ("a", "a"),
        ("my-net", "my-net x2"),
        ("gone", "gone"),
    ]
    assert offers((), (), "", "") == [("", "Default")]


@pytest.mark.parametrize("language", ["en", *catalogs.LANGUAGES])
def test_letters_of_the_window_are_unique(language):
    """No two labels of the models window share the letter that is pressed with Alt."""
    texts = catalogs.read(catalogs.PLUGIN.source(language)) if language != "en" else {}
    module = "gimp_plugin/gimp-bsrgan/bsrgan_plugin/model_window.py"
    labels = [texts.get(text, text) for text, places in translatable.plugin_texts().items() if module in places]
    letters = Counter(letter.lower() for text in labels for letter in re.findall(r"_(\w)", text))
    assert len(letters) == 6
    assert set(letters.values()) == {1}
