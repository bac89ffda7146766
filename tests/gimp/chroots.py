#!/usr/bin/env python3
"""Debian chroots that hold a real GIMP for the tests: trixie (GIMP 3.0) and forky (GIMP 3.2).

    python3 tests/gimp/chroots.py build trixie forky
    python3 tests/gimp/chroots.py path trixie

They are kept below `GIMP_BSRGAN_CHROOTS` (default `/var/cache/gimp-bsrgan/chroots`), are built once, and need root.
The mirror is the one that this machine's own apt sources name. Standard library only: it runs before any
environment exists.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER_VARIABLE = "GIMP_BSRGAN_CHROOTS"
DEFAULT_FOLDER = Path("/var/cache/gimp-bsrgan/chroots")
SUITES = ("trixie", "forky")
MARKER = "gimp-bsrgan-chroot.json"
"""Written last, in the root of a chroot: a folder without it, or with another recipe, is built again."""

PACKAGES = (
    # What a person installs, and what the plug-in says it needs.
    "gimp", "python3", "python3-gi", "gir1.2-gimp-3.0",
    # A screen to drive it on.
    "xvfb", "openbox", "xdotool", "imagemagick", "fonts-dejavu-core", "adwaita-icon-theme", "librsvg2-common",
    # To read what a dialog says.
    "tesseract-ocr",
    # A second language, for the translations.
    "locales",
)  # fmt: skip
LOCALE = "de_DE"
PROFILE = Path("var/lib/gimp-bsrgan-profile")
"""A GIMP profile inside the chroot whose `pluginrc` knows GIMP's own plug-ins: querying them takes seconds."""
RECIPE_VERSION = 3


class ChrootError(Exception):
    """The chroot cannot be made or used; `str()` is one sentence with the way out."""


def folder() -> Path:
    """The folder that holds all chroots."""
    return Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER).expanduser().absolute()


def recipe(suite: str) -> str:
    """A short digest of everything that decides what a chroot holds."""
    told = json.dumps([RECIPE_VERSION, suite, PACKAGES, LOCALE, platform.machine()])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def find(suite: str) -> Path | None:
    """The root folder of a complete chroot of `suite`, or None when it has to be built."""
    root = folder() / suite
    return root if facts(root).get("recipe") == recipe(suite) else None


def need(suite: str) -> Path:
    """The root folder of a complete chroot of `suite`.

    Raises:
        ChrootError: it is not built.
    """
    root = find(suite)
    if root is None:
        raise ChrootError(
            f"The {suite} chroot is not built; run 'python3 tests/gimp/chroots.py build {suite}' as root."
        )
    return root


