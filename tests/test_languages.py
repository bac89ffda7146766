"""The catalogues: complete, with the same values as the English texts, and used where people read."""

from __future__ import annotations

import os
import re
import string
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bsrgan_backend.cli.failure import sentence_of
from bsrgan_plugin import outcomes
from bsrgan_wire.errors import CODES, ConnectionLost, RemoteError
from bsrgan_wire.language import VALUE, Sentences, read_catalog, translated
from support import catalogs, translatable

CASES = [
    pytest.param(catalog, language, id=f"{catalog.domain}-{language}")
    for catalog in catalogs.CATALOGS
    for language in catalogs.LANGUAGES
]
_PERCENT = re.compile(r"%(?:\(\w+\))?[a-z%]")
_MNEMONIC = re.compile(r"_(\w)")
_ENDS = {".": (".", "。"), "…": ("…",), "\n": ("\n",)}

DIALOGS = {
    "upscale": ("dialog", "size_box", "preview_column", "upscale_procedure", "sizing_arguments"),
    "degrade": ("degrade_dialog", "recipe_box", "preview_column", "degrade_procedure"),
}
"""The modules whose labels stand in one dialog."""

_GIMPS_OWN = {"en": "rchls", "de": "zchgs", "zh_CN": "rchls"}
"""Letters of GIMP's own buttons: reset, cancel, help, load, save."""


def values(text: str) -> Counter[str]:
    """The places for values in a text, with their formats."""
    braces = [
        f"{name}!{conversion}:{form}"
        for _, name, form, conversion in string.Formatter().parse(text.replace('{"', '{{"').replace("40}", "40}}"))
        if name
    ]
    return Counter([*braces, *_PERCENT.findall(text)])


@pytest.mark.parametrize(("catalog", "language"), CASES)
def test_no_text_is_missing_or_left_over(catalog, language):
    """Every text of the sources has a translation, and no translation is of a text that is gone."""
    texts = catalogs.read(catalog.source(language))
    wanted = set(translatable.of(catalog))
    assert wanted - set(texts) == set(), "run tests/translate.py and fill in what is empty"
    assert set(texts) - wanted == set(), "run tests/translate.py"
    assert [text for text, translation in texts.items() if not translation] == []


@pytest.mark.parametrize(("catalog", "language"), CASES)
def test_translations_hold_the_same_values(catalog, language):
    """A translation names the same values with the same formats, ends alike and keeps line ends."""
    for text, translation in catalogs.read(catalog.source(language)).items():
        assert values(text) == values(translation), text
        assert translation.endswith(_ENDS.get(text[-1], "")), text
        assert text.count("\n") == translation.count("\n"), text


@pytest.mark.parametrize(("catalog", "language"), CASES)
def test_compiled_catalogs_are_those_of_the_sources(catalog, language):
    """What is shipped was compiled from what is kept, and can be read again."""
    texts = catalogs.read(catalog.source(language))
    data = catalog.binary(language).read_bytes()
    assert data == catalogs.compiled(language, texts), "run tests/translate.py"
    assert read_catalog(data) == texts


@pytest.mark.parametrize("language", catalogs.LANGUAGES)
def test_mnemonics_are_kept(language):
    """A label with a letter to press has one in every language; others have none."""
    for text, translation in catalogs.read(catalogs.PLUGIN.source(language)).items():
        assert len(_MNEMONIC.findall(text)) == len(_MNEMONIC.findall(translation)), text


@pytest.mark.parametrize("language", _GIMPS_OWN)
@pytest.mark.parametrize("dialog", DIALOGS)
def test_mnemonics_are_unique_in_a_dialog(dialog, language):
    """No two labels of a dialog share a letter, nor take one of GIMP's own buttons."""
    texts = catalogs.read(catalogs.PLUGIN.source(language)) if language != "en" else {}
    modules = {f"gimp_plugin/gimp-bsrgan/bsrgan_plugin/{name}.py" for name in DIALOGS[dialog]}
    labels = {texts.get(text, text) for text, places in translatable.plugin_texts().items() if modules & set(places)}
    # A menu entry ends with "…" and does not stand in the dialog.
    letters = [letter.lower() for label in labels if "…" not in label for letter in _MNEMONIC.findall(label)]
    assert len(letters) > 8
    assert [letter for letter, count in Counter(letters).items() if count > 1] == []
    assert set(letters) & set(_GIMPS_OWN[language]) == set()


def filled(text: str) -> str:
    """A text with its values, each of them one word of its own."""
    return VALUE.sub(lambda name: name[1].upper(), text)


