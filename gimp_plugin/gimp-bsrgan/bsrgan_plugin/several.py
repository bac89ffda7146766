"""Several layers in one run: each is upscaled by itself, and all results are placed together in one undo step.

Each result waits in a picture of its own that nobody sees, so nothing of the user's changes before the last one is
there. Then copies of the results go where they belong. A single layer of an indexed picture goes this way too, since
such a picture can hold the result only after it was converted.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from types import TracebackType

from gi.repository import Gimp

from bsrgan_plugin import job
from bsrgan_plugin.origins import Likeness, check_there, check_unchanged, image_like
from bsrgan_plugin.outcomes import ImageChanged
from bsrgan_plugin.outputs import Area, OutputMode, Placement, Source, layer_name, scaled_area
from bsrgan_plugin.placing import blend_like, enlarge, hide, is_see_through, put_above, settle, undo_group
from bsrgan_plugin.progress import Progress
from bsrgan_plugin.progress_text import ProgressText, Work
from bsrgan_plugin.sizing import Sizing, check_side
from bsrgan_plugin.targets import check_size
from bsrgan_plugin.translation import _
from bsrgan_plugin.upscale_options import Options


@dataclass(frozen=True)
class _Piece:
    """One layer of the run: what is upscaled of it, and where its result goes."""

    layer: Gimp.Layer
    source: Source
    placement: Placement


def upscale(layers: list[Gimp.Layer], sources: list[Source], options: Options, shown: Progress) -> job.Done:
    """Upscale layers of one picture and place all results.

    Args:
        layers: from top to bottom.
        sources: of each: geometry, area and size.
        options: the arguments.
        shown: where progress goes and Cancel comes from.

    Returns:
        The picture and the topmost result.

    Raises:
        Exception: whatever ended the run; nothing of it is left in GIMP.
    """
    pieces, canvas = _plan(layers, sources, options)
    for piece in pieces:
        check_size(piece.source.area, piece.placement)
    image = layers[0].get_image()
    with contextlib.ExitStack() as made:
        done = []
        for number, piece in enumerate(pieces):
            check_there(piece.layer, image)
            done.append(_upscale(piece, options, _Part(shown, number, len(pieces))))
            made.callback(done[-1].image.delete)
        shown.state.placing()
        shown.forbid_cancel()
        place_all = _into_new_image if options.mode is OutputMode.NEW_IMAGE else _above
        results = place_all(image, pieces, [one.layer for one in done], canvas)
    notes = tuple(dict.fromkeys(note for one in done for note in one.notes))
    return job.Done(results[0].get_image(), results[0], notes)


def _plan(layers: list[Gimp.Layer], sources: list[Source], options: Options) -> tuple[list[_Piece], Placement]:
    """All pieces, and the placement that stands for the whole picture."""
    if options.mode is not OutputMode.NEW_IMAGE:
        pieces = [_Piece(*pair, options.placement(pair[1])) for pair in zip(layers, sources, strict=True)]
        return pieces, pieces[0].placement
    around = _around([_in_image(source) for source in sources])
    whole = replace(sources[0], area=around)
    canvas = options.placement(whole)
    pieces = []
    for layer, source in zip(layers, sources, strict=True):
        area = _in_image(source)
        moved = Area(area.x - around.x, area.y - around.y, area.width, area.height)
        now = scaled_area(moved, around.size, canvas.canvas)
        check_side(area.width, now.width)
        check_side(area.height, now.height)
        pieces.append(_Piece(layer, source, replace(canvas, result=now.size, offset_x=now.x, offset_y=now.y)))
    return pieces, canvas


def _upscale(piece: _Piece, options: Options, shown: Progress) -> job.Done:
    size = piece.placement.result
    source = replace(piece.source, asked=Sizing(width=size.width, height=size.height))
    return job.upscale(piece.layer, source, replace(options, mode=OutputMode.NEW_IMAGE), shown, is_part=True)


def _above(image: Gimp.Image, pieces: list[_Piece], made: list[Gimp.Layer], canvas: Placement) -> list[Gimp.Layer]:
    """Put each result above its source."""
    for piece in pieces:
        check_unchanged(piece.layer, image, piece.source)
    with undo_group(image):
        settle(image)
        _make_rgb(image)
        if canvas.canvas != pieces[0].source.image:
            enlarge(image, canvas)
        results = []
        for piece, layer in zip(pieces, made, strict=True):
            result = _copy(layer, image, piece)
            put_above(piece.layer, result, piece.layer, piece.placement)
            if piece.source.is_whole_layer and not piece.source.has_outside and is_see_through(piece.layer):
                hide(piece.layer)
            results.append(result)
        image.set_selected_layers(results)
    return results


def _make_rgb(image: Gimp.Image) -> None:
    """Convert an indexed picture: its palette has no room for new colours."""
    if image.get_base_type() == Gimp.ImageBaseType.INDEXED and not image.convert_rgb():
        raise ImageChanged(_("GIMP could not convert the indexed picture to RGB; choose 'New picture' instead."))


def _into_new_image(
    old: Gimp.Image, pieces: list[_Piece], made: list[Gimp.Layer], canvas: Placement
) -> list[Gimp.Layer]:
    """Put all results into one new picture, as they lie over each other."""
    for piece in pieces:
        check_there(piece.layer, old)
    image = image_like(Likeness.of(old), canvas)
    results = []
    for place, (piece, layer) in enumerate(zip(pieces, made, strict=True)):
        result = _copy(layer, image, piece)
        image.insert_layer(result, None, place)
        result.set_offsets(piece.placement.offset_x, piece.placement.offset_y)
        blend_like(result, piece.layer)
        result.set_visible(piece.layer.get_visible())
        results.append(result)
    image.undo_enable()
    image.clean_all()
    return results


def _copy(made: Gimp.Layer, image: Gimp.Image, piece: _Piece) -> Gimp.Layer:
    """A result for another picture, with its mask; named before it lies there, or that would be a step to undo."""
    result = Gimp.Layer.new_from_drawable(made, image)
    result.set_name(layer_name(piece.layer.get_name(), piece.placement.mode, piece.placement.factor))
    return result


def _in_image(source: Source) -> Area:
    area = source.area
    return Area(source.offset_x + area.x, source.offset_y + area.y, area.width, area.height)


def _around(areas: list[Area]) -> Area:
    """The smallest rectangle that holds all of them."""
    left, top = min(area.x for area in areas), min(area.y for area in areas)
    right = max(area.x + area.width for area in areas)
    bottom = max(area.y + area.height for area in areas)
    return Area(left, top, right - left, bottom - top)


class _Stretch(ProgressText):
    """A part of the bar for one layer."""

    def __init__(self, first: float, last: float) -> None:
        self._first, self._last = first, last
        super().__init__()
        self.fraction = first

    def begin(self, work: Work, first: float = 0.0, last: float = 1.0, pixels: int = 0) -> None:
        """As its base's, within the part."""
        width = self._last - self._first
        super().begin(work, self._first + width * first, self._first + width * last, pixels)


class _Part:
    """The progress of one layer: Cancel stays possible at its end, as more layers follow."""

    def __init__(self, shown: Progress, number: int, count: int) -> None:
        self._shown = shown
        self.state: ProgressText = _Stretch(number / count, (number + 1) / count)
        shown.state = self.state

    def __enter__(self) -> _Part:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def show(self) -> None:
        """Show what `state` says now."""
        self._shown.show()

    def idle(self) -> None:
        """Let the user's clicks through."""
        self._shown.idle()

    def is_cancelled(self) -> bool:
        """Whether the user wants to stop."""
        return self._shown.is_cancelled()

    def forbid_cancel(self) -> None:
        """Nothing: the picture changes only after the last layer."""