def facts(root: Path) -> dict[str, str]:
    """What the marker of a chroot says (suite, recipe, GIMP's version); empty when it is not complete."""
    try:
        told = json.loads((root / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def build(suite: str) -> Path:
    """Return the chroot of `suite`, building it when it is missing, half-built or of an older recipe.

    Two calls at the same time are safe: the second waits for the first.

    Raises:
        ChrootError: not root, no mirror, no disk space, or a step failed.
    """
    if suite not in SUITES:
        raise ChrootError(f"There is no recipe for {suite!r}; choose one of {', '.join(SUITES)}.")
    if ready := find(suite):
        return ready
    if os.geteuid() != 0:
        raise ChrootError("Building a chroot needs root; run it again as root or with sudo.")
    folder().mkdir(parents=True, exist_ok=True)
    with _locked(folder() / f"{suite}.lock"):
        return find(suite) or _build(suite)


def mirror() -> str:
    """The URI of the Debian archive in this machine's apt sources.

    Raises:
        ChrootError: no source names one.
    """
    found = [uri for uri, suites in _sources() if _is_archive(uri, suites)]
    if not found:
        raise ChrootError("The apt sources of this machine name no Debian archive; add one and run it again.")
    return found[0]


def _is_archive(uri: str, suites: list[str]) -> bool:
    release = {"stable", "testing", "unstable", "sid", "bookworm", *SUITES}
    return uri.startswith(("http://", "https://", "file:")) and not release.isdisjoint(suites)


def _sources() -> Iterator[tuple[str, list[str]]]:
    """Every (URI, suites) of the apt sources, one-line and deb822 style."""
    top = Path("/etc/apt")
    for path in [top / "sources.list", *sorted((top / "sources.list.d").glob("*"))]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        text = path.read_text("utf-8", "replace")
        yield from _one_line(text) if path.suffix == ".list" else _deb822(text)


def _one_line(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] != ["deb"]:
            continue
        words = [word for word in words[1:] if not (word.startswith("[") or word.endswith("]") or "=" in word)]
        if len(words) >= 2:
            yield words[0].rstrip("/"), [words[1]]


def _deb822(text: str) -> Iterator[tuple[str, list[str]]]:
    for stanza in text.split("\n\n"):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields = {key.strip().lower(): value.split() for key, _, value in (line.partition(":") for line in lines)}
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[0].lower() not in ("no", "false"):
            for uri in fields.get("uris", []):
                yield uri.rstrip("/"), fields.get("suites", [])


def _build(suite: str) -> Path:
    """Build in a folder beside the final one and rename: a killed build leaves nothing that looks complete."""
    # One at a time: apt refuses a second caller, and the suites are built side by side.
    with _locked(folder() / "debootstrap.lock"):
        _need_debootstrap()
    root, building = folder() / suite, folder() / f"{suite}.building"
    for old in (root, building):
        _remove(old)
    log = folder() / f"{suite}.log"
    log.write_bytes(b"")
    _say(f"{suite}: building below {folder()}, a few minutes; log: {log}")
    script = _script(suite, mirror(), building)
    # A mount and process namespace of its own: whatever the build mounts or starts is gone when it ends.
    command = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-euc",
        script,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))}
    environment |= {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with log.open("ab") as out:
        ended = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
    if ended.returncode != 0:
        raise ChrootError(f"Building the {suite} chroot failed ({_last_line(log)}); the log is {log}.")
    version = _gimp_version(building)
    marker = {"suite": suite, "recipe": recipe(suite), "gimp": version}
    (building / MARKER).write_text(json.dumps(marker) + "\n", "utf-8")
    building.rename(root)
    _say(f"{suite}: GIMP {version} is ready in {root}")
    return root


def _script(suite: str, archive: str, root: Path) -> str:
    """The shell script that makes a chroot; every step fails the whole."""
    # Older debootstraps have no script for a newer suite; all of them share sid's.
    scripts = Path("/usr/share/debootstrap/scripts")
    recipe_file = scripts / suite if (scripts / suite).exists() else scripts / "sid"
    target, inside = shlex.quote(str(root)), f"chroot {shlex.quote(str(root))}"
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = f"--keyring={keyring}" if keyring.exists() else ""
    return f"""
debootstrap --variant=minbase {signed} {suite} {target} {shlex.quote(archive)} {recipe_file}
mount -t proc proc {target}/proc
mount --rbind /dev {target}/dev
mount -t tmpfs tmpfs {target}/tmp
cp -L /etc/resolv.conf {target}/etc/resolv.conf
printf '%s\\n' {shlex.quote(_apt_settings())} > {target}/etc/apt/apt.conf.d/99tests
echo force-unsafe-io > {target}/etc/dpkg/dpkg.cfg.d/99tests
printf '#!/bin/sh\\nexit 101\\n' > {target}/usr/sbin/policy-rc.d
chmod 755 {target}/usr/sbin/policy-rc.d
{inside} apt-get -q update
{inside} apt-get -q install --yes --no-install-recommends {" ".join(PACKAGES)}
{inside} localedef -i {LOCALE} -f UTF-8 {LOCALE}.UTF-8
{inside} apt-get -q clean
rm -rf {target}/var/lib/apt/lists
# GIMP's fonts and mime caches are made once here instead of in each test.
{inside} fc-cache --system-only || true
mkdir {target}/{PROFILE}
{inside} env -i HOME=/tmp PATH=/usr/bin:/bin LANG=C.UTF-8 GIMP3_DIRECTORY=/{PROFILE} \
    gimp-console -idf --quit --batch-interpreter python-fu-eval -b pass
test -s {target}/{PROFILE}/pluginrc
"""


def _apt_settings() -> str:
    """Settings for apt inside: the machine's own proxy, and no expiry (a frozen mirror stays usable)."""
    lines = ['Acquire::Check-Valid-Until "false";', 'Acquire::Check-Date "false";', 'Acquire::Languages "none";']
    with contextlib.suppress(OSError):
        told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
        lines += [line for line in told.splitlines() if line.startswith(("Acquire::http::Proxy", "Acquire::Retries"))]
    return "\n".join(lines)


def _need_debootstrap() -> None:
    """Install debootstrap by apt when it is missing.

    Raises:
        ChrootError: apt could not install it, or `unshare` is missing.
    """
    if shutil.which("unshare") is None:
        raise ChrootError("The command 'unshare' is missing; install util-linux and run it again.")
    if shutil.which("debootstrap", path="/usr/sbin:/usr/bin:/sbin:/bin"):
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "debootstrap", "debian-archive-keyring"]):
        try:
            ended = subprocess.run([*apt, *words], env=environment, capture_output=True, check=False)
        except OSError:
            raise ChrootError("There is no apt here; install debootstrap and run it again.") from None
    if ended.returncode != 0:
        raise ChrootError("apt could not install debootstrap; install it by hand and run it again.")


def _remove(root: Path) -> None:
    """Delete a chroot folder, but never through something that is still mounted inside."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
    inside = [point for point in mounted if point == str(root) or point.startswith(f"{root}/")]
    if inside:
        raise ChrootError(f"{inside[0]} is still mounted; unmount it and run it again.")
    if root.exists():
        shutil.rmtree(root)


def _gimp_version(root: Path) -> str:
    ended = subprocess.run(
        ["chroot", str(root), "dpkg-query", "-W", "-f", "${Version}", "gimp"],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0 or not (root / "usr/bin/gimp-console").exists():
        raise ChrootError(f"The chroot {root} holds no GIMP though its build ended well; delete it and build again.")
    return ended.stdout.split("-")[0].partition(":")[2] or ended.stdout.split("-")[0]


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0, or 1 with one sentence on stderr."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (("build", "build what is missing"), ("path", "print where it is")):
        command = commands.add_parser(name, help=told)
        command.add_argument("suite", nargs="*", default=list(SUITES), help=f"default: {' '.join(SUITES)}")
    options = parser.parse_args(arguments)
    try:
        # Several at once: one waits for the network while the other unpacks.
        with ThreadPoolExecutor(len(SUITES)) as pool:
            for root in pool.map(build if options.command == "build" else need, options.suite):
                _say(str(root))
    except (ChrootError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
