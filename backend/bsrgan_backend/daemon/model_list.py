"""Installed and published models as a client is told of them: read from small files, without the weights' readers."""

from __future__ import annotations

from pathlib import Path

from bsrgan_backend.models import catalog, facts
from bsrgan_backend.models.catalog import Entry
from bsrgan_backend.models.facts import InstalledModel
from bsrgan_wire import limits
from bsrgan_wire.model_facts import ModelFacts


def models(root: Path, default: str) -> list[ModelFacts]:
    """All models, installed ones first and each kind in its own order; at most as many as one report holds.

    Args:
        root: the installation's folder.
        default: id of the default model.
    """
    installed = [_of_installed(model, default) for model in facts.installed(root / "models")]
    known = {model.id for model in installed}
    published = [_of_entry(entry, default) for entry in catalog.ENTRIES if entry.id not in known]
    return installed[: limits.MODELS - len(published)] + published


def _of_installed(model: InstalledModel, default: str) -> ModelFacts:
    is_default = model.id == default
    about = (model.id, model.title, model.description, model.licence, model.source)
    return ModelFacts(*about, model.scale, model.bytes, is_installed=True, is_default=is_default)


def _of_entry(entry: Entry, default: str) -> ModelFacts:
    is_default = entry.id == default
    about = (entry.id, entry.title, entry.description, entry.licence, entry.source_name)
    return ModelFacts(*about, entry.scale, entry.download_bytes, is_installed=False, is_default=is_default)
