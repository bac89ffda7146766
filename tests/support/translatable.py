"""Every text that a person may read, taken from the sources: what has to be in the catalogues."""

from __future__ import annotations

import argparse
import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from bsrgan_backend import settings
from bsrgan_plugin import degrade_options
from bsrgan_wire.language import VALUE
from support.catalogs import COMMAND, PLUGIN, ROOT, SENTENCES, Catalog

Places = dict[str, list[str]]
"""English text -> the modules that hold it."""

# The text of another error may end a sentence.
_SENTENCE = re.compile(r"[A-Z{'-].* .*([.]|: \{text\})", re.DOTALL)
_TABLES = (
    *(degrade_options.MODES, degrade_options.PRESETS, degrade_options.FAMILIES),
    *(degrade_options.ENLARGEMENTS, degrade_options.OUTPUTS),
)

FRAGMENTS = (
    "not a number",
    "{name} must be a number.",
    "{name} must be a whole number.",
    "{name} must be at least {value}.",
    "{name} must be between {low} and {high}.",
    "{name} must be {value}.",
    "must be a number",
    "must be a whole number",
    "must be {value}",
    "must be at least {value}",
    "must be between {low} and {high}",
    "a number from {low} to {high}",
    "a whole number from {low} to {high}",
    "auto, cpu, gpu or gpu:N",
    "auto, exact or fast",
    "auto, ipc or tcp",
    "auto, paddle or torch",
    "debug, info, warning or error",
    "a model's id",
    "an absolute path",
    "an odd number, or 0 for the size that fits",
    "one of {options}",
    "{count} numbers",
    "a list of some of {families}",
    "a list of at most {most} steps",
    "2, 3 or 4",
    "an archive of several models",
    "a zip archive, not a .pth file (unpack it first)",
    "cannot be read ({reason})",
    "is no regular file",
    "belongs to another user",
    "can be changed by other users",
    "is too long",
    "is damaged",
    "is incomplete",
    "no graphics card",
    "{count} graphics card(s), numbered from 0",
    "its name is not valid",
    "the continued file was damaged",
    "no reason given",
    "get it again with 'gimp-bsrgan models download {model_id}'",
    "get it with 'gimp-bsrgan models download {model_id}'",
    "add its file with 'gimp-bsrgan models add' or choose another",
)
"""Parts of sentences that are put together in several steps, which reading the source does not show."""

# Words of argparse that this command line can show; it looks them up itself.
_ARGPARSE = (
    "usage: ",
    "options",
    "positional arguments",
    "show this help message and exit",
    "show program's version number and exit",
    "%(prog)s: error: %(message)s\n",
    "the following arguments are required: %s",
    "one of the arguments %s is required",
    "not allowed with argument %s",
    "unrecognized arguments: %s",
    "invalid choice: %(value)r (choose from %(choices)s)",
    "invalid %(type)s value: %(value)r",
    "argument %(argument_name)s: %(message)s",
    "expected one argument",
    "expected at least one argument",
    "ambiguous option: %(option)s could match %(matches)s",
)


@functools.cache
def of(catalog: Catalog) -> Places:
    """What a catalogue must hold."""
    return {PLUGIN: plugin_texts, SENTENCES: sentences, COMMAND: command_texts}[catalog]()


def plugin_texts() -> Places:
    """The texts of the plug-in: what is given to `_`, and the names in its tables."""
    found = _calls(ROOT / "gimp_plugin/gimp-bsrgan/bsrgan_plugin")
    for table in _TABLES:
        for title in table.values():
            _add(found, title, "gimp_plugin/gimp-bsrgan/bsrgan_plugin/degrade_options.py")
    return found


def command_texts() -> Places:
    """The texts of the command line: what is given to `_`, the help of settings, and argparse's own words."""
    found = _calls(ROOT / "backend/bsrgan_backend/cli")
    for rule in settings.RULES.values():
        _add(found, rule.help, "backend/bsrgan_backend/settings.py")
    for text in _ARGPARSE:
        _add(found, text, f"{argparse.__name__}.py")
    return found


def sentences() -> Places:
    """Every sentence of wire and backend, whoever raises or returns it; values in it are {name}."""
    found: Places = {}
    for path in [*_modules(ROOT / "shared/bsrgan_wire"), *_modules(ROOT / "backend/bsrgan_backend")]:
        if "benching" in path.parts:  # its report is written into docs/benchmarks.md, in English
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for text in _sentences_of(tree):
            # The daemon's intake says the same of the picture and of its result.
            for what in ("picture", "result") if "{what}" in text and path.name == "intake.py" else ("",):
                _add(found, text.replace("{what}", what or "{what}"), path.relative_to(ROOT).as_posix())
    for text in FRAGMENTS:
        _add(found, text, "tests/support/translatable.py")
    return found


def _add(found: Places, text: str, place: str) -> None:
    places = found.setdefault(text, [])
    if place not in places:
        places.append(place)


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _calls(folder: Path) -> Places:
    """The literal texts that are given to `_` in the modules below a folder."""
    found: Places = {}
    for path in _modules(folder):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                for text in _literals(node.args[0]):
                    _add(found, text, path.relative_to(ROOT).as_posix())
    return found


def _literals(node: ast.expr) -> Iterator[str]:
    """The texts that an argument can be; an f-string cannot be looked up and is an error."""
    if isinstance(node, ast.JoinedStr):
        raise TypeError(f"line {node.lineno}: an f-string is given to _")
    if isinstance(node, ast.IfExp):
        yield from (*_literals(node.body), *_literals(node.orelse))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def _sentences_of(tree: ast.Module) -> Iterator[str]:
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    joined = {node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    ends = {*_endings(tree, joined), *_kinds(tree)}
    translated = {id(node) for call in ast.walk(tree) if _is_own(call) for node in ast.walk(call)}
    for node in ast.walk(tree):
        if id(node) in documents or id(node) in parts or id(node) in translated:
            continue
        text = _template(node)
        # What has hardly a word of its own ("{name} {error}.") would fit any sentence.
        if text and (_SENTENCE.fullmatch(text) or text in ends) and re.search("[a-z]{2}", VALUE.sub("", text)):
            yield text


def _is_own(node: ast.AST) -> bool:
    """Whether a call of `_`, whose text belongs to the command line's own catalogue."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"


def _endings(tree: ast.Module, joined: set[ast.JoinedStr]) -> Iterator[str]:
    """Constants of a module that stand in its f-strings: the same way out of several failures."""
    used = {node.id for text in joined for node in ast.walk(text) if isinstance(node, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            if names & used and " " in node.value.value:
                yield node.value.value


def _kinds(tree: ast.Module) -> Iterator[str]:
    """What a file can be instead of weights: the second column of the tables that recognise it."""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") in ("_MAGICS", "_OTHERS"):
            assert isinstance(node.value, ast.Tuple)
            yield from (row.elts[1].value for row in node.value.elts)


def _template(node: ast.AST) -> str:
    """A text, or an f-string with names in place of its values."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if not isinstance(node, ast.JoinedStr):
        return ""
    names: list[str] = []
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            names.append(_name(part.value, names))
            text += f"{{{names[-1]}}}"
    return text


def _name(value: ast.expr, used: list[str]) -> str:
    word = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else "value"
    word = word.strip("_").lower()
    return word if word not in used else f"{word}{used.count(word) + len(used)}"
