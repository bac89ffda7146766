"""The window of all models: what each is for, its licence and origin; get one, or add one from a file."""

from __future__ import annotations

from collections.abc import Callable

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Pango", "1.0")
from gi.repository import GLib, Gtk, Pango  # noqa: E402

from bsrgan_plugin import model_choice  # noqa: E402
from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX, StateLine  # noqa: E402
from bsrgan_plugin.model_jobs import ModelJobs  # noqa: E402
from bsrgan_plugin.model_list import ModelList  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402
from bsrgan_wire.messages import ModelsReport  # noqa: E402
from bsrgan_wire.model_facts import ModelFacts  # noqa: E402

_SIZE_PX = (540, 560)


class ModelWindow:
    """A window above a dialog. To close it ends nothing: a transfer goes on in the daemon, and is shown again."""

    def __init__(
        self,
        parent: Gtk.Window,
        endpoint: str,
        chosen: str,
        choose: Callable[[str], None],
        on_closed: Callable[[], None],
    ) -> None:
        """Prepare the window; `show` opens it.

        Args:
            parent: the dialog.
            endpoint: as in the procedure.
            chosen: id of the model to show first.
            choose: called with the id of the model that the user has got, or wants to use.
            on_closed: called once when the window is gone.
        """
        self._choose = choose
        self._on_closed = on_closed
        self._is_busy = False
        self._is_open = True
        self._refusal = ""
        self._awaited = model_choice.Awaited()
        self._jobs = ModelJobs(endpoint, lambda *told: GLib.idle_add(self._show_report, *told))
        # The dialog is modal, so a window above it has to be modal too.
        self._window = Gtk.Dialog(title=_("BSRGAN Models"), transient_for=parent, modal=True, destroy_with_parent=True)
        self._window.set_default_size(*_SIZE_PX)
        self._window.add_button(_("C_lose"), Gtk.ResponseType.CLOSE)
        self._window.connect("response", lambda *_arguments: self.close())
        self._list = ModelList(chosen, self._on_selected, self._on_activated)
        self._details = Gtk.Label(xalign=0.0, yalign=0.0, wrap=True, selectable=True)
        self._details.set_line_wrap_mode(Pango.WrapMode.WORD_CHAR)
        self._details.set_can_focus(False)
        self._get = self._button(_("_Get"), lambda: self._order(self._jobs.get))
        self._use = self._button(_("_Use"), self._on_use)
        self._add = self._button(_("_Add from file…"), self._on_add)
        self._bar = Gtk.ProgressBar(hexpand=True, valign=Gtk.Align.CENTER)
        self._cancel = self._button(_("_Cancel"), self._jobs.cancel)
        self._line = StateLine()
        self._fill(self._window.get_content_area())

    def show(self) -> None:
        """Open the window and begin to ask the daemon."""
        self._window.show_all()
        self._show_transfer(model_choice.Transfer())
        self._line.show(DaemonState(_("Asking the daemon…"), is_waiting=True))
        self._on_selected()
        self._jobs.start()

    def close(self) -> None:
        """Close the window; may be repeated."""
        if self._is_open:
            self._is_open = False
            self._jobs.stop()
            self._window.destroy()
            self._on_closed()

    # --- its parts -------------------------------------------------------------------------------------------

    def _fill(self, area: Gtk.Box) -> None:
        area.set_spacing(SPACING_PX)
        area.set_border_width(2 * SPACING_PX)
        label = Gtk.Label(label=_("_Models"), use_underline=True, xalign=0.0)
        label.set_mnemonic_widget(self._list.widget)
        scrolled = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, shadow_type=Gtk.ShadowType.IN)
        scrolled.set_can_focus(False)
        scrolled.add(self._list.widget)
        for part, is_tall in (
            (label, False),
            (scrolled, True),
            (self._details, False),
            (_row(self._get, self._use, self._add), False),
            (_row(self._bar, self._cancel), False),
            (self._line.widget, False),
        ):
            area.pack_start(part, is_tall, is_tall, 0)

    @staticmethod
    def _button(label: str, act: Callable[[], None]) -> Gtk.Button:
        button = Gtk.Button(label=label, use_underline=True)
        button.connect("clicked", lambda _button: act())
        return button

    # --- what the user does ----------------------------------------------------------------------------------

    def _on_selected(self) -> None:
        model = self._list.selected
        told = model_choice.details(model) if model else ""
        if told != self._details.get_text():
            self._details.set_text(told)
        self._get.set_sensitive(model is not None and not model.is_installed and not self._is_busy)
        self._use.set_sensitive(model is not None and model.is_installed)

    def _on_activated(self) -> None:
        """Enter or a double click: what can be done with the model."""
        for button in (self._use, self._get):
            if button.get_sensitive():
                button.clicked()
                return

    def _order(self, order: Callable[[str], None]) -> None:
        if self._list.selected is not None:
            self._begin()
            order(self._list.selected.id)

    def _begin(self) -> None:
        """No second order before the daemon has answered the first."""
        self._is_busy = True
        self._refusal = ""
        self._line.show(DaemonState(_("Asking the daemon…"), is_waiting=True))
        self._on_selected()
        self._add.set_sensitive(False)

    def _on_use(self) -> None:
        if self._list.selected is not None:
            self._choose(self._list.selected.id)
            self.close()

    def _on_add(self) -> None:
        title = _("Add a model from a file")
        chooser = Gtk.FileChooserNative.new(title, self._window, Gtk.FileChooserAction.OPEN, None, None)
        weights = Gtk.FileFilter()
        weights.set_name(_("Weights of networks"))
        for pattern in model_choice.WEIGHTS_PATTERNS:
            weights.add_pattern(pattern)
            weights.add_pattern(pattern.upper())
        everything = Gtk.FileFilter()
        everything.set_name(_("All files"))
        everything.add_pattern("*")
        chooser.add_filter(weights)
        chooser.add_filter(everything)
        is_chosen, path = chooser.run() == Gtk.ResponseType.ACCEPT, chooser.get_filename()
        chooser.destroy()
        if is_chosen and path and self._is_open:
            self._begin()
            self._jobs.add(path)

    # --- what the daemon says --------------------------------------------------------------------------------

    def _show_report(self, report: ModelsReport | None, problem: str) -> bool:
        if self._is_open and report is not None:
            # Why an order was refused stays until the next one.
            self._refusal = problem or self._refusal
            self._take(report)
            problem = self._refusal
        if self._is_open and problem:
            self._line.show(DaemonState(problem, is_problem=True))
        return False  # GLib: not again

    def _take(self, report: ModelsReport) -> None:
        transfer = model_choice.transfer(report)
        self._is_busy = transfer.is_running
        made = self._awaited.made(report)
        self._list.fill(ModelFacts.read_all(report.models), made)
        self._show_transfer(transfer)
        self._on_selected()
        if made:
            self._choose(made)

    def _show_transfer(self, transfer: model_choice.Transfer) -> None:
        self._bar.set_visible(transfer.is_running)
        self._cancel.set_visible(transfer.is_running)
        self._add.set_sensitive(not transfer.is_running)
        if transfer.share is not None:
            self._bar.set_fraction(transfer.share)
        elif transfer.is_running:
            self._bar.pulse()
        self._bar.get_accessible().set_name(transfer.text)
        self._line.show(DaemonState(transfer.text, transfer.is_running, transfer.is_problem))


def _row(*parts: Gtk.Widget) -> Gtk.Box:
    row = Gtk.Box(spacing=SPACING_PX)
    for part in parts:
        row.pack_start(part, isinstance(part, Gtk.ProgressBar), isinstance(part, Gtk.ProgressBar), 0)
    return row
