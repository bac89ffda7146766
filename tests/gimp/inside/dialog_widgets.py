"""Both dialogs in each language on a virtual screen, looked at from inside: names, letters, sizes, and the manual."""

from __future__ import annotations

import gettext
import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.gimp_inside import new_image

LANGUAGES = ("C", "de", "zh_CN")
DIALOGS = {"upscale": "dialog", "degrade": "degrade_dialog"}
"""The dialogs with their modules."""
CASES: dict[str, dict[str, Any]] = {
    "check_dialog": {
        f"{name}-{language}": {"name": name, "language": language} for language in LANGUAGES for name in DIALOGS
    },
    "check_manual": {name: {"name": name, "language": "de"} for name in DIALOGS},
}
# Each in a process of its own with the others of a small screen: GTK keeps to the first screen that it meets.
CASES["check_small"] = CASES["check_dialog"]
GIMPS = ("_Reset", "_Cancel", "_Help", "_Load Saved Settings", "_Save Settings")
"""Labels of GIMP's own buttons."""
SCREEN, SMALL_SCREEN = "1366x768x24", "1024x600x24"
READY = {
    "models": ["realesrgan-x4plus"],
    "device_name": "AMD Ryzen 7 PRO 5850U with Radeon Graphics",
    "model": "realesrgan-x4plus",
}
"""What a daemon reports whose line in a dialog is a long one."""
WIDTH, HEIGHT = 300, 200
WAIT_S = 15.0


