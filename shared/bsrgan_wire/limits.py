"""Every bound of protocol 1, in one place; both sides check them before they allocate."""

MAGIC = b"SRP1"
"""First frame of every message: the name and the major version of the protocol."""

HEADER_BYTES = 64 * 1024
"""Longest msgpack header."""

CHUNK_BYTES = 4 * 1024 * 1024
"""Longest payload of one PUT or CHUNK."""

CREDIT = 4
"""Chunks that may be in flight in one direction of one job."""

GREETING_HEADER_BYTES = 4 * 1024
"""Longest header accepted from a peer that has not said HELLO yet."""

TEXT_BYTES = 48 * 1024
"""Longest text among a job's options, and longest recipe; a header holds one of them with everything else."""

SIDE_PX = 65_535
"""Longest side of an image, input or result."""

INPUT_PX = 512 * 1024 * 1024
"""Most pixels of an input image."""

OUTPUT_PX = 1024 * 1024 * 1024
"""Most pixels of a result."""

PREVIEW_PX = 4 * 1024 * 1024
"""Most pixels of the part that is sent for a preview, and of the rectangle that it shows."""

PREVIEW_MARGIN_PX = 72
"""Pixels around a rectangle that a network must see, so that the rectangle is the same as in the whole result within
1/255 (measured; the table is in PROTOCOL.md)."""

QUEUE_JOBS = 32
"""Jobs that may wait; the next SUBMIT is refused at once."""

MODELS = 48
"""Models of one MODELS_REPORT, installed and published together."""

MODEL_TEXT_BYTES = 256
"""Longest text about a model: so many models with such texts fit into one header."""

PROGRESS_INTERVAL_S = 0.1
"""Shortest time between two PROGRESS messages of one job."""

PING_INTERVAL_S = 5.0
"""A client that has sent nothing for so long sends PING."""

SILENCE_S = 15.0
"""A peer that has sent nothing for so long is taken for gone."""

ORPHAN_GRACE_S = 10.0
"""A running job whose client is gone is cancelled after this time unless the client attaches again."""

RESULT_TTL_S = 600.0
"""A ready result that nobody fetches is dropped after this time."""

PROTOCOL_ERRORS = 10
"""Protocol errors after which the daemon closes the session."""

ITEM_BYTES = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}
"""Bytes of one sample of each dtype; little-endian on the wire."""
