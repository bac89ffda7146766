"""What the commands take as arguments."""

from __future__ import annotations

import pytest

from bsrgan_backend.cli import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["upscale", "", "-d", "out"],
        ["upscale", "a.png", "-d", ""],
        ["upscale", "a.png", "-o", ""],
        ["degrade", "", "-d", "out"],
        ["degrade", "a.png", "-d", ""],
        ["degrade", "a.png", "-d", "out", "--steps", ""],
        ["degrade", "a.png", "-d", "out", "--recipe", ""],
        ["models", "add", ""],
        ["bench", "--photo", ""],
        ["bench", "--photos", ""],
    ],
)
def test_an_empty_name_is_not_the_current_folder(tmp_path, monkeypatch, capsys, arguments):
    """What an unset variable leaves is refused as wrong usage, before anything is read or written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("the name is empty; give a file or a folder\n")
    assert not list(tmp_path.iterdir())
