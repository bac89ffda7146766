"""The live preview of the upscale dialog: asks for what is seen and not there yet, and mixes it as the sliders say."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable

from gi.repository import GdkPixbuf, Gimp, GLib

from bsrgan_plugin.forecast import Rates
from bsrgan_plugin.layers import as_seen, format_of
from bsrgan_plugin.outputs import Area, Placement, Size, Source
from bsrgan_plugin.pixel_file import PixelFile
from bsrgan_plugin.preview_answers import PreviewAnswers
from bsrgan_plugin.preview_jobs import Answer, Wish
from bsrgan_plugin.preview_mixture import Mixture
from bsrgan_plugin.preview_overview import Overview
from bsrgan_plugin.preview_patches import (
    Patch,
    PatchCache,
    area_of,
    longest_side,
    network_px,
    next_piece,
    place_of,
    share_seen,
)
from bsrgan_plugin.preview_pictures import LayerPixels, Picture, converted, eight_bit
from bsrgan_plugin.preview_widget import Preview
from bsrgan_plugin.translation import _
from bsrgan_plugin.upscale_options import Options
from bsrgan_wire.preview import PICTURES, Place

SIDE_PX = 480
"""Least width and height of the view, where the screen has room for them."""
_FIRST_PX = 150_000
"""Pixels of the source that the network may see at once before its rate is known."""
_BEARABLE_S = 5.0
"""Where the network does more than that in this time, more is asked for at once."""
_WANTED_SHARE = 0.5
"""A preview at work of which less is seen than that is given up for what is seen now."""
_SETTLED_MS = 40
"""The view is asked for when it has not moved for so long."""

_Key = tuple[Hashable, Size]
"""What the pixels of a patch depend on: the network's work, and the size of the whole result."""


