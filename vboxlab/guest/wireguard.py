"""Keys of WireGuard, in the form that wg(8) reads: 32 bytes of Curve25519 (RFC 7748) in base64. Pure."""

from __future__ import annotations

import base64
import secrets

LENGTH = 32  # bytes


def new_private_key() -> str:
    """Return a private key as `wg genkey` makes it: random bits but for those that RFC 7748, section 5, sets."""
    key = bytearray(secrets.token_bytes(LENGTH))
    key[0] &= 0b11111000
    key[-1] = key[-1] & 0b01111111 | 0b01000000
    return base64.b64encode(key).decode()


def public_key(private_key: str) -> str:
    """Return the public half of a private key, as `wg pubkey` does. Raises ValueError for a text that is no key."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private_key, validate=True))
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
