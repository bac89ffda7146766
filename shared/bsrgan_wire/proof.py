"""How both sides of a tcp connection prove that they read the same rendezvous file, before any pixel travels.

Every local process can connect to a tcp port, and after a crash of the daemon another user's process may hold its
port. Only who can read the 0600 file knows the secret: the daemon checks the client's proof in HELLO, the client
the daemon's in WELCOME. The daemon's proof covers both nonces, so an old answer cannot be played again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

NONCE_BYTES = 32
SECRET_BYTES = 32


def nonce() -> bytes:
    """A fresh challenge of 32 random bytes."""
    return secrets.token_bytes(NONCE_BYTES)


def client_mac(secret: bytes, client_nonce: bytes, instance: str) -> bytes:
    """The client's proof, 32 bytes, for `Hello.mac`.

    Args:
        secret: the rendezvous file's secret, as bytes.
        client_nonce: `Hello.nonce`.
        instance: the rendezvous file's instance.
    """
    return _mac(secret, b"client", client_nonce, b"", instance)


def daemon_mac(secret: bytes, client_nonce: bytes, daemon_nonce: bytes, instance: str) -> bytes:
    """The daemon's proof, 32 bytes, for `Welcome.mac`.

    Args:
        secret: the rendezvous file's secret, as bytes.
        client_nonce: `Hello.nonce` as received.
        daemon_nonce: `Welcome.nonce`.
        instance: the daemon's own instance.
    """
    return _mac(secret, b"daemon", client_nonce, daemon_nonce, instance)


def is_equal(received: bytes, expected: bytes) -> bool:
    """Compare two proofs in constant time; an empty one never matches."""
    return bool(received) and hmac.compare_digest(received, expected)


def _mac(secret: bytes, role: bytes, client_nonce: bytes, daemon_nonce: bytes, instance: str) -> bytes:
    if not secret:
        raise ValueError("a proof needs a secret")
    # Each part has its length before it: nonces have several lengths, and moved boundaries must not collide.
    parts = (role, client_nonce, daemon_nonce, instance.encode("ascii"))
    message = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return hmac.new(secret, message, hashlib.sha256).digest()