class UpscalePreview:
    """Shows a part of the result, the same pixels as the run will give.

    Attributes:
        preview: the large view's owner.
        overview: the small one's.
    """

    def __init__(
        self,
        layer: Gimp.Layer,
        source: Source,
        endpoint: str,
        on_zoom: Callable[[int], None],
        on_status: Callable[[str, bool, bool], None],
        on_rate: Callable[[], None],
    ) -> None:
        """Prepare the preview; `start` begins it.

        Args:
            layer: the layer.
            source: its geometry and the area that is upscaled.
            endpoint: as in the procedure.
            on_zoom: told the zoom when the user changed it on the view.
            on_status: told one line of text, whether something is under way, and whether something is wrong.
            on_rate: called when `seconds` may know more.
        """
        self._layer = layer
        self._area = source.area
        self._on_status = on_status
        self._on_rate = on_rate
        self._pixels = format_of(layer)
        self._shown_pixels = eight_bit(self._pixels)
        self._before = Picture(self._pixels, GdkPixbuf.InterpType.BILINEAR)
        self._after = Mixture(self._before, self._shown_pixels)
        self.preview = Preview(source.area.size, self._before, self._after, on_zoom, self._on_view, SIDE_PX)
        self.overview = Overview(source.area.size, self.preview.view, self.preview.move)
        self._jobs = PreviewAnswers(endpoint, self._take, lambda text: on_status(text, True, False), debounce_s=0.0)
        self._open = contextlib.ExitStack()
        self._read: LayerPixels | None = None
        self._cache, self._rates = PatchCache(), Rates()
        self._options: Options | None = None
        self._result = source.area.size
        self._timer = 0
        self._wished: tuple[_Key, Place] | None = None
        self._has_failed = False

    def start(self) -> None:
        """Begin to work."""
        seen = self._open.enter_context(as_seen(self._layer))
        self._read = LayerPixels(seen, self._area, self._pixels)
        self._open.callback(self._read.close)
        self._before.set(self._read)
        self.overview.read(seen, self._area)
        self._jobs.start()
        self.preview.move()

    def show(self, options: Options, placement: Placement) -> None:
        """Show what a run with these arguments will give."""
        self._options = options
        self._after.set_sliders(options.strength / 100, options.texture / 100)
        if placement.result != self._result:
            self._result = placement.result
            self.preview.view.rescale(placement.result)
        self.preview.move()

    def refuse(self, sentence: str) -> None:
        """Show that there will be no result."""
        self._options = None
        self._withdraw()
        self._after.show([])
        self.preview.draw()
        self._on_status(sentence, False, True)

    def retry(self) -> None:
        """Ask again for what has failed; the daemon can do more now."""
        if self._has_failed:
            self._on_view()

    @property
    def is_working(self) -> bool:
        """Whether the daemon has a job of this preview."""
        return self._jobs.is_working

    def seconds(self, pixels: int) -> float | None:
        """The time of a run on so many pixels with the last arguments, from what previews took; None: not known."""
        if self._options is None:
            return None
        # At strength 0 the network does not run.
        return self._rates.seconds(_network_key(self._options), pixels if self._options.strength else 0)

    def stop(self) -> None:
        """End everything; may be called while something is under way."""
        self._options = None
        self._withdraw()
        self._jobs.stop()
        self._before.set(None)
        self._open.close()

    # --- asking ----------------------------------------------------------------------------------------------

    def _on_view(self) -> None:
        """Something else is seen: show what is there, and ask for the rest when the view has settled."""
        self.overview.draw()
        if self._options is None or self._read is None:
            return
        visible = self._visible()
        self._after.show(self._cache.near(self._key(self._options), visible))
        self.preview.draw()
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer = GLib.timeout_add(_SETTLED_MS, self._ask)

    def _ask(self) -> bool:
        self._timer = 0
        if self._options is None:
            return False
        key, visible = self._key(self._options), self._visible()
        if self._is_wanted(key, visible):
            return False  # the rest is asked for when it is here
        missing = next_piece(self._cache, key, visible, self._result, self._side(key))
        if missing is None:
            self._withdraw()
            self._on_status(_("The preview shows what the run will give."), False, False)
            return False
        place = place_of(self._area.size, self._result, missing)
        self._wished = (key, place)
        self._jobs.wish(self._wish(place, self._options))
        self._on_status(_("Working on the preview…"), True, False)
        return False  # GLib: not again

    def _is_wanted(self, key: _Key, visible: Area) -> bool:
        """Whether what is being made should be finished: most of it is seen."""
        if self._wished is None or self._wished[0] != key:
            return False
        return share_seen(area_of(self._wished[1].rectangle), visible) >= _WANTED_SHARE

    def _wish(self, place: Place, options: Options) -> Wish:
        assert self._read is not None
        pixels = self._pixels
        request = place.request(pixels.channels, pixels.dtype, model=options.model, params=options.network_parameters)
        # Read here: the thread must not touch GIMP.
        data = self._read.window(area_of(place.part))

        def rows(first: int, count: int) -> bytes:
            return data[first * request.row_bytes : (first + count) * request.row_bytes]

        return Wish(request, rows)

    def _withdraw(self) -> None:
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0
        self._jobs.withdraw()
        self._wished, self._has_failed = None, False

    def _side(self, key: _Key) -> int:
        """How much is asked for at once: what takes bearable time, as far as it is known."""
        budget = max(_FIRST_PX, self._rates.rate(key[0]) * _BEARABLE_S)
        return longest_side(self._area.size, self._result, budget)

    def _visible(self) -> Area:
        return self.preview.view.shown(self._result).area

    def _key(self, options: Options) -> _Key:
        return (_network_key(options), self._result)

    # --- answers ---------------------------------------------------------------------------------------------

    def _take(self, answer: Answer) -> None:
        assert self._wished is not None
        try:
            self._use(answer, *self._wished)
        finally:
            if answer.pixels is not None:
                answer.pixels.close()

    def _use(self, answer: Answer, key: _Key, place: Place) -> None:
        self._wished = None
        self._has_failed = answer.pixels is None
        if answer.pixels is None:
            self._on_status(answer.problem, False, True)
            return
        self._cache.add(key, self._patch(answer.pixels, area_of(place.rectangle)))
        self._rates.add(key[0], network_px(place), answer.engine_s)
        self._on_view()
        self._on_rate()

    def _patch(self, pixels: PixelFile, area: Area) -> Patch:
        whole = Size(area.width, PICTURES * area.height)
        data = converted(pixels.rows(0, whole.height), whole, self._pixels, self._shown_pixels.babl_name)
        third = len(data) // PICTURES
        return Patch(area, (data[:third], data[third : 2 * third], data[2 * third :]))


def _network_key(options: Options) -> Hashable:
    """What the network's work depends on, for pictures and rates alike."""
    return (options.model, options.precision)
