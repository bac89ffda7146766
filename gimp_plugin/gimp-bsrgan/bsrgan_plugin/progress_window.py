"""A small window with a bar and Cancel: unlike GIMP's own Cancel, which kills the plug-in, it ends a run cleanly."""

from __future__ import annotations

from types import TracebackType

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import GimpUi, Gtk  # noqa: E402

from bsrgan_plugin.progress_text import ProgressText  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

_WIDTH_PX = 420


def has_screen() -> bool:
    """Whether windows can be shown; `GimpUi.init` would end the process when not."""
    is_ready, _arguments = Gtk.init_check([])
    return bool(is_ready)


class ProgressWindow:
    """Shows a run and takes Cancel, Escape and the window's close button as the wish to stop."""

    def __init__(self, title: str) -> None:
        GimpUi.init("gimp-bsrgan")
        self.state = ProgressText()
        self._is_cancelled = False
        self._window = Gtk.Dialog(title=title, resizable=False)
        self._cancel = self._window.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
        self._label = Gtk.Label(label=self.state.text, xalign=0.0)
        self._bar = Gtk.ProgressBar()
        box = self._window.get_content_area()
        box.set_spacing(8)
        box.set_border_width(12)
        box.set_size_request(_WIDTH_PX, -1)
        box.pack_start(self._label, False, False, 0)
        box.pack_start(self._bar, False, False, 0)
        self._window.connect("response", self._on_response)
        # The window stays until the run has really ended.
        self._window.connect("delete-event", lambda *_arguments: True)

    def __enter__(self) -> ProgressWindow:
        GimpUi.window_set_transient(self._window)
        self._window.show_all()
        self.idle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.destroy()
        self.idle()

    def show(self) -> None:
        """Show what `state` says now."""
        if self._is_cancelled:
            self.state.cancelling()
        self._label.set_text(self.state.text)
        self._bar.set_fraction(self.state.fraction)
        self.idle()

    def idle(self) -> None:
        """Let the user's clicks through; called several times a second."""
        while Gtk.events_pending():
            Gtk.main_iteration_do(False)

    def is_cancelled(self) -> bool:
        """Whether the user wants to stop."""
        return self._is_cancelled

    def forbid_cancel(self) -> None:
        """From now on the picture changes."""
        self._cancel.set_sensitive(False)
        self.show()

    def _on_response(self, _window: Gtk.Dialog, _response: int) -> None:
        if self._cancel.get_sensitive():
            self._is_cancelled = True
            self._cancel.set_sensitive(False)
            self.state.cancelling()
            self._label.set_text(self.state.text)
