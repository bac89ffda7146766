"""What the user is told about layers that are worked on as something else than they are."""

from __future__ import annotations

from gi.repository import Gimp

from bsrgan_plugin.outputs import OutputMode, Source
from bsrgan_plugin.translation import _


def remarks_of_all(layers: list[Gimp.Layer], mode: OutputMode) -> tuple[str, ...]:
    """Sentences for all layers of a run, each once."""
    return tuple(dict.fromkeys(note for layer in layers for note in remarks(layer, mode)))


def remarks_of_outside(sources: list[Source]) -> tuple[str, ...]:
    """A sentence about what the results cannot hold, if there is such a thing."""
    if not any(source.has_outside for source in sources):
        return ()
    return (_("What live filters paint outside of the layer is not in the result; the old layer still shows it."),)


def remarks(layer: Gimp.Layer, mode: OutputMode) -> list[str]:
    """Sentences for a layer before it is worked on, right before and after the run; none for a plain one."""
    found = []
    if layer.is_indexed() and mode is OutputMode.NEW_IMAGE:
        found.append(_("The new picture is RGB: the palette of an indexed picture has no room for new colours."))
    elif layer.is_indexed():
        found.append(_("The indexed picture becomes RGB: its palette has no room for new colours."))
    if layer.is_group():
        found.append(_("The result of the layer group is one layer with what the group shows."))
    elif layer.is_text_layer():
        found.append(_("The result of the text layer is pixels; its text can be edited in the old layer only."))
    elif type(layer) is not Gimp.Layer:
        found.append(_("The result of the vector or link layer is pixels."))
    if layer.is_floating_sel() and mode is not OutputMode.NEW_IMAGE:
        found.append(_("The floating selection becomes a layer."))
    if any(live.get_visible() for live in layer.get_filters()):
        found.append(_("The result holds the live filters as they look; they can be edited on the old layer only."))
    if not layer.get_visible():
        found.append(_("The layer is hidden, and so is its result."))
    return found
