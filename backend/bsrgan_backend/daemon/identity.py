"""This run of the daemon: its random id, its endpoint's secret, and the rendezvous file that tells clients."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from bsrgan_backend.daemon.endpoint import Endpoint
from bsrgan_backend.daemon.logs import log, log_file
from bsrgan_wire import PROTOCOL, places, rendezvous
from bsrgan_wire import __version__ as version


@dataclass
class Identity:
    """Who this daemon is.

    Attributes:
        endpoint: where it listens.
        instance: random per start, so that clients notice a restart.
    """

    root: Path
    endpoint: Endpoint
    instance: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def secret(self) -> bytes:
        """What both sides prove on tcp; empty on ipc."""
        return self.endpoint.secret

    @property
    def file(self) -> Path:
        """The rendezvous file."""
        return places.rendezvous_file(self.root)

    def announce(self) -> None:
        """Write the rendezvous file.

        Raises:
            OSError: it cannot be written.
        """
        rendezvous.write(
            self.file,
            rendezvous.Rendezvous(
                protocol=PROTOCOL,
                version=version,
                instance=self.instance,
                pid=os.getpid(),
                endpoints=(self.endpoint.address,),
                secret=self.secret.hex(),
                log=str(log_file(self.root)),
            ),
        )
        log.info("listening at %s", self.endpoint.address)

    def withdraw(self) -> None:
        """Remove the rendezvous file, if it is still this run's, and the socket."""
        rendezvous.remove(self.file, self.instance)
        self.endpoint.remove()