@pytest.mark.parametrize("language", catalogs.LANGUAGES)
def test_every_sentence_is_found_again_by_its_words(language):
    """A sentence with values filled in is recognised as itself, and the values stand in the translation."""
    texts = catalogs.read(catalogs.SENTENCES.source(language))
    known = Sentences(texts)
    for text, translation in texts.items():
        if text in translatable.FRAGMENTS:  # a part of a sentence may look like another one
            continue
        assert known.translated(filled(text)) == filled(translation)
        # The command line puts the picture's name in front of any of them.
        assert known.translated(f"a.png: {filled(text)}") == f"a.png: {filled(translation)}"


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("Anything else happened.", "Anything else happened."),
        (f"There is no file '{1000 * 'x'}'; check its name and folder.", "check its name"),
        ("photo.png: The file is empty.", "photo.png: Die Datei ist leer."),
        (
            "p.png: The result must be 0.25 to 16 times as large as the picture; choose another size.",
            "p.png: Das Ergebnis muss 0.25- bis 16-mal so groß sein wie das Bild; wählen Sie eine andere Größe.",
        ),
        (
            "The daemon stopped while starting: The folder /r/run is open to other users; run 'chmod 700' on it. "
            "Its log is /r/logs/daemon.log.",
            "Der Dienst hörte beim Start auf: Der Ordner /r/run",
        ),
        ("a.jsonl, line 3: The recipe is not complete; copy or save all of it again.", "a.jsonl, Zeile 3: Das Rezept"),
        (
            "The daemon cannot be reached: nothing answers at the daemon's address (refused); "
            "start it with 'gimp-bsrgan serve'.",
            "An der Adresse des Dienstes antwortet nichts (refused); starten Sie ihn",
        ),
        (
            "Model 'x' is not installed; get it with 'gimp-bsrgan models download x'.",
            "Das Modell „x“ ist nicht installiert; holen Sie es mit „gimp-bsrgan models download x“.",
        ),
        ("'a.bin' is a picture; choose a .pth, .safetensors or ncnn file of an RRDBNet.", "„a.bin“ ist ein Bild; wähl"),
        ("threads must be between 0 and 1024.", "threads muss zwischen 0 und 1024 liegen."),
        ("flag device must be auto, cpu, gpu or gpu:N, not 'x'; 'auto' (default) is used.", "muss auto, cpu, gpu oder"),
    ],
)
def test_sentences_with_values(monkeypatch, english, german):
    """Values are kept, parts that are sentences themselves are translated, and what is unknown stays English."""
    monkeypatch.setenv("LANGUAGE", "de")
    assert german in translated(english)


@pytest.mark.parametrize("language", catalogs.LANGUAGES)
def test_errors_of_the_daemon_reach_the_plugin_translated(monkeypatch, language):
    """Every code's sentence that the plug-in or the command shows is one of the catalogue."""
    monkeypatch.setenv("LANGUAGE", language)
    texts = catalogs.read(catalogs.SENTENCES.source(language))
    for code, facts in CODES.items():
        if code != "CANCELLED":
            assert outcomes.of_error(RemoteError(code)).text == texts[facts.text]
        assert translated(sentence_of(RemoteError(code))) == texts[facts.text]
    lost = ConnectionLost("The daemon has been silent for 20 seconds.")
    assert outcomes.of_error(lost).text == texts["The daemon has been silent for {silence_s} seconds."].format(
        silence_s=20
    )


def test_a_damaged_catalogue_means_english(tmp_path, monkeypatch):
    """A catalogue that cannot be read costs the translation, not the sentence."""
    file = tmp_path / "de/LC_MESSAGES/gimp-bsrgan-sentences.mo"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xde\x12\x04\x95")
    monkeypatch.setattr("bsrgan_wire.language.FOLDER", tmp_path)
    monkeypatch.setenv("LANGUAGE", "de")
    assert translated("The picture is empty.") == "The picture is empty."


def command(tmp_path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in an environment of its own."""
    root = catalogs.ROOT
    home = {"PYTHONPATH": f"{root / 'shared'}:{root / 'backend'}", "GIMP_BSRGAN_PREFIX": str(tmp_path)}
    kept = {name: value for name, value in os.environ.items() if name not in ("LANGUAGE", "LC_ALL", "LC_MESSAGES")}
    line = [sys.executable, "-m", "bsrgan_backend.cli.main", *words]
    return subprocess.run(
        line, env=kept | home | environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_the_command_speaks_the_language_of_its_environment(tmp_path):
    """Help, wrong usage and failures follow LANGUAGE or LC_ALL."""
    helped = command(tmp_path, "upscale", "--help", LANGUAGE="de")
    assert "Aufruf: gimp-bsrgan upscale" in helped.stdout
    assert "das Ergebnis eines Bildes" in helped.stdout
    failed = command(tmp_path, "models", "path", "nothing", LANGUAGE="de")
    assert failed.returncode == 1
    assert failed.stderr.startswith("gimp-bsrgan: Das Modell nothing ist nicht installiert;")
    wrong = command(tmp_path, "upscale", "a.png", "-o", "b.png", "--scale", "99", LC_ALL="zh_CN.UTF-8")
    assert wrong.returncode == 2
    assert "'99' 不是 0.25 到 16 的数" in wrong.stderr


def test_what_programs_read_stays_english(tmp_path):
    """Output for programs is the same in every language."""
    german = command(tmp_path, "settings", "--json", LANGUAGE="de")
    assert german.returncode == 0
    assert german.stdout == command(tmp_path, "settings", "--json", LANGUAGE="C").stdout
