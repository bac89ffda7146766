#!/usr/bin/env python3
"""Take the pictures of both dialogs that docs/screenshots.md shows: both GIMPs, light and dark, English and Chinese.

    PYTHON tests/support/dialog_shots.py --font FILE

PYTHON is that of the tests' environment (tests/run.py makes it), FILE a font with Chinese characters, such as
wqy-microhei.ttc of the Debian package fonts-wqy-microhei: the chroots have none. Needs the chroots of tests/gimp, root,
and the weights of `MODEL` (fetched once, as the tests do).
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("shared", "backend", "installer", "gimp_plugin/gimp-bsrgan", "tests")]

from PIL import Image  # noqa: E402

from gimp import chroots  # noqa: E402
from support import catalogs, gimp_checks, gimp_daemon, trained_weights  # noqa: E402
from support.gimp_screen import Screen, full_gimp  # noqa: E402
from support.gimp_session import GIMPRC, GimpSession, short_folder  # noqa: E402

FOLDER = ROOT / "docs" / "screenshots"
PHOTO = ROOT / "installer" / "photo" / "astronaut.jpg"
MODEL = "realesrgan-x4plus"
THEMES = ("light", "dark")
LANGUAGES = {"en": "C.UTF-8", "zh_CN": "zh_CN.UTF-8"}
"""What the pictures are named after, and the locale."""
SEED = "11"
DIALOGS = {"upscale": "BSRGAN Upscale", "degrade": "BSRGAN Degradation Preview"}
"""The checks that open them, and their titles."""
PREVIEW_S = 240.0
SETTLE_S = 3.0
COLOURS = 160


@dataclass(frozen=True)
class Look:
    """One start of a GIMP.

    Attributes:
        suite: the Debian suite of its chroot.
        theme: one of `THEMES`.
        language: a key of `LANGUAGES`.
        font: a file with the characters of every language.
    """

    suite: str
    theme: str
    language: str
    font: Path

    def file(self, dialog: str) -> Path:
        """Where the picture of a dialog is kept."""
        gimp = chroots.facts(chroots.need(self.suite))["gimp"].rpartition(".")[0]
        return FOLDER / f"{dialog}-{gimp}-{self.theme}-{self.language}.png"


def take(look: Look, installation: Path) -> None:
    """Start one GIMP and take the pictures of both dialogs."""
    with short_folder(look.suite) as base:
        session = GimpSession(look.suite, base, prefix=installation, environ=_environ(look, base))
        gimprc = GIMPRC.format(version=session.version).replace("C.UTF-8", LANGUAGES[look.language])
        (session.profile / "gimprc").write_text(f"{gimprc}(theme-color-scheme {look.theme})\n", "utf-8")
        session.install_plugin()
        _make_locale(session, look)
        photo = base / "astronaut.jpg"
        shutil.copy(PHOTO, photo)
        names = [f"check_{dialog}" for dialog in DIALOGS]
        batch = session.batch(gimp_checks.path("dialog_shots"), names, {"photo": str(photo)})
        with full_gimp(session, shots=base / "shots", batch=batch) as screen:
            for dialog, title in DIALOGS.items():
                _take(screen, look, dialog, _translated(title, look.language), installation)


def _take(screen: Screen, look: Look, dialog: str, title: str, installation: Path) -> None:
    done = gimp_daemon.status(installation)["jobs_done"]
    window = screen.wait_window(f"^{title}$")
    if dialog == "degrade":
        # The small photo twice as large, and a seed that is always the same; letters are those of both languages.
        screen.keys("alt+f", "plus", "alt+e", "ctrl+a")
        screen.type(f"{SEED}\t")
    screen.wait(lambda: _is_idle(installation, done), "the preview", PREVIEW_S)
    screen.park_pointer()
    time.sleep(SETTLE_S)
    picture = Image.open(io.BytesIO(screen.picture(window))).convert("RGB")
    FOLDER.mkdir(parents=True, exist_ok=True)
    small = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(look.file(dialog), optimize=True)
    sys.stdout.write(f"{look.file(dialog).name}: {picture.width} x {picture.height} px\n")
    screen.keys("Escape")
    screen.wait_gone(window)


def _is_idle(installation: Path, done: int) -> bool:
    told = gimp_daemon.status(installation)
    return told["jobs_done"] > done and not told["running"] and not told["queue"]


def _translated(title: str, language: str) -> str:
    return catalogs.read(catalogs.PLUGIN.source(language))[title] if language in catalogs.LANGUAGES else title


def _environ(look: Look, base: Path) -> dict[str, str]:
    return {"LANG": LANGUAGES[look.language], "LANGUAGE": look.language, "LOCPATH": str(base / "locale")}


def _make_locale(session: GimpSession, look: Look) -> None:
    """Make the locale, and give GIMP the font; the chroot itself stays as it is."""
    if look.language not in catalogs.LANGUAGES:
        return
    (session.home / ".fonts").mkdir()
    shutil.copy(look.font, session.home / ".fonts")
    (session.base / "locale").mkdir()
    target = session.base / "locale" / LANGUAGES[look.language]
    log = session.base / "locale.log"
    with session.started(["localedef", "-i", look.language, "-f", "UTF-8", str(target)], log) as process:
        if process.wait(60):
            raise SystemExit(log.read_text("utf-8", "replace"))


def _prepare(installation: Path) -> None:
    """An installation whose default model is a trained one."""
    trained_weights.trained(MODEL)
    gimp_daemon.prepare(installation, gimp_daemon.FAST)
    models = installation / "models"
    for path in (trained_weights.shared_cache() / "models").glob(f"{MODEL}.*"):
        shutil.copy(path, models)
    (installation / "settings.toml").write_text(f'model = "{MODEL}"\ndevice = "cpu"\n', "utf-8")


def main() -> int:
    """Take all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite", nargs="*", default=chroots.SUITES, choices=chroots.SUITES)
    parser.add_argument("--theme", nargs="*", default=THEMES, choices=THEMES)
    parser.add_argument("--language", nargs="*", default=tuple(LANGUAGES), choices=tuple(LANGUAGES))
    parser.add_argument("--font", type=Path, required=True, help="a font file with Chinese characters")
    asked = parser.parse_args()
    with short_folder("shots") as installation:
        _prepare(installation)
        with gimp_daemon.served(installation):
            for suite, theme, language in itertools.product(asked.suite, asked.theme, asked.language):
                take(Look(suite, theme, language, asked.font), installation)
    return 0


if __name__ == "__main__":
    sys.exit(main())
