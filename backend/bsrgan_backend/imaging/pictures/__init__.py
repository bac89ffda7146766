"""Picture files of the command line: PNG, TIFF, JPEG and WebP in, and out again with what belongs to them."""

from bsrgan_backend.imaging.pictures.enlarging import enlarged
from bsrgan_backend.imaging.pictures.picture import Picture
from bsrgan_backend.imaging.pictures.reading import read_picture
from bsrgan_backend.imaging.pictures.writing import write_picture

__all__ = ["Picture", "enlarged", "read_picture", "write_picture"]
