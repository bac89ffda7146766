"""Which package may import which: the doors of the architecture, read from the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOMES = ("shared", "backend", "gimp_plugin/gimp-bsrgan", "installer")
TOP_LEVEL_FOLDERS = {"shared", "backend", "gimp_plugin", "installer", "tests"}


@dataclass(frozen=True)
class Door:
    """What the modules below `package` may import besides the standard library and themselves."""

    package: str
    outside: frozenset[str]
    own: tuple[str, ...]


def door(package: str, outside: str = "", own: str = "") -> Door:
    """A `Door` from words."""
    return Door(package, frozenset(outside.split()), (package, *own.split()))


# The longest matching package counts, so a single module can have a door of its own.
DOORS = [
    door("bsrgan_wire", "msgpack"),
    door("bsrgan_plugin", "gi", "bsrgan_wire"),
    door("gimp-bsrgan", "gi", "bsrgan_plugin"),
    door("bsrgan_backend", "", "bsrgan_wire"),
    door("bsrgan_backend.errors"),
    door("bsrgan_backend.link"),
    door("bsrgan_backend.preference"),
    door("bsrgan_backend.settings", "tomli", "bsrgan_backend.errors bsrgan_wire"),
    door("bsrgan_backend.imaging", "numpy cv2", "bsrgan_backend.errors"),
    door("bsrgan_backend.imaging.pictures", "numpy cv2 PIL tifffile", "bsrgan_backend.imaging bsrgan_backend.errors"),
    door("bsrgan_backend.degradation", "numpy cv2", "bsrgan_backend.imaging bsrgan_backend.errors"),
    door("bsrgan_backend.models", "numpy safetensors", "bsrgan_backend.errors"),
    door("bsrgan_backend.engine", "numpy paddle", "bsrgan_backend.models.weights bsrgan_backend.errors"),
    door(
        "bsrgan_backend.engine.winograd",
        "numpy threadpoolctl",
        "bsrgan_backend.engine bsrgan_backend.link bsrgan_backend.models.weights bsrgan_backend.errors",
    ),
    door(
        "bsrgan_backend.worker",
        "numpy paddle",
        "bsrgan_backend.engine bsrgan_backend.imaging bsrgan_backend.degradation bsrgan_backend.models "
        "bsrgan_backend.link bsrgan_backend.preference bsrgan_backend.settings bsrgan_backend.errors bsrgan_wire",
    ),
    door(
        "bsrgan_backend.daemon",
        "zmq",
        "bsrgan_backend.link bsrgan_backend.preference bsrgan_backend.settings bsrgan_backend.errors bsrgan_wire "
        "bsrgan_backend.models.catalog bsrgan_backend.models.facts",
    ),
    door("bsrgan_backend.models.catalog"),
    door("bsrgan_backend.models.facts"),
    door(
        "bsrgan_backend.cli",
        "numpy",
        "bsrgan_backend.daemon bsrgan_backend.worker bsrgan_backend.imaging bsrgan_backend.degradation "
        "bsrgan_backend.models bsrgan_backend.settings bsrgan_backend.errors bsrgan_backend bsrgan_wire",
    ),
    door("bsrgan_install"),
    door("install", "", "bsrgan_install"),
]


@dataclass(frozen=True)
class Import:
    """One imported name and where it stands."""

    module: str
    target: str
    line: int


def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for home in HOMES:
        base = ROOT / home
        for path in sorted(base.rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(module: str, path: Path) -> Iterator[Import]:
    """Every import of a module, those inside functions too; names of submodules are resolved."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield Import(module, full if full in MODULES else str(node.module), node.lineno)


IMPORTS = [found for module, path in MODULES.items() for found in imports_of(module, path)]


def below(name: str, package: str) -> bool:
    """Whether a dotted name is the package or stands below it."""
    return name == package or name.startswith(f"{package}.")


def door_of(module: str) -> Door:
    """The door that counts for a module."""
    matching = [candidate for candidate in DOORS if below(module, candidate.package)]
    assert matching, f"{module} stands in no package of the table"
    return max(matching, key=lambda candidate: len(candidate.package))


def is_allowed(found: Import) -> bool:
    """Whether the table lets this import through."""
    top = found.target.split(".")[0]
    rule = door_of(found.module)
    if top in (*sys.stdlib_module_names, "tomllib", *rule.outside):  # tomllib is new in 3.11
        return True
    if found.target == "bsrgan_backend":
        return below(found.module, "bsrgan_backend.cli")
    # `from package import Name` reads the package's own module.
    return any(below(found.target, allowed) for allowed in rule.own)


def test_every_import_goes_through_an_open_door():
    """No module imports a package that the table of doors does not name for it."""
    wrong = [f"{MODULES[i.module]}:{i.line}: {i.target}" for i in IMPORTS if not is_allowed(i)]
    assert not wrong, "\n".join(wrong)


def test_the_doors_are_closed_to_what_matters_most():
    """The table itself keeps Paddle out of the supervisor and compiled packages out of GIMP's Python."""
    assert not is_allowed(Import("bsrgan_backend.daemon.server", "paddle", 1))
    assert not is_allowed(Import("bsrgan_backend.daemon.server", "bsrgan_backend.engine.engine", 1))
    assert not is_allowed(Import("bsrgan_backend.daemon.server", "numpy", 1))
    assert not is_allowed(Import("bsrgan_plugin.upscale", "numpy", 1))
    assert not is_allowed(Import("bsrgan_plugin.upscale", "msgpack", 1))
    assert not is_allowed(Import("bsrgan_plugin.upscale", "bsrgan_backend.errors", 1))
    assert not is_allowed(Import("bsrgan_wire.zmtp", "zmq", 1))
    assert not is_allowed(Import("bsrgan_wire.codec", "bsrgan_backend.errors", 1))
    assert not is_allowed(Import("bsrgan_install.main", "bsrgan_wire.places", 1))
    assert not is_allowed(Import("bsrgan_backend.engine.graph", "bsrgan_backend.models.store", 1))
    assert not is_allowed(Import("bsrgan_backend.cli.upscale", "paddle", 1))


@pytest.mark.parametrize("home", sorted(TOP_LEVEL_FOLDERS))
def test_homes_are_no_packages(home):
    """No code imports a top-level folder by name, and none has an __init__.py."""
    assert not (ROOT / home / "__init__.py").exists()
    assert not [i for i in IMPORTS if i.target.split(".")[0] == home]


def test_modules_import_one_another_without_cycles():
    """No chain of imports leads from a module back to itself."""
    edges: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in IMPORTS:
        if found.target in MODULES and found.target != found.module:
            edges[found.module].add(found.target)
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for target in sorted(edges[module]):
                visit(target, (*trail, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())
