from __future__ import annotations

import ast
import re
from dataclasses import MISSING
from pathlib import Path

import pytest

from bsrgan_wire import PROTOCOL, limits
from bsrgan_wire.errors import CODES
from bsrgan_wire.messages import FROM_CLIENT, FROM_DAEMON, KINDS, RULES
from bsrgan_wire.preview import Place, Rectangle
from bsrgan_wire.tasks import TASKS

DOCUMENT = (Path(__file__).parent.parent.parent / "shared" / "PROTOCOL.md").read_text("utf-8")


def rows(section: str) -> list[list[str]]:
    """The cells of the tables in a piece of the document, without head and rule."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def section(title: str, level: int = 2) -> str:
    """The text below a heading, up to the next of its level or above."""
    mark = "#" * level
    found = re.search(rf"^{mark} {re.escape(title)}\n(.*?)(?=^#{{1,{level}}} |\Z)", DOCUMENT, re.M | re.S)
    assert found, f"no section {title}"
    return found[1]


def told(check) -> str:
    """What a check says that it expects."""
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        check(object())
    return str(caught.value).removeprefix("expected ")


def shown(default) -> str:
    """A default as the document writes it."""
    if default is MISSING:
        return "required"
    if default is None:
        return "nil"
    if isinstance(default, str):
        return f'`"{default}"`'
    return "`[]`" if default == () else f"`{default!r}`"


def test_version_is_that_of_the_code():
    """The document's protocol version, magic and constant are the same number."""
    found = re.search(r"^Protocol version: \*\*(\d+)\*\*$", DOCUMENT, re.M)
    assert found
    assert int(found[1]) == PROTOCOL
    assert limits.MAGIC == b"SRP%d" % PROTOCOL
    assert f"`{limits.MAGIC.decode()}`" in DOCUMENT


def test_document_tells_every_kind_and_no_other():
    """Each kind has its heading, in the order of the tables, with the side that sends it."""
    titles = re.findall(r"^### ([A-Z_]+)$", DOCUMENT, re.M)
    assert titles == list(KINDS)
    for kind in KINDS.values():
        from_client, from_daemon = kind in FROM_CLIENT, kind in FROM_DAEMON
        side = "either side" if from_client and from_daemon else "client to daemon"
        side = side if from_client else "daemon to client"
        assert section(kind.KIND, 3).lstrip().startswith(f"*{side}.*"), kind.KIND


@pytest.mark.parametrize("kind", KINDS)
def test_document_tells_every_field(kind):
    """Each field of a kind stands in its table with the type, range and default that the code checks."""
    documented = [row[:3] for row in rows(section(kind, 3))]
    assert documented == [[f"`{rule.key}`", told(rule.check), shown(rule.default)] for rule in RULES[kind]]


def test_no_kind_uses_a_key_of_every_header():
    """The keys k, n, r and s belong to the header itself."""
    assert not {"k", "n", "r", "s"} & {rule.key for rules in RULES.values() for rule in rules}


def test_kinds_with_payload_say_so():
    """The document names a payload for exactly the kinds that carry one."""
    for name, kind in KINDS.items():
        assert ("Payload:" in section(name, 3)) is kind.HAS_PAYLOAD, name


def test_errors_are_those_of_the_code():
    """The table of errors has every code with its class, retry and sentence."""
    documented = {row[0].strip("`"): tuple(row[1:]) for row in rows(section("Errors"))}
    assert documented == {code: (facts.klass, facts.retry, facts.text) for code, facts in CODES.items()}


def test_limits_are_those_of_the_code():
    """Each number in the table of limits is the constant of that name, and none is missing."""
    documented = {row[0].strip("`"): ast.literal_eval(row[1]) for row in rows(section("Limits"))}
    constants = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert documented == {name: constants[name] for name in constants if name not in ("MAGIC", "ITEM_BYTES")}


def test_tasks_are_those_of_the_code():
    """The table of tasks has each with what both sides must know of it."""
    documented = {row[0].strip("`"): row[1:4] for row in rows(section("Tasks").split("Options of")[0])}
    words = {True: "yes", False: "no"}
    assert documented == {
        name: [words[task.needs_model], words[task.sizes_itself], words[task.is_urgent]] for name, task in TASKS.items()
    }


def test_places_of_previews_are_those_of_the_code():
    """The document tells every parameter of a preview's place and no other."""
    told = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows(section("Previews", 3))))
    place = Place.around((9, 9), (9, 9), Rectangle(0, 0, 1, 1))
    assert sorted(told) == sorted(place.params())


def test_codes_have_known_classes_and_sentences():
    """Every code has one of the classes and retries of the document, and one sentence that ends."""
    for code, facts in CODES.items():
        assert facts.klass in ("protocol", "auth", "input", "resource", "state", "daemon"), code
        assert facts.retry in ("no", "later", "smaller", "once"), code
        assert facts.text.endswith("."), code
        assert "\n" not in facts.text, code
        assert 20 <= len(facts.text) <= 120, code
