"""The GIMP side: layers to bytes, dialogs, and outcomes as PDB status."""
