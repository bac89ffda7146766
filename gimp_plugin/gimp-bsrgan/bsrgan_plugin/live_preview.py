"""The live preview of the degradation: copies the layer, asks for what the arguments say, and shows what comes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from gi.repository import Gimp, GLib

from bsrgan_plugin.degrade_options import Degradation, parameters
from bsrgan_plugin.degrade_request import degrade_request
from bsrgan_plugin.layers import STRIP_ROWS, RowReader, as_seen, format_of
from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import OutputMode, Source
from bsrgan_plugin.pixel_file import PixelFile
from bsrgan_plugin.preview_answers import PreviewAnswers
from bsrgan_plugin.preview_jobs import Answer, Wish
from bsrgan_plugin.preview_pictures import Picture
from bsrgan_plugin.preview_widget import Preview
from bsrgan_plugin.translation import _, sentence


class LivePreview:
    """Shows the whole result, or a window of it: the same pixels as the run will give.

    Attributes:
        preview: the widget's owner.
        recipe: JSON text of what is shown; empty while there is nothing.
    """

    def __init__(
        self,
        layer: Gimp.Layer,
        source: Source,
        endpoint: str,
        on_zoom: Callable[[int], None],
        on_status: Callable[[str, bool, bool], None],
    ) -> None:
        """Prepare the preview; `start` begins it.

        Args:
            layer: the layer.
            source: its geometry and the area that is degraded.
            endpoint: as in the procedure.
            on_zoom: told the zoom when the user changed it on the widget.
            on_status: told one line of text, whether something is under way, and whether something is wrong.
        """
        self._pixels = format_of(layer)
        self._area = source.area
        self._on_status = on_status
        self._file = PixelFile(source.area.size, self._pixels.pixel_bytes)
        self._jobs = PreviewAnswers(endpoint, self._take, lambda text: on_status(text, True, False))
        self._copying = contextlib.ExitStack()
        self._reader: RowReader | None = None
        self._layer = layer
        self._copied = 0
        self._idle = 0
        self._asked: Degradation | None = None
        self.recipe = ""
        self._before, self._after = Picture(self._pixels), Picture(self._pixels)
        self.preview = Preview(source.area.size, self._before, self._after, on_zoom)

    def start(self) -> None:
        """Begin to copy the layer, then to work."""
        seen = self._copying.enter_context(as_seen(self._layer))
        self._reader = RowReader(seen, self._area, self._pixels.babl_name, self._pixels.pixel_bytes)
        self._jobs.start()
        self._idle = GLib.idle_add(self._copy)

    def show(self, asked: Degradation) -> None:
        """Show another degradation, soon; the same one again changes nothing."""
        if asked == self._asked:
            return
        self._asked = asked
        if self._copied == self._area.height:
            self._wish()

    @property
    def is_working(self) -> bool:
        """Whether the daemon has a job of this preview."""
        return self._jobs.is_working

    def stop(self) -> None:
        """End everything; may be called while something is under way."""
        if self._idle:
            GLib.source_remove(self._idle)
        self._jobs.stop()
        self._copying.close()
        self._before.set(None)
        self._after.set(None)
        self._file.close()

    def _copy(self) -> bool:
        """Copy some rows; GLib calls it again while there are more."""
        assert self._reader is not None
        count = min(STRIP_ROWS, self._area.height - self._copied)
        self._file.write(self._copied, self._reader.rows(self._copied, count))
        self._copied += count
        if self._copied < self._area.height:
            return True
        self._idle = 0
        self._reader.close()
        self._copying.close()
        self._before.set(self._file)
        self.preview.draw()
        self._wish()
        return False

    def _wish(self) -> None:
        if self._asked is None:
            return
        try:
            told = parameters(self._asked)
        except Refusal as refusal:
            self._jobs.withdraw()
            self._fail(str(refusal))
            return
        size = self._area.size if self._asked.output is OutputMode.SAME_SIZE else None
        request = degrade_request(self._area.size, self._pixels.channels, self._pixels.dtype, size, told)
        self._jobs.wish(Wish(request, self._file.rows))
        self._on_status(_("Working on the preview…"), True, False)

    def _take(self, answer: Answer) -> None:
        if answer.pixels is None:
            self._fail(answer.problem)
        else:
            self._show(answer, answer.pixels)

    def _show(self, answer: Answer, pixels: PixelFile) -> None:
        self.recipe = answer.recipe
        self._after.set(pixels)
        self.preview.draw()
        size = _("Result: {width} × {height} px")  # noqa: RUF001 - the multiplication sign is meant
        told = [size.format(width=pixels.size.width, height=pixels.size.height), *map(sentence, answer.notes)]
        self._on_status("\n".join(told), False, False)

    def _fail(self, sentence: str) -> None:
        self.recipe = ""
        self._after.set(None)
        self.preview.draw()
        self._on_status(sentence, False, True)
