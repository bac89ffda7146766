"""What travels of a model: enough to choose it, with its licence and where it comes from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from bsrgan_wire import limits


@dataclass(frozen=True)
class ModelFacts:
    """A model that is installed, or published and not installed.

    Attributes:
        id: the name that jobs use.
        title: for people.
        description: one line in English: what pictures it is for, or where the file came from.
        licence: SPDX expression of the weights, or "unknown".
        source: where it came or would come from: an address, package==version, or a file's name.
        scale: factor from picture to result.
        size_bytes: what fetching it transfers, 0 when unknown; for an installed one the size of its file.
        is_installed: jobs can use it.
        is_default: jobs that name no model use it, once it is installed.
    """

    id: str
    title: str
    description: str
    licence: str
    source: str
    scale: int
    size_bytes: int
    is_installed: bool
    is_default: bool

    def packed(self) -> dict[str, Any]:
        """The map for MODELS_REPORT; texts that are too long for it are cut."""
        return {name: _cut(value) if isinstance(value, str) else value for name, value in asdict(self).items()}

    @classmethod
    def read(cls, packed: Mapping[str, Any]) -> ModelFacts:
        """The model of a map; unknown keys are ignored.

        Raises:
            ValueError: a key is missing or of the wrong type.
        """
        kinds = {"str": str, "int": int, "bool": bool}
        for field in fields(cls):
            if type(packed.get(field.name)) is not kinds[str(field.type)]:
                raise ValueError(f"{field.name} of a model is missing or of the wrong type")
        return cls(**{field.name: packed[field.name] for field in fields(cls)})

    @classmethod
    def read_all(cls, packed: Iterable[Mapping[str, Any]]) -> tuple[ModelFacts, ...]:
        """The models of a report, without those that cannot be read."""
        models = []
        for one in packed:
            with contextlib.suppress(ValueError):
                models.append(cls.read(one))
        return tuple(models)


def _cut(text: str) -> str:
    """The text within the limit of the wire, without half a character at its end."""
    return text.encode("utf-8", "replace")[: limits.MODEL_TEXT_BYTES].decode("utf-8", "ignore")
