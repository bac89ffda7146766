"""A dialog's Help button and F1, which open the manual beside the plug-in.

GIMP's own Help button asks the help system of GIMP, which knows only its own manual and may want the network for it.
"""

from __future__ import annotations

from pathlib import Path

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gdk, GimpUi, Gio, GLib, Gtk  # noqa: E402

from bsrgan_plugin import manual  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402


def attach(dialog: GimpUi.ProcedureDialog, name: str) -> None:
    """Let the dialog's Help button and F1 open the page `name` of the manual."""
    page = manual.page(name)
    theirs = dialog.get_widget_for_response(Gtk.ResponseType.HELP)
    # A button of its own, since GIMP's would end the dialog's loop or call GIMP's help, depending on its version.
    button = Gtk.Button(label=theirs.get_label(), use_underline=True, visible=True)
    theirs.set_no_show_all(True)
    theirs.hide()
    area = dialog.get_action_area()
    area.pack_start(button, False, False, 0)
    area.set_child_secondary(button, True)
    button.connect("clicked", lambda _button: _show(dialog, page))
    dialog.connect("key-press-event", lambda _dialog, event: event.keyval == Gdk.KEY_F1 and _show(dialog, page))


def _show(dialog: Gtk.Window, page: Path) -> bool:
    """Open the page in the browser; without one, say where it is. Always True: the key was for this."""
    context = dialog.get_display().get_app_launch_context()
    context.set_timestamp(Gtk.get_current_event_time())
    try:
        # Gtk.show_uri_on_window would not tell that there is no program.
        Gio.AppInfo.launch_default_for_uri(page.as_uri(), context)
    except GLib.Error:
        _tell(dialog, page)
    return True


def _tell(dialog: Gtk.Window, page: Path) -> None:
    text = _("No program was found that shows the manual; open this file in a browser:")
    message = Gtk.MessageDialog(
        transient_for=dialog,
        modal=True,
        message_type=Gtk.MessageType.INFO,
        buttons=Gtk.ButtonsType.CLOSE,
        text=text,
        secondary_text=str(page),
    )
    message.set_title(dialog.get_title())
    # The path is there to be copied.
    for label in message.get_message_area().get_children():
        label.set_selectable(True)
    message.run()
    message.destroy()
