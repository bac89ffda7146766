"""How a script is run in a GIMP without a screen."""

from __future__ import annotations


def command(gimp: list[str], script: str) -> list[str]:
    """The command line that runs a script in GIMP's own Python and ends.

    Args:
        gimp: the words that call a gimp-console.
        script: of any number of lines; an exception in it makes GIMP end with another status than 0.
    """
    # One line, as some ways to call a GIMP (in a chroot, in a container) pass on no others.
    words = ["--no-interface", "--no-data", "--no-fonts", "--quit", "--batch-interpreter", "python-fu-eval"]
    return [*gimp, *words, "-b", f"exec({script!r})"]
