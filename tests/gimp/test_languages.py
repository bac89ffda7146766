"""A GIMP in another language shows the plug-in in that language."""

from __future__ import annotations

import pytest

from support import catalogs, gimp_checks
from support.gimp_session import GIMPRC, GimpSession

LANGUAGE = "zh_CN"


# One version only: it needs a start of its own, and the plug-in reads its catalogues by itself in both.
@pytest.mark.parametrize("suite", ["trixie"], indirect=True)
def test_menu_and_refusal_are_translated(gimp: GimpSession):
    """Menu entry, argument and the sentence of a refused run come from the catalogue."""
    gimp.environ["LANGUAGE"] = LANGUAGE
    # GIMP writes both into its profile, and queries all of its own plug-ins again when they are others.
    gimprc = GIMPRC.format(version=gimp.version).replace("C.UTF-8", f"{LANGUAGE}-C.UTF-8")
    (gimp.profile / "gimprc").write_text(gimprc, "utf-8")
    gimp.install_plugin()
    told = gimp.checks(gimp_checks.path("languages"), ["check_texts"])["check_texts"].unwrap()
    texts = catalogs.read(catalogs.PLUGIN.source(LANGUAGE))
    assert told == {
        "label": texts["_BSRGAN Upscale…"],
        "argument": texts["Stren_gth"],
        "refusal": texts["A channel cannot be worked on; select a layer and run the filter again."],
    }