def check_dialog(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """What a keyboard and a screen reader find in a dialog, how large it wants to be, and the steps of its sliders."""

    def look(dialog: Any) -> dict[str, Any]:
        from gi.repository import GimpUi

        folded = dialog.get_preferred_size()[1]
        _unfold(dialog)
        widgets = [widget for widget in _below(dialog) if widget.get_mapped()]
        takers = [widget for widget in widgets if widget.get_can_focus() and widget.is_sensitive()]
        return {
            "steps": [
                [widget.get_accessible().get_name(), *widget.get_range(), widget.get_increments().step]
                for widget in widgets
                if isinstance(widget, GimpUi.SpinScale)
            ],
            "size": [folded.width, folded.height],
            "unfolded": dialog.get_preferred_size()[1].height,
            "state_lines": _state_lines(widgets),
            "takers": [[type(widget).__name__, widget.get_accessible().get_name() or ""] for widget in takers],
            "passed_over": [type(widget).__name__ for widget in _passed_over(dialog, takers)],
            "letters": _letters(widgets, case["language"]),
        }

    return _in_dialog(case, look)


def check_small(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """How large a dialog and its preview are on a small screen, folded and unfolded."""
    _find_screen(SMALL_SCREEN)

    def look(dialog: Any) -> dict[str, Any]:
        room = dialog.get_display().get_monitor(0).get_workarea()
        told: dict[str, Any] = {"room": [room.width, room.height], "folded": list(dialog.get_size())}
        _unfold(dialog)
        widgets = [widget for widget in _below(dialog) if widget.get_mapped()]
        told["unfolded"] = list(dialog.get_size())
        told["state_lines"] = _state_lines(widgets)
        told["view"] = max([one.get_allocated_width(), one.get_allocated_height()] for one in _pictures(widgets))
        return told

    return _in_dialog(case, look)


def check_monitors(options: dict[str, Any]) -> dict[str, list[int]]:
    """How large a view may be, by the monitor that GIMP is on; a number that there is no monitor for comes last."""
    _find_plugin("C")
    from bsrgan_plugin import small_screens

    rooms = {0: (1920, 1080), 1: (1024, 600), 2: (960, 540), 3: (640, 480)}

    class Display:
        """Stands for the screen and for the module that knows it."""

        @staticmethod
        def get_default() -> Any:
            return Display

        @staticmethod
        def get_monitor(number: int) -> Any:
            from gi.repository import Gdk

            area = Gdk.Rectangle()
            area.width, area.height = rooms.get(number, (0, 0))
            return SimpleNamespace(get_workarea=lambda: area) if number in rooms else None

        @staticmethod
        def get_primary_monitor() -> Any:
            return Display.get_monitor(1)

    small_screens.Gdk = SimpleNamespace(Display=Display)
    told = {}
    for number in (*rooms, -1):
        small_screens.Gimp = SimpleNamespace(monitor_number=lambda number=number: number)
        told[str(number)] = list(small_screens.view_size(480))
    return told


def check_no_browser(options: dict[str, Any]) -> dict[str, str]:
    """What is told where no program shows pages; runs before one is made."""
    from gi.repository import GLib, Gtk

    told: dict[str, str] = {}

    def answer() -> bool:
        messages = [window for window in Gtk.Window.list_toplevels() if isinstance(window, Gtk.MessageDialog)]
        if not messages:
            return True
        told.update(text=messages[0].get_property("text"), page=messages[0].get_property("secondary-text"))
        messages[0].response(Gtk.ResponseType.CLOSE)
        return False

    def press(dialog: Any) -> None:
        GLib.timeout_add(100, answer)
        _help_button(dialog).clicked()

    _in_dialog({"name": "upscale", "language": "de"}, press)
    return told


def check_manual(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """What the Help button and F1 open."""
    opened = _browser(Path(options["scratch"]))
    told: dict[str, str] = {}

    def press(dialog: Any) -> None:
        from gi.repository import Gdk

        _help_button(dialog).clicked()
        told["button"] = _opened(opened)
        event = Gdk.Event.new(Gdk.EventType.KEY_PRESS)
        event.keyval = Gdk.KEY_F1
        event.window = dialog.get_window()
        dialog.event(event)
        told["f1"] = _opened(opened)

    _in_dialog(case, press)
    return told


def check_words(options: dict[str, Any]) -> list[Any]:
    """A list of words follows its argument and sets it; a word that does not exist any more becomes the default."""
    _find_plugin("C")
    import gi

    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi

    from bsrgan_plugin.argument_rows import WordRow
    from bsrgan_plugin.upscale_options import output_titles

    config = _procedure("upscale").create_config()
    config.set_property("output", "nowhere")
    row = WordRow(config, "output", output_titles())
    (combo,) = (widget for widget in _below(row.widget) if isinstance(widget, GimpUi.StringComboBox))
    told = [config.get_property("output"), combo.get_active()]
    config.set_property("output", "same-size")
    told.append(combo.get_active())
    combo.set_active("new-image")
    told.append(config.get_property("output"))
    # As saved settings from an older version may.
    config.set_property("output", "nowhere")
    return [*told, config.get_property("output"), [place[1] for place in combo.get_model()]]


def check_remarks(options: dict[str, Any]) -> list[list[str]]:
    """What the upscale dialog says of a hidden layer of an indexed picture, for each output; then of a plain layer."""

    def indexed() -> tuple[Any, Any]:
        from gi.repository import Gimp

        image, layer = _plain()
        image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
        layer.set_visible(False)
        return image, layer

    def look(dialog: Any) -> list[list[str]]:
        config = dialog.get_property("config")
        told = []
        for output in ("new-layer", "new-image"):
            config.set_property("output", output)
            told.append(_small_text(dialog))
        return told

    case = {"name": "upscale", "language": "C"}
    return [*_in_dialog(case, look, indexed), _in_dialog(case, _small_text)]


def _small_text(dialog: Any) -> list[str]:
    """The lines of the label in small letters, where it is seen."""
    from gi.repository import Gtk

    labels = [widget for widget in _below(dialog) if isinstance(widget, Gtk.Label) and widget.get_visible()]
    return [line for label in labels if "<small>" in label.get_label() for line in label.get_text().splitlines()]


def _help_button(dialog: Any) -> Any:
    """The one button on the other side of the dialog's row of buttons."""
    area = dialog.get_action_area()
    (button,) = (child for child in area.get_children() if child.get_visible() and area.get_child_secondary(child))
    return button


def _browser(folder: Path) -> Path:
    """Make a program for pages; it writes into the returned file what it is given."""
    opened = folder / "opened"
    program = folder / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}.part\nmv {opened}.part {opened}\n', "utf-8")
    program.chmod(0o755)
    applications = Path.home() / ".local" / "share" / "applications"
    applications.mkdir(parents=True, exist_ok=True)
    entry = f"[Desktop Entry]\nType=Application\nName=Pages\nExec={program} %u\nMimeType=text/html;\n"
    (applications / "pages.desktop").write_text(entry, "utf-8")
    (applications / "mimeapps.list").write_text("[Default Applications]\ntext/html=pages.desktop\n", "utf-8")
    return opened


def _opened(file: Path) -> str:
    """What the program for pages was given since the last call."""
    from gi.repository import Gtk

    end = time.monotonic() + WAIT_S
    while not file.exists():
        assert time.monotonic() < end, "no page was opened"
        while Gtk.events_pending():
            Gtk.main_iteration()
        time.sleep(0.05)
    told = file.read_text("utf-8").strip()
    file.unlink()
    return told


def _plain() -> tuple[Any, Any]:
    """A picture, and its layer."""
    return new_image(WIDTH, HEIGHT, "RGB", 1)


def _in_dialog(
    case: dict[str, Any], look: Callable[[Any], Any], picture: Callable[[], tuple[Any, Any]] = _plain
) -> Any:
    """Open a dialog for a picture, call `look` with its window when it is on the screen, and close it again."""
    _find_plugin(case["language"])
    import gi

    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi, GLib, Gtk

    from bsrgan_plugin.targets import source_of

    found: list[Any] = []
    drawn: list[bool] = []
    image, layer = picture()
    procedure = _procedure(case["name"])
    config = procedure.create_config()
    config.set_property("endpoint", "/nowhere/daemon.json")

    def seen() -> bool:
        windows = [window for window in Gtk.Window.list_toplevels() if isinstance(window, GimpUi.ProcedureDialog)]
        if not (windows and windows[0].get_mapped()):
            return True
        # What the window holds has its place only after it was drawn for the first time.
        if not drawn:
            drawn.append(True)
            return True
        try:
            found.append(look(windows[0]))
        finally:
            windows[0].response(Gtk.ResponseType.CANCEL)
        return False

    GLib.timeout_add(300, seen)
    _pretend_ready()
    module = importlib.import_module(f"bsrgan_plugin.{DIALOGS[case['name']]}")
    source = source_of(image, layer)
    layers, sources = ([layer], [source]) if case["name"] == "upscale" else (layer, source)
    assert not module.ask(procedure, config, layers, sources)
    return found[0]


def _pretend_ready() -> None:
    """Let the dialogs hear of a daemon that is ready, without one; their previews still find none."""
    from bsrgan_plugin import daemon_state

    class Watch:
        """Tells one state."""

        def __init__(self, _endpoint: str, tell: Callable[[Any], None], **_options: Any) -> None:
            self._tell = tell

        def start(self) -> None:
            self._tell(daemon_state.of_report(READY))

        def stop(self) -> None:
            """Nothing to end."""

    daemon_state.Watch = Watch


def _state_lines(widgets: list[Any]) -> list[int]:
    """Into how many lines the daemon's state is wrapped; one number for each label that shows it."""
    from gi.repository import Gtk

    labels = [widget for widget in widgets if isinstance(widget, Gtk.Label)]
    return [label.get_layout().get_line_count() for label in labels if READY["device_name"] in label.get_text()]


def _pictures(widgets: list[Any]) -> list[Any]:
    """The preview, and the overview where there is one."""
    from gi.repository import GimpUi

    return [widget for widget in widgets if isinstance(widget, GimpUi.PreviewArea)]


def _procedure(name: str) -> Any:
    """The procedure as the plug-in describes it in the language of now; GIMP's own copy has that of its start."""
    from gi.repository import Gimp

    module = importlib.import_module(f"bsrgan_plugin.{name}_procedure")
    # A name of its own: GIMP keeps the texts of a name's arguments as long as a process lives.
    own = f"{module.NAME}-{os.environ['LANGUAGE'].lower().replace('_', '-')}"
    procedure = Gimp.ImageProcedure.new(Gimp.get_plug_in(), own, Gimp.PDBProcType.PLUGIN, lambda *_: None, None)
    module.describe(procedure)
    return procedure


def _find_plugin(language: str) -> None:
    """A screen, and the plug-in's modules, imported anew in a language."""
    _find_screen()
    plugin = Path(os.environ["GIMP3_DIRECTORY"]) / "plug-ins" / "gimp-bsrgan"
    if str(plugin) not in sys.path:
        sys.path[:0] = [str(plugin), str(plugin / "vendor")]
    os.environ["LANGUAGE"] = language
    for name in [name for name in sys.modules if name.partition(".")[0] in ("bsrgan_plugin", "bsrgan_wire")]:
        del sys.modules[name]


def _find_screen(size: str = SCREEN) -> None:
    """Start a screen of this GIMP's own, unless it has one; it ends with it."""
    if "DISPLAY" in os.environ:
        return
    read, write = os.pipe()
    subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"], pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as told:
        os.environ["DISPLAY"] = f":{told.readline().strip()}"


def _below(widget: Any) -> Iterator[Any]:
    """A widget and all that it is made of."""
    from gi.repository import Gtk

    yield widget
    if isinstance(widget, Gtk.Container):
        children: list[Any] = []
        widget.forall(children.append)
        for child in children:
            yield from _below(child)


def _passed_over(dialog: Any, takers: list[Any]) -> list[Any]:
    """Those widgets that Tab does not come to."""
    from gi.repository import Gtk

    visited: list[Any] = []
    for _step in range(3 * len(takers)):
        dialog.child_focus(Gtk.DirectionType.TAB_FORWARD)
        visited.append(dialog.get_focus())
    return [widget for widget in takers if widget not in visited]


def _letters(widgets: list[Any], language: str) -> dict[str, list[str]]:
    """The letters to press with Alt, each with the labels that have it; of GIMP's own buttons those of the language."""
    from gi.repository import GimpUi, Gtk

    own = [label for widget in widgets if isinstance(widget, Gtk.Label) and (label := _marked(widget))]
    scales = [widget.get_label() for widget in widgets if isinstance(widget, GimpUi.SpinScale)]
    catalog = gettext.translation("gimp30-libgimp", "/usr/share/locale", [language], fallback=True)
    gimps = [catalog.gettext(label) for label in GIMPS]
    found: dict[str, list[str]] = {}
    for label in [label for label in own if label not in GIMPS] + scales + gimps:
        for letter in re.findall(r"_(\w)", label):
            found.setdefault(letter.lower(), []).append(label)
    return found


def _marked(label: Any) -> str:
    """The text of a label with its sign for the letter, if it has one."""
    return str(label.get_label()) if label.get_use_underline() else ""


def _unfold(dialog: Any) -> None:
    """Show what is folded away."""
    from gi.repository import Gtk

    for widget in list(_below(dialog)):
        if isinstance(widget, Gtk.Expander):
            widget.set_expanded(True)
    while Gtk.events_pending():
        Gtk.main_iteration()
