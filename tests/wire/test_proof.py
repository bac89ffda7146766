from __future__ import annotations

import pytest

from bsrgan_wire import proof

SECRET = bytes(range(32))
INSTANCE = "0123456789abcdef" * 2


def test_proofs_are_fixed_forever():
    """The proofs of protocol 1 for known inputs never change, so that all its versions understand each other."""
    assert proof.client_mac(SECRET, b"c" * 32, INSTANCE).hex() == (
        "5537dcef305ae541b07ed85c6987a8bdceedc3e2c1faee935dc5b8967a054933"
    )
    assert proof.daemon_mac(SECRET, b"c" * 32, b"d" * 32, INSTANCE).hex() == (
        "e75bf4ef910e9a638c3f36cc06799da78d2fb20a6b5c08b1986b00ed14edf55b"
    )


def test_every_input_matters():
    """Another secret, nonce, instance or role gives another proof."""
    macs = {
        proof.daemon_mac(SECRET, b"c" * 32, b"d" * 32, INSTANCE),
        proof.daemon_mac(SECRET[::-1], b"c" * 32, b"d" * 32, INSTANCE),
        proof.daemon_mac(SECRET, b"x" * 32, b"d" * 32, INSTANCE),
        proof.daemon_mac(SECRET, b"c" * 32, b"x" * 32, INSTANCE),
        proof.daemon_mac(SECRET, b"c" * 32, b"d" * 32, "f" * 32),
        proof.client_mac(SECRET, b"c" * 32, INSTANCE),
        proof.daemon_mac(SECRET, b"c" * 32, b"", INSTANCE),
    }
    assert len(macs) == 7


def test_moved_boundary_is_another_proof():
    """Bytes moved from one nonce to the other do not give the same proof."""
    assert proof.daemon_mac(SECRET, b"ab", b"c", INSTANCE) != proof.daemon_mac(SECRET, b"a", b"bc", INSTANCE)


def test_empty_proofs_and_secrets_never_match():
    """An absent proof is never equal, and without a secret there is none."""
    assert not proof.is_equal(b"", b"")
    mac = proof.client_mac(SECRET, b"c" * 32, INSTANCE)
    assert proof.is_equal(mac, bytes(mac))
    assert not proof.is_equal(mac[:-1], mac)
    with pytest.raises(ValueError, match="secret"):
        proof.client_mac(b"", b"c" * 32, INSTANCE)


def test_nonces_differ():
    """Two challenges are never the same."""
    assert len({proof.nonce() for _ in range(100)}) == 100
