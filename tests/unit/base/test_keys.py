from __future__ import annotations

import stat
from pathlib import Path

import paramiko
import pytest

from vboxlab.base.keys import ensure_key
from vboxlab.errors import BaseError


def test_a_pair_is_made_once_private_and_loadable(tmp_path: Path) -> None:
    private, public = ensure_key(tmp_path)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    key = paramiko.Ed25519Key.from_private_key_file(str(private))
    assert public == f"ssh-ed25519 {key.get_base64()} vboxlab"
    assert ensure_key(tmp_path) == (private, public)


def test_a_lost_public_half_is_made_again(tmp_path: Path) -> None:
    private, public = ensure_key(tmp_path)
    private.with_suffix(".pub").unlink()
    assert ensure_key(tmp_path) == (private, public)


def test_a_broken_private_half_is_named(tmp_path: Path) -> None:
    private, _public = ensure_key(tmp_path)
    private.with_suffix(".pub").unlink()
    private.write_text("nothing")
    with pytest.raises(BaseError, match="cannot be used as the key of the guests"):
        ensure_key(tmp_path)
