"""The work of a degradation without its windows: the bad picture, its recipe, and on request its restoration."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gi.repository import Gimp

from bsrgan_plugin import comparison
from bsrgan_plugin.degrade_options import Options, compact, parameters
from bsrgan_plugin.degrade_request import degrade_request
from bsrgan_plugin.exchange import Incoming, Rows, exchange
from bsrgan_plugin.layers import RowReader, as_seen
from bsrgan_plugin.origins import Origin, Watch
from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import DEFAULT_SCALE, OutputMode, Placement, Size, Source, layer_name, place
from bsrgan_plugin.pixel_file import PixelFile
from bsrgan_plugin.placing import Result, undo_group
from bsrgan_plugin.progress import Progress
from bsrgan_plugin.progress_text import DEGRADING, UPSCALING
from bsrgan_plugin.stencils import stencil_of
from bsrgan_plugin.targets import check_size, check_type
from bsrgan_plugin.translation import _
from bsrgan_wire.client import JobRequest
from bsrgan_wire.download import Sink
from bsrgan_wire.messages import State

PARASITE = "gimp-bsrgan-recipe"
"""Under this name layer and new picture keep the recipe: JSON, UTF-8."""

# The network has nearly all of the time of a round trip.
_SHOWN_PART, _SMALL_PART = (0.0, 0.06), (0.06, 0.1)
_RESTORING = (0.1, 1.0)


@dataclass(frozen=True)
class Done:
    """A run that is done.

    Attributes:
        image: the picture that holds the result.
        layer: the degraded layer.
        restored: the layer that was upscaled again; None when nobody asked for it.
        recipe: JSON text of how it was made.
        notes: sentences for the user.
    """

    image: Gimp.Image
    layer: Gimp.Layer
    restored: Gimp.Layer | None
    recipe: str
    notes: tuple[str, ...]


def degrade(layer: Gimp.Layer, source: Source, options: Options, shown: Progress) -> Done:
    """Degrade and place the result; the picture changes only after all of the results are here.

    Args:
        layer: the layer.
        source: its geometry and the area that is degraded.
        options: the arguments.
        shown: where progress goes and Cancel comes from.

    Raises:
        Exception: whatever ended the run; nothing of it is left in GIMP.
    """
    check(layer, source, options)
    run = _Run(layer, source, options, shown)
    with stencil_of(layer, source) as stencil:
        try:
            run.exchange()
            shown.state.placing()
            shown.forbid_cancel()
            return run.insert(stencil)
        finally:
            run.discard()


def check(layer: Gimp.Layer, source: Source, options: Options) -> None:
    """Check what can be known before anything is sent.

    Raises:
        Refusal: the layer, the area or the options cannot be worked on.
    """
    mode = options.asked.output
    check_type(layer, mode)
    check_size(source.area, place(source, OutputMode.SAME_SIZE, DEFAULT_SCALE))
    parameters(options.asked)
    if options.is_restored and mode is not OutputMode.SAME_SIZE:
        raise Refusal(
            _("Degrading and restoring compares layers of one size; choose the output 'New layer, same size' for it.")
        )


class _Run:
    """The jobs of one run and the layers that they fill."""

    def __init__(self, layer: Gimp.Layer, source: Source, options: Options, shown: Progress) -> None:
        self._layer = layer
        self._source = source
        self._options = options
        self._shown = shown
        self._origin = Origin.of(layer, source)
        self._pixels = self._origin.pixels
        self._name = layer.get_name()
        is_new_image = options.asked.output is OutputMode.NEW_IMAGE
        self._watch = None if is_new_image else Watch(layer, self._origin.image)
        self._degraded = Incoming(self._make_degraded)
        self._restored = Incoming(self._make_restored)
        self._recipe = ""
        self._notes: list[str] = []

    def exchange(self) -> None:
        """Do all jobs."""
        with as_seen(self._layer) as seen:
            rows = RowReader(seen, self._source.area, self._pixels.babl_name, self._pixels.pixel_bytes).rows
            if not self._options.is_restored:
                self._degrade(rows)
                return
            self._shown.state.begin(DEGRADING, *_SHOWN_PART)
            self._degrade(rows)
            self._shown.state.begin(DEGRADING, *_SMALL_PART)
            with self._small(rows) as small:
                self._shown.state.begin(UPSCALING, *_RESTORING)
                self._restore(small)

    def insert(self, stencil: Gimp.Layer | None) -> Done:
        """Put the layers into their picture, as one undo step."""
        result = self._degraded.complete()
        restored = self._restored.complete() if self._options.is_restored else None
        _keep_recipe(result, self._recipe, is_new_image=self._options.asked.output is OutputMode.NEW_IMAGE)
        if restored is None:
            result.insert(stencil)
        else:
            with undo_group(result.image):
                result.insert(stencil)
                restored.insert(stencil, above=result.layer)
            self._notes += comparison.note(self._layer, self._source.area, result.layer, restored.layer)
        layer = restored.layer if restored is not None else None
        return Done(result.image, result.layer, layer, self._recipe, tuple(self._notes))

    def discard(self) -> None:
        """Free the layers unless they have been inserted."""
        self._degraded.discard()
        self._restored.discard()

    def _degrade(self, rows: Rows) -> None:
        """The picture that is shown."""
        asked = self._options.asked
        size = self._source.area.size if asked.output is OutputMode.SAME_SIZE else None
        if not self._options.is_restored:
            self._shown.state.begin(DEGRADING)
        request = self._request(asked.output, size)
        incoming = self._degraded
        state = self._exchange(request, rows, incoming.take, incoming.expect)
        self._recipe = compact(state.recipe)
        self._tell(state.notes)

    @contextlib.contextmanager
    def _small(self, rows: Rows) -> Iterator[PixelFile]:
        """The same degradation without the way back to the source's size: what a network is made for."""
        held: list[PixelFile] = []

        def expect(size: Size) -> None:
            if not held:
                held.append(PixelFile(size, self._pixels.pixel_bytes))

        request = self._request(OutputMode.NEW_IMAGE, None)
        try:
            self._exchange(request, rows, lambda first, _count, data: held[0].write(first, data), expect)
            yield held[0]
        finally:
            for pixels in held:
                pixels.close()

    def _restore(self, small: PixelFile) -> None:
        incoming = self._restored
        target = self._source.area.size
        request = JobRequest(
            width=small.size.width,
            height=small.size.height,
            channels=self._pixels.channels,
            dtype=self._pixels.dtype,
            out_width=target.width,
            out_height=target.height,
            model=self._options.model,
        )
        state = self._exchange(request, small.rows, incoming.take, incoming.expect)
        self._tell(state.notes)

    def _exchange(self, request: JobRequest, rows: Rows, sink: Sink, expect: Callable[[Size], None]) -> State:
        return exchange(request, rows, sink, self._options.endpoint, self._shown, expect, self._watch)

    def _request(self, output: OutputMode, result: Size | None) -> JobRequest:
        size, pixels = self._source.area.size, self._pixels
        return degrade_request(size, pixels.channels, pixels.dtype, result, parameters(self._options.asked, output))

    def _tell(self, notes: tuple[str, ...]) -> None:
        self._notes += [note for note in notes if note not in self._notes]

    def _make_degraded(self, size: Size) -> Result:
        name = _("{name} (degraded)").format(name=self._name)
        placement = _placement(self._source, self._options.asked.output, size)
        return Result(self._origin, placement, name)

    def _make_restored(self, size: Size) -> Result:
        name = layer_name(self._name, OutputMode.SAME_SIZE, DEFAULT_SCALE)
        placement = _placement(self._source, OutputMode.SAME_SIZE, size)
        return Result(self._origin, placement, name)


def _placement(source: Source, output: OutputMode, size: Size) -> Placement:
    if output is OutputMode.NEW_IMAGE:
        return Placement(output, size, size, 0, 0, 1)
    return place(source, OutputMode.SAME_SIZE, DEFAULT_SCALE)


def _keep_recipe(result: Result, recipe: str, *, is_new_image: bool) -> None:
    """Store the recipe with a layer that lies in no picture yet: later it would be an undo step of its own."""
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    result.layer.attach_parasite(Gimp.Parasite.new(PARASITE, flags, recipe.encode()))
    if is_new_image:
        result.image.attach_parasite(Gimp.Parasite.new(PARASITE, Gimp.PARASITE_PERSISTENT, recipe.encode()))
