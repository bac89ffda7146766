"""A full GIMP on a virtual screen, driven as a person does: menus, keys, clicks, and pictures of what is seen."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.gimp_session import Batch, GimpSession, Outcome

SCREENSHOTS_VARIABLE = "GIMP_BSRGAN_SCREENSHOTS"
"""A folder that keeps the screenshots; without it they go away with the test."""
SIZE = "1280x900"
START_S = 90.0
WINDOW_S = 60.0
POLL_S = 0.2
SETTLE_S = 0.6
"""Time that GTK gets to draw after a key: there is no event to wait for."""


class ScreenError(AssertionError):
    """What was expected on the screen did not come in time."""


@dataclass(frozen=True)
class Window:
    """A window on the screen.

    The X id alone does not tell one window from another: the X server gives the ids of a plug-in that has ended to
    the next one.
    """

    id: str
    process: str
    title: str = field(compare=False)


class Screen:
    """The screen of one running GIMP."""

    def __init__(self, session: GimpSession, process: subprocess.Popen[bytes], log: Path, shots: Path) -> None:
        self._session = session
        self._process = process
        self._log = log
        self._shots = shots
        self._display = ""

    def wait_ready(self) -> None:
        """Wait until the X server has told its number."""
        number = self._session.base / "display"
        self.wait(lambda: number.exists() and number.read_text("utf-8").endswith("\n"), "the X server", START_S)
        self._display = f":{number.read_text('utf-8').strip()}"

    def windows(self) -> list[Window]:
        """All visible windows with a title."""
        found = self._run("xdotool", "search", "--onlyvisible", "--name", ".").stdout.split()
        windows = [self._window(identity) for identity in found]
        return [window for window in windows if window is not None]

    def wait_window(self, title: str, deadline_s: float = WINDOW_S) -> Window:
        """Wait for a window whose title matches the regular expression `title`, and activate it.

        Raises:
            ScreenError: it did not come; a screenshot and all titles are named.
        """
        found: list[Window] = []

        def seen() -> bool:
            found[:] = [window for window in self.windows() if re.search(title, window.title)]
            return bool(found)

        self.wait(seen, f"a window titled {title!r}", deadline_s)
        self.activate(found[0])
        return found[0]

    def wait_gone(self, window: Window, deadline_s: float = WINDOW_S) -> None:
        """Wait until a window is closed."""
        self.wait(lambda: self._window(window.id) != window, f"the end of window {window.title!r}", deadline_s)

    def activate(self, window: Window) -> None:
        """Bring a window to the front and give it the keys."""
        self._run("xdotool", "windowactivate", "--sync", window.id)
        time.sleep(SETTLE_S)

    def park_pointer(self) -> None:
        """Move the pointer into the lower right corner, where it raises no tooltip."""
        self._checked("xdotool", "mousemove", "1279", "899")

    def size(self, window: Window) -> tuple[int, int]:
        """Width and height of a window without its frame, in pixels."""
        told = self._run("xdotool", "getwindowgeometry", "--shell", window.id).stdout
        found = dict(line.split("=", 1) for line in told.splitlines())
        return int(found["WIDTH"]), int(found["HEIGHT"])

    def resize(self, window: Window, width: int, height: int) -> None:
        """Put a window into the upper left corner, `width` and `height` pixels large."""
        self._checked("xdotool", "windowmove", window.id, "0", "0", "windowsize", window.id, str(width), str(height))
        time.sleep(SETTLE_S)

    def keys(self, *keys: str) -> None:
        """Press keys one after the other (names of xdotool) in the active window."""
        for key in keys:
            # Without a window: GTK passes over events that are sent to one.
            self._checked("xdotool", "key", "--clearmodifiers", key)
            time.sleep(SETTLE_S)

    def click(self, x: int, y: int) -> None:
        """Click with the left button at a place of the screen, in pixels."""
        self._checked("xdotool", "mousemove", "--sync", str(x), str(y), "click", "1")
        time.sleep(SETTLE_S)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press the left button at a place of the screen, move to another and let go."""
        self._checked("xdotool", "mousemove", "--sync", *map(str, start), "mousedown", "1")
        middle = [str((one + other) // 2) for one, other in zip(start, end, strict=True)]
        self._checked("xdotool", "mousemove", "--sync", *middle, "mousemove", "--sync", *map(str, end), "mouseup", "1")
        time.sleep(SETTLE_S)

    def type(self, text: str) -> None:
        """Type text into the active window."""
        self._checked("xdotool", "type", "--delay", "30", text)
        time.sleep(SETTLE_S)

    def shot(self, name: str) -> Path:
        """Save what the screen shows as `GIMP's suite-NAME.png` and return its path."""
        self._shots.mkdir(parents=True, exist_ok=True)
        inside = self._session.base / "shot.png"
        self._checked("import", "-window", "root", str(inside))
        path = self._shots / f"{self._session.suite}-{name}.png"
        path.write_bytes(inside.read_bytes())
        return path

    def picture(self, window: Window) -> bytes:
        """A window with its frame, as a PNG file's bytes."""
        inside = self._session.base / "window.png"
        self._checked("import", "-frame", "-window", window.id, str(inside))
        return inside.read_bytes()

    def log(self) -> str:
        """What GIMP, its plug-ins and the X server printed."""
        return self._log.read_text("utf-8", "replace")

    def _window(self, identity: str) -> Window | None:
        told = self._run("xdotool", "getwindowpid", identity, "getwindowname", identity)
        if told.returncode:
            return None
        process, _, title = told.stdout.partition("\n")
        return Window(identity, process, title.strip())

    def wait(self, condition: Callable[[], bool], what: str, deadline_s: float = WINDOW_S) -> None:
        """Poll until `condition()` is true.

        Raises:
            ScreenError: it did not become true; a screenshot and all titles are named.
        """
        end = time.monotonic() + deadline_s
        while not condition():
            if self._process.poll() is not None:
                raise ScreenError(f"GIMP ended while the test waited for {what}.\n{self.log()[-4000:]}")
            if time.monotonic() > end:
                raise ScreenError(f"{what} did not come within {deadline_s:.0f} s; {self._told()}")
            time.sleep(POLL_S)

    def _told(self) -> str:
        with contextlib.suppress(AssertionError, OSError):
            picture = self.shot("failure")
            return f"see {picture}; windows: {[window.title for window in self.windows()]}\n{self.log()[-4000:]}"
        return self.log()[-4000:]

    def _checked(self, *command: str) -> None:
        ended = self._run(*command)
        if ended.returncode:
            raise ScreenError(f"{command[0]} failed: {ended.stderr.strip()}; {self._told()}")

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        full = self._session.enter(self._process, command, {"DISPLAY": self._display})
        return subprocess.run(full, capture_output=True, text=True, check=False, timeout=60)

    def finish(self, batch: Batch, keys: Mapping[str, Sequence[str]], deadline_s: float) -> dict[str, Outcome]:
        """Wait for the checks that this GIMP was started with, and press keys as they ask for them.

        Args:
            batch: the checks, as given to `full_gimp`.
            keys: for each word that a check may ask (`gimp_inside.ask`) the keys to press.
            deadline_s: time for all of them.
        """
        asked = batch.scratch / "ask"

        def done() -> bool:
            if asked.exists():
                self.activate(self.wait_window("GIMP$"))
                self.keys(*keys[asked.read_text("utf-8")])
                asked.unlink()
            states = [outcome.state for outcome in batch.outcomes(self._log).values()]
            return not {"missing", "started"} & set(states)

        self.wait(done, "the end of the checks", deadline_s)
        return batch.outcomes(self._log)

    def read(self, window: Window) -> str:
        """The text that can be read in a window, by optical character recognition; none in a window that is closed."""
        picture = self._session.base / "read.png"
        # Text of a screen is small for a program that expects paper.
        options = ["-resize", "300%", "-colorspace", "gray", str(picture)]
        # When the window has just closed, `import` would wait for a click for ever.
        if self._run("timeout", "10", "import", "-window", window.id, *options).returncode:
            return ""
        # One thread: more of them wait for each other when the network keeps all cores busy.
        return self._run("env", "OMP_THREAD_LIMIT=1", "tesseract", str(picture), "-", "--psm", "6").stdout

    def wait_text(self, title: str, text: str, deadline_s: float = WINDOW_S) -> Window:
        """Wait until `text` can be read in a window whose title matches `title`, and activate that window.

        A progress window closes when its step is done and comes again with the next one.

        Raises:
            ScreenError: it did not come; a screenshot and all titles are named.
        """
        found: list[Window] = []

        def seen() -> bool:
            found[:] = [window for window in self.windows() if re.search(title, window.title)][:1]
            for window in found:
                self.activate(window)  # what lies behind another window cannot be read
            return any(text in self.read(window) for window in found)

        self.wait(seen, f"{text!r} in a window titled {title!r}", deadline_s)
        return found[0]


@contextlib.contextmanager
def full_gimp(
    session: GimpSession, *files: Path, shots: Path | None = None, batch: Batch | None = None, size: str = SIZE
) -> Iterator[Screen]:
    """Start Xvfb, openbox and GIMP with `files` open; yields when GIMP's image window is there.

    Args:
        session: where; its plug-in has to be installed already.
        files: pictures below the session's `base`.
        shots: where screenshots go, unless the environment names a folder.
        batch: checks that this GIMP runs while it is on the screen.
        size: of the screen, `WIDTHxHEIGHT`.
    """
    base = session.base
    folder = Path(os.environ.get(SCREENSHOTS_VARIABLE) or shots or base / "shots")
    (base / "display").unlink(missing_ok=True)
    script = f"""
Xvfb -displayfd 3 -screen 0 {size}x24 -nolisten tcp 3>{base}/display &
while ! [ -s {base}/display ]; do sleep 0.1; done
export DISPLAY=:$(cat {base}/display)
openbox &
exec gimp -n -s "$@"
"""
    log = base / "screen.log"
    command = ["sh", "-euc", script, "gimp", *map(str, files), *(batch.arguments if batch else [])]
    with session.started(command, log, batch.environ if batch else {}) as process:
        screen = Screen(session, process, log, folder)
        screen.wait_ready()
        main = screen.wait_window("GIMP$" if not files else re.escape(files[-1].stem), START_S)
        screen.resize(main, 1280, 870)
        screen.park_pointer()
        yield screen
