#!/usr/bin/env python3
"""Install gimp-bsrgan: `python3 installer/install.py --try`. Needs nothing but Python's standard library."""

import sys

if sys.version_info < (3, 8):
    sys.exit("This installer needs Python 3.8 or newer to start; run it with a newer 'python3'.")

from bsrgan_install.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
