"""Finding GIMP's profiles on every platform, in temporary homes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsrgan_install import profiles


def fake_gimp(folder: Path, name: str, told: str) -> None:
    """Put a program that answers --version into a folder."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{told}'\n")
    program.chmod(0o755)


def folders(found: list[profiles.Profile]) -> list[Path]:
    """Just the folders."""
    return [profile.folder for profile in found]


def test_every_version_of_the_native_gimp_counts(home):
    """All GIMP/3.* profiles are found, oldest first, and those of GIMP 2 are not."""
    for version in ("3.10", "3.0", "2.10", "3.2", "3.2.bak"):
        (home / ".config/GIMP" / version).mkdir(parents=True)
    found = profiles.find({"HOME": str(home)}, "linux")
    assert folders(found) == [home / ".config/GIMP" / v for v in ("3.0", "3.2", "3.10")]
    assert all(profile.exists for profile in found)


def test_flatpak_profiles_count_too(home):
    """A profile below ~/.var/app is found beside the native one and named as Flatpak's."""
    flatpak = home / ".var/app/org.gimp.GIMP/config/GIMP/3.2"
    for folder in (home / ".config/GIMP/3.0", flatpak):
        folder.mkdir(parents=True)
    found = profiles.find({"HOME": str(home)}, "linux")
    assert folders(found) == [home / ".config/GIMP/3.0", flatpak]
    assert found[1].title == "Flatpak GIMP 3.2"


def test_an_own_xdg_config_home_does_not_hide_the_usual_place(home):
    """Profiles below XDG_CONFIG_HOME and below ~/.config are both found."""
    (home / "cfg/GIMP/3.2").mkdir(parents=True)
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    found = profiles.find({"HOME": str(home), "XDG_CONFIG_HOME": str(home / "cfg")}, "linux")
    assert folders(found) == [home / "cfg/GIMP/3.2", home / ".config/GIMP/3.0"]


def test_macos_profiles(home):
    """On macOS profiles are in Application Support."""
    folder = home / "Library/Application Support/GIMP/3.0"
    folder.mkdir(parents=True)
    assert folders(profiles.find({"HOME": str(home)}, "darwin")) == [folder]


def test_windows_profiles(home):
    """On Windows profiles are below APPDATA."""
    folder = home / "AppData/Roaming/GIMP/3.2"
    folder.mkdir(parents=True)
    environ = {"APPDATA": str(home / "AppData/Roaming"), "USERPROFILE": str(home)}
    assert folders(profiles.find(environ, "win32")) == [folder]


@pytest.mark.parametrize("named", ["absolute", "relative"])
def test_gimp3_directory_names_the_only_profile(home, named):
    """GIMP3_DIRECTORY wins over all found profiles; a relative one starts at the home, as in GIMP."""
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    value = str(home / "own") if named == "absolute" else "own"
    found = profiles.find({"HOME": str(home), "GIMP3_DIRECTORY": value}, "linux")
    assert folders(found) == [home / "own"]
    assert not found[0].exists


def test_without_gimp_the_likely_profiles_are_prepared(home):
    """With neither profile nor GIMP, the versions that are about get a profile that waits for them."""
    found = profiles.find({"HOME": str(home), "PATH": str(home)}, "linux")
    assert folders(found) == [home / ".config/GIMP/3.0", home / ".config/GIMP/3.2"]
    assert not any(profile.exists for profile in found)


def test_a_gimp_that_was_never_started_is_asked_for_its_version(home):
    """The profile of the installed GIMP counts although an older version's profile is the only one there."""
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    fake_gimp(home / "bin", "gimp-console", "GNU Image Manipulation Program version 3.4.1")
    found = profiles.find({"HOME": str(home), "PATH": str(home / "bin")}, "linux")
    assert [(profile.folder.name, profile.exists) for profile in found] == [("3.0", True), ("3.4", False)]


def test_gimp_2_is_no_gimp_3(home):
    """A GIMP 2.10 on the PATH makes no profile of its own."""
    fake_gimp(home / "bin", "gimp", "GNU Image Manipulation Program version 2.10.38")
    assert profiles.gimp_version({"PATH": str(home / "bin")}) == ""


def test_snap_profiles_are_known_but_not_installed_into(home):
    """A Snap GIMP's profile is named for a warning and is not among those to install into."""
    folder = home / "snap/gimp/current/.config/GIMP/3.0"
    folder.mkdir(parents=True)
    environ = {"HOME": str(home), "PATH": ""}
    assert profiles.snap_profiles(environ) == [folder]
    assert folder not in folders(profiles.find(environ, "linux"))
