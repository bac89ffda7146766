"""`gimp-bsrgan models`: what is installed, what can be fetched, own files."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from bsrgan_backend.cli.arguments import path
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.cli.language import _, printable
from bsrgan_backend.cli.progress import ProgressBar, ProgressLines
from bsrgan_backend.cli.table import aligned, size_text
from bsrgan_wire import places
from bsrgan_wire.language import translated

if TYPE_CHECKING:
    from bsrgan_backend.models.facts import InstalledModel
    from bsrgan_backend.models.store import ModelStore


def add_parsers(commands: Any) -> None:
    """Add `models` and its actions."""
    parser = commands.add_parser("models", help=_("list, fetch, add and remove models"))
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    listing = actions.add_parser("list", help=_("show installed and available models"))
    listing.set_defaults(run=run_list)

    download = actions.add_parser("download", help=_("fetch a published model and check it"))
    download.add_argument("id", metavar="ID")
    download.add_argument("--progress-lines", action="store_true", help=argparse.SUPPRESS)
    download.set_defaults(run=run_download)

    add = actions.add_parser("add", help=_("install weights from a .pth, .safetensors or ncnn file"))
    add.add_argument("file", metavar="FILE", type=path)
    add.add_argument("--id", metavar="ID", help=_("the name to give it (default: made of the file's name)"))
    add.set_defaults(run=run_add)

    remove = actions.add_parser("remove", help=_("delete an installed model"))
    remove.add_argument("id", metavar="ID")
    remove.set_defaults(run=run_remove)

    place = actions.add_parser("path", help=_("print where an installed model lies"))
    place.add_argument("id", metavar="ID")
    place.set_defaults(run=run_path)


def run_list(_asked: argparse.Namespace) -> int:
    """Print all models, installed ones first."""
    from bsrgan_backend import settings
    from bsrgan_backend.models import catalog

    default = settings.load({}).settings.model
    installed = _store().installed()
    rows, about = [("", _("id"), _("state"), _("scale"), _("licence"))], []
    for model in installed:
        rows.append((_mark(model.id, default), model.id, _("installed"), f"x{model.scale}", model.licence))
        about.append((model.description, model.source))
    known = {model.id for model in installed}
    for entry in catalog.ENTRIES:
        if entry.id not in known:
            size = size_text(entry.download_bytes) if entry.download_bytes else _("size unknown")
            rows.append(
                (
                    _mark(entry.id, default),
                    entry.id,
                    _("available, {size}").format(size=size),
                    f"x{entry.scale}",
                    entry.licence,
                )
            )
            about.append((entry.description, entry.source_name))
    heading, *lines = aligned(rows).splitlines()
    print(heading)
    for line, (description, source) in zip(lines, about, strict=True):
        about_it = (translated(description), _("from {source}").format(source=source))
        print("\n       ".join(map(printable, (line, *about_it))))
    if default in known:
        print("\n" + _("* is used when nothing else is asked for ('gimp-bsrgan settings set model ID' changes it)"))
    else:
        missing = _(
            "The default model {model} is not installed. "
            "Get it, or choose another with 'gimp-bsrgan settings set model ID'."
        )
        print("\n" + missing.format(model=default))
    return 0


def _mark(model_id: str, default: str) -> str:
    return "*" if model_id == default else ""


def run_download(asked: argparse.Namespace) -> int:
    """Fetch a model.

    Raises:
        Failure: there is none of this id.
    """
    from bsrgan_backend.models import catalog, download

    entry = catalog.find(asked.id)
    if entry is None:
        known = ", ".join(each.id for each in catalog.ENTRIES)
        raise Failure(f"No model {asked.id} is published; there are {known}.")
    lines = ProgressLines(sys.stdout) if asked.progress_lines else ProgressBar(sys.stderr)
    with lines as shown:
        model = download.download(entry, _store(), shown.bytes)
    if not asked.progress_lines:
        _say_installed(model)
    return 0


def run_add(asked: argparse.Namespace) -> int:
    """Install a file."""
    _say_installed(_store().add(asked.file, asked.id))
    return 0


def run_remove(asked: argparse.Namespace) -> int:
    """Delete a model."""
    _store().remove(asked.id)
    return 0


def run_path(asked: argparse.Namespace) -> int:
    """Print a model's file.

    Raises:
        Failure: it is not installed.
    """
    store = _store()
    path = store.path(asked.id)
    if all(model.id != asked.id for model in store.installed()):
        raise Failure(f"The model {asked.id} is not installed; 'gimp-bsrgan models list' shows what there is.")
    print(path)
    return 0


def _store() -> ModelStore:
    from bsrgan_backend.models.store import ModelStore

    return ModelStore(places.prefix() / "models")


def _say_installed(model: InstalledModel) -> None:
    told = _("{model} is installed: x{scale}, {blocks} blocks, licence {licence}")
    if model.blocks == 1:
        told = _("{model} is installed: x{scale}, 1 block, licence {licence}")
    print(told.format(model=model.id, scale=model.scale, blocks=model.blocks, licence=model.licence))
