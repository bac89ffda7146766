"""How long the daemon waits between looks at something that no event tells."""

from __future__ import annotations

FIRST_MS, SLOWEST_MS = 1, 5
"""A chunk on its way to a quick reader has left within the first; a slow reader's are looked for less often."""


class Pacing:
    """Waits that grow while nothing happens.

    Attributes:
        wait_ms: until the next look.
    """

    def __init__(self) -> None:
        self.wait_ms = FIRST_MS

    def turned(self, *, eventful: bool) -> None:
        """Learn whether something has happened meanwhile."""
        self.wait_ms = FIRST_MS if eventful else min(2 * self.wait_ms, SLOWEST_MS)
