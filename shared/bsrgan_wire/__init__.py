"""The protocol between GIMP and the daemon: messages, codec, ZMTP client. Standard library and msgpack only."""

__version__ = "0.1.0"

PROTOCOL = 1
"""The protocol's major version; `shared/PROTOCOL.md` describes it and changes with it."""
