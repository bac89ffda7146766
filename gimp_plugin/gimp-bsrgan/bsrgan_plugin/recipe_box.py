"""The recipe in the dialog: to be read, copied, and pasted to be used again."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, Gimp, Gtk  # noqa: E402

from bsrgan_plugin import recipe_text  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX  # noqa: E402
from bsrgan_plugin.degrade_options import compact  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

_HEIGHT_PX = 72


class RecipeBox:
    """The steps of what the preview shows, and the argument `recipe`.

    Attributes:
        widget: the GTK widget.
    """

    def __init__(self, config: Gimp.ProcedureConfig) -> None:
        self._config = config
        self._recipe = ""
        self._text = Gtk.TextView(editable=False, cursor_visible=False, wrap_mode=Gtk.WrapMode.WORD_CHAR)
        self._text.set_accepts_tab(False)
        self._text.get_accessible().set_name(_("Recipe"))
        # The text within takes the keys.
        scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN, min_content_height=_HEIGHT_PX, can_focus=False)
        scrolled.add(self._text)
        self._copy = self._button(_("Cop_y recipe"), self._on_copy)
        self._paste = self._button(_("Pas_te recipe"), self._on_paste)
        self._clear = self._button(_("Drop _it"), self._on_clear)
        self._clear.set_tooltip_text(_("Draw by mode and seed again"))
        buttons = Gtk.Box(spacing=SPACING_PX)
        for button in (self._copy, self._paste, self._clear):
            buttons.pack_start(button, False, False, 0)
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING_PX)
        self.widget.pack_start(scrolled, True, True, 0)
        self.widget.pack_start(buttons, False, False, 0)
        self.widget.show_all()
        self.show("")

    def show(self, recipe: str) -> None:
        """Show a recipe, JSON text; empty for none."""
        self._recipe = recipe
        self._text.get_buffer().set_text("\n".join(recipe_text.lines_of(recipe)) if recipe else "")
        self._copy.set_sensitive(bool(recipe))
        self._clear.set_sensitive(bool(self._config.get_property("recipe")))

    def _button(self, label: str, on_clicked: object) -> Gtk.Button:
        button = Gtk.Button(label=label, use_underline=True)
        button.connect("clicked", on_clicked)
        return button

    def _on_copy(self, _button: Gtk.Button) -> None:
        clipboard = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD)
        clipboard.set_text(compact(self._recipe), -1)
        # Without this the text would be gone with the dialog, which is when it is wanted.
        clipboard.store()

    def _on_paste(self, _button: Gtk.Button) -> None:
        text = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text()
        if text:
            self._config.set_property("recipe", text.strip())

    def _on_clear(self, _button: Gtk.Button) -> None:
        self._config.set_property("recipe", "")
