"""Trained weights as data: safe readers, catalog, downloads and the local store."""
