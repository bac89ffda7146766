"""The command line `gimp-bsrgan`."""
