"""Names of files on a terminal: nothing in them acts."""

from __future__ import annotations

import pytest

from bsrgan_backend.cli import language, main
from bsrgan_backend.models import safetensors_file, synthetic
from support.cli_pictures import picture

NAME = "a\x1b[31m\nb.png"
SHOWN = r"a\x1b[31m\nb.png"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("photo.png", "photo.png"),
        ("Bild ü 猫\u3000\u00a0.png", "Bild ü 猫\u3000\u00a0.png"),
        (r"C:\new\a.png", r"C:\new\a.png"),
        (NAME, SHOWN),
        ("\x9b2J\x7f\u202e\udcff", r"\x9b2J\x7f\u202e\udcff"),
    ],
)
def test_what_is_shown_of_a_text(text, shown):
    """Control characters, those that turn the writing round and bytes that are no text become escapes."""
    assert language.printable(text) == shown


def test_sentences_about_a_picture_are_one_line(installation, tmp_path):
    """A picture that fails is told about with its name's control characters escaped."""
    (tmp_path / NAME).write_bytes(b"no picture")
    done = installation("upscale", tmp_path / NAME, "-d", tmp_path / "out")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{SHOWN}: ")


def test_refusals_are_one_line(tmp_path, capsys):
    """So are names in what ends a command, in wrong usage and of `degrade`."""
    (tmp_path / NAME).mkdir()
    assert main.main(["degrade", str(tmp_path / NAME), "-d", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"gimp-bsrgan: There are no pictures in {tmp_path}/{SHOWN}.\n"
    with pytest.raises(SystemExit):
        main.main(["status", NAME])
    assert capsys.readouterr().err.endswith(f"unrecognized arguments: {SHOWN}\n")
    (tmp_path / "in").mkdir()
    picture(tmp_path / "in/whole.png")
    (tmp_path / "in" / NAME).write_bytes(b"no picture")
    assert main.main(["degrade", str(tmp_path / "in"), "-d", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{SHOWN}: ")


def test_models_of_odd_files_are_listed_in_lines(bare, tmp_path):
    """The file that a model was added from is shown without acting."""
    file = tmp_path / "x\x1b[2J\n.safetensors"
    file.write_bytes(safetensors_file.encode(synthetic.random_weights(synthetic.TINY, 3)))
    assert bare("models", "add", file, "--id", "mine").returncode == 0
    told = bare("models", "list").stdout
    assert r"from x\x1b[2J\n.safetensors" in told
    assert "\x1b" not in told
