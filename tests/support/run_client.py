"""A client process to be killed: `python run_client.py ROOT STAGE` prints its job's id at the stage and waits."""

from __future__ import annotations

import sys
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

from bsrgan_wire import limits, places, rendezvous
from bsrgan_wire.messages import Accepted, Chunk, Fetch, Put, State
from support.daemons import Peer, order, pixels


def main() -> int:
    """Go to the stage and stay there."""
    facts = rendezvous.read(places.rendezvous_file(Path(sys.argv[1])))
    peer = Peer(SimpleNamespace(address=facts.endpoints[0], facts=lambda: facts, peers=[]))
    peer.greet()
    stage = sys.argv[2]
    asked = order(1500, 1000, 4, params={"sleep_s": 60.0} if stage == "running" else {}, out_width=3000)
    data = pixels(asked)
    if stage == "uploading":
        peer.ask(asked, Accepted)
        piece = data[: limits.CHUNK_BYTES]
        peer.send(Put(asked.job, 0, len(piece), zlib.crc32(piece)), piece)
        peer.ping()
    else:
        peer.submit(data, asked)
        peer.expect(State, state="running")
    if stage == "downloading":
        total = peer.final(asked.job).total
        for index in range(limits.CREDIT):
            peer.send(Fetch(asked.job, index * limits.CHUNK_BYTES, min(limits.CHUNK_BYTES, total)))
        peer.expect(Chunk)
    sys.stdout.write(f"{asked.job} {peer.session}\n")
    sys.stdout.flush()
    time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
