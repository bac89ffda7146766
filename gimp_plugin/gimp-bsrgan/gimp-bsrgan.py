#!/usr/bin/env python3
"""GIMP's entry to gimp-bsrgan: the folder and this file bear the same name, or GIMP would pass over them."""

import sys
from pathlib import Path

import gi

for namespace, version in (("Babl", "0.1"), ("Gegl", "0.4"), ("Gimp", "3.0")):
    gi.require_version(namespace, version)

HERE = Path(__file__).resolve().parent
# This folder comes first, also when GIMP found it through a link; vendor/ holds parts of others, if there is one.
sys.path[:0] = [str(HERE), str(HERE / "vendor")]

from gi.repository import Gimp  # noqa: E402

from bsrgan_plugin.entry import BsrganPlugIn  # noqa: E402

Gimp.main(BsrganPlugIn.__gtype__, sys.argv)
