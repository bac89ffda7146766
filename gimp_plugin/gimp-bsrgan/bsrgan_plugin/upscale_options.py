"""What can be asked of the upscale filter, as the arguments hold it and as the daemon's parameters. Without gi."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from bsrgan_plugin import argument_checks
from bsrgan_plugin.outputs import OutputMode, Placement, Source, place
from bsrgan_plugin.translation import _

PERCENT = (0.0, 100.0)
"""Range of strength and texture."""
FULL_STRENGTH = 100.0
"""Percent; the network's result alone."""
NO_TEXTURE = 0.0
"""Percent; nothing of the source's texture is added."""
PRECISIONS = ("auto", "exact", "fast")
"""Ids of the argument `precision`; the first leaves it to the daemon's setting."""


class Config(Protocol):
    """What of `Gimp.ProcedureConfig` is used here."""

    def get_property(self, name: str) -> Any:
        """The value of an argument."""


@dataclass(frozen=True)
class Options:
    """The arguments of a run, as in the procedure.

    Attributes:
        model: id of a model; empty for the default one.
        scale: how many times larger the result is.
        mode: where the result goes.
        endpoint: another daemon than the installed one, or empty.
        strength: share of the network's result in percent, 0..100.
        texture: how much of the source's fine texture is added, in percent, 0..100.
        precision: one of `PRECISIONS`.
    """

    model: str
    scale: float
    mode: OutputMode
    endpoint: str
    strength: float = FULL_STRENGTH
    texture: float = NO_TEXTURE
    precision: str = PRECISIONS[0]

    def placement(self, source: Source) -> Placement:
        """Where the result of `source` goes, and how large it becomes.

        Raises:
            Refusal: GIMP cannot hold it, or an argument is out of range.
        """
        return place(source, self.mode, self.scale)

    @property
    def network_parameters(self) -> dict[str, Any]:
        """Parameters of the daemon's task that change what the network gives, not what is mixed with it."""
        return {} if self.precision == PRECISIONS[0] else {"precision": self.precision}

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the daemon's task `upscale`; what has its default is left out."""
        told = self.network_parameters
        if self.strength != FULL_STRENGTH:
            told["strength"] = self.strength
        if self.texture != NO_TEXTURE:
            told["texture"] = self.texture
        return told


def output_titles() -> dict[str, str]:
    """Words of the argument `output` with their titles."""
    return {
        OutputMode.NEW_LAYER.value: _("New layer, picture enlarged"),
        OutputMode.NEW_IMAGE.value: _("New picture"),
        OutputMode.SAME_SIZE.value: _("New layer, same size"),
    }


def precision_titles() -> dict[str, str]:
    """Words of the argument `precision` with their titles."""
    return dict(zip(PRECISIONS, (_("Automatic"), _("Exact"), _("Fast")), strict=True))


def options_of(config: Config) -> Options:
    """The arguments that a configuration of the procedure holds.

    Raises:
        Refusal: a word is unknown, or a percentage is none.
    """
    return Options(
        # GIMP gives None for an empty default that it has read back from its own cache of procedures.
        model=config.get_property("model") or "",
        scale=config.get_property("scale"),
        mode=OutputMode(argument_checks.word("output", config.get_property("output"), output_titles())),
        endpoint=config.get_property("endpoint") or "",
        strength=argument_checks.number("strength", config.get_property("strength"), *PERCENT),
        texture=argument_checks.number("texture", config.get_property("texture"), *PERCENT),
        precision=argument_checks.word("precision", config.get_property("precision"), PRECISIONS),
    )
