"""The manual: every argument and label of the dialogs in every language, links that lead somewhere, nothing outside."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bsrgan_plugin import degrade_options, manual
from support import catalogs, translatable

MODULES = {
    "upscale": (
        "upscale_procedure",
        "sizing_arguments",
        "dialog",
        "size_box",
        "preview_column",
        "model_row",
        "model_window",
    ),
    "degrade": ("degrade_procedure", "degrade_dialog", "recipe_box", "preview_column"),
}
"""The modules of each dialog; the second is the page's name too."""
LANGUAGES = (manual.ENGLISH, *catalogs.LANGUAGES)
PAGES = [pytest.param(name, language, id=f"{name}-{language}") for name in MODULES for language in LANGUAGES]
_TABLES = (degrade_options.MODES, degrade_options.PRESETS, degrade_options.FAMILIES, degrade_options.ENLARGEMENTS)
_VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """What a page holds.

    Attributes:
        ids: its anchors.
        links: every reference, with its tag.
        text: what can be read, without line ends.
        lang: of the whole page.
        foreign: elements that would bring in something else.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.lang = ""
        self.foreign: list[str] = []
        self._open: list[str] = []
        self._parts: list[str] = []
        self.feed(path.read_text("utf-8"))
        assert self._open == []
        self.text = re.sub(r"\s+", " ", "".join(self._parts))

    def handle_starttag(self, tag, attrs):
        """Note an element that begins."""
        told = dict(attrs)
        self.lang = told.get("lang", "") if tag == "html" else self.lang
        self.ids += [told["id"]] if "id" in told else []
        self.links += [(tag, told[name]) for name in ("href", "src") if name in told]
        self.foreign += [tag] if tag in ("script", "img", "iframe", "style", "object") else []
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        """Close the innermost element."""
        assert self._open.pop() == tag

    def handle_data(self, data):
        """Note text."""
        self._parts.append(data)


def page(name: str, language: str) -> Page:
    """A page of the manual."""
    return Page(manual.FOLDER / language / f"{name}.html")


def arguments(name: str) -> set[str]:
    """The arguments of a procedure that its source names one by one."""
    found: set[str] = set()
    for module in MODULES[name][:2]:
        tree = ast.parse((manual.FOLDER.parent / "bsrgan_plugin" / f"{module}.py").read_text("utf-8"))
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            kind = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if re.fullmatch(r"add_(\w+_argument|word|number|whole_number)", kind):
                words = [part.value for part in call.args if isinstance(part, ast.Constant)]
                found |= {word for word in words[:1] if isinstance(word, str) and word.islower()}
    return found


def labels(name: str) -> set[str]:
    """The English labels of a dialog that have a letter to press; menu entries are left out."""
    modules = {f"gimp_plugin/gimp-bsrgan/bsrgan_plugin/{module}.py" for module in MODULES[name]}
    with_letter = {
        text for text, places in translatable.plugin_texts().items() if modules & set(places) and "_" in text
    }
    return {text for text in with_letter if not text.endswith("…") or "BSRGAN" not in text}


def plain(label: str) -> str:
    """A label as it is read, without the sign of its letter."""
    return re.sub(r"\(_\w\)", "", label).replace("_", "")


@pytest.mark.parametrize(("name", "language"), PAGES)
def test_every_argument_and_label_is_explained(name, language):
    """The page has an anchor for each argument and holds every label of the dialog as the dialog has it."""
    told = page(name, language)
    texts = catalogs.read(catalogs.PLUGIN.source(language)) if language != manual.ENGLISH else {}
    if name == "degrade":
        wanted = arguments(name) | {*degrade_options.FAMILIES, "lock-seed"}
        titles = {title for table in _TABLES for title in table.values()}
    else:
        wanted = arguments(name) | {"percent", "width", "height", "print-width", "print-height", "dpi"}
        titles = {"Automatic", "Exact", "Fast", "New picture", "New layer, same size", "New layer, picture enlarged"}
    assert len(wanted) > 10
    assert wanted - set(told.ids) == set()
    read = {plain(texts.get(label, label)) for label in labels(name) | titles}
    assert len(read) > 12
    assert [label for label in sorted(read) if label not in told.text] == []


@pytest.mark.parametrize(("name", "language"), PAGES)
def test_pages_are_whole_and_need_nothing_else(name, language):
    """Elements are closed, anchors are there once, links lead to files of the manual, nothing comes from outside."""
    told = page(name, language)
    assert told.lang == language.replace("_", "-")
    assert len(told.ids) == len(set(told.ids))
    assert told.foreign == []
    assert [link for _tag, link in told.links if not (manual.FOLDER / language / link).resolve().is_file()] == []
    others = {f"../{other}/{name}.html" for other in LANGUAGES if other != language}
    assert others <= {link for _tag, link in told.links}


@pytest.mark.parametrize("name", MODULES)
def test_languages_explain_the_same(name):
    """Each language has the same anchors in the same order."""
    assert len({tuple(page(name, language).ids) for language in LANGUAGES}) == 1


def test_the_style_follows_light_and_dark():
    """The style has both, and loads nothing."""
    style = (manual.FOLDER / "manual.css").read_text("utf-8")
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize(("language", "wanted"), [("de", "de"), ("zh_CN", "zh_CN"), ("C", "en"), ("fr", "en")])
def test_the_page_is_in_the_dialogs_language(monkeypatch, language, wanted):
    """The environment decides, as for the catalogues; a language without a page gets the English one."""
    monkeypatch.setenv("LANGUAGE", language)
    assert manual.page("upscale") == manual.FOLDER / wanted / "upscale.html"
