"""The key pair of this vboxlab home: made on first need, its public half is inside every base built here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vboxlab.errors import BaseError
from vboxlab.files import PRIVATE_FILE, clear_drafts, make_private_folder, write_durably
from vboxlab.language import _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def key_file(home: Path) -> Path:
    """Return where the private key is kept, whether or not it exists."""
    return home / "keys" / "id_ed25519"


def ensure_key(home: Path) -> tuple[Path, str]:
    """Return the private key's file and the public key's line, making the pair when there is none.

    Raises BaseError when the public half is gone and the private one cannot be read.
    """
    from filelock import FileLock

    private = key_file(home)
    public = private.with_suffix(".pub")
    make_private_folder(private.parent)
    with FileLock(private.parent / "keys.lock", mode=PRIVATE_FILE):
        clear_drafts(private.parent)
        if not private.exists():
            _make(private, public)
        elif not _is_public_line(public):
            write_durably(public, _public_line(_load(private)))
    return private, public.read_text(encoding="ascii").strip()


def _is_public_line(public: Path) -> bool:
    """Tell whether a file holds a public key: a missing or damaged one is made anew from the private half."""
    try:
        words = public.read_text(encoding="ascii").split()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    return words[:1] == ["ssh-ed25519"] and len(words) in (2, 3)


def _make(private: Path, public: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    write_durably(public, _public_line(key))
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")
    write_durably(private, text)


def _load(private: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(private.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise _unreadable(private, str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unreadable(private, _("it is not an Ed25519 key"))
    return key


def _unreadable(private: Path, reason: str) -> BaseError:
    return BaseError(
        _("{path} cannot be used as the key of the guests").format(path=private),
        details=[reason],
        resolution=_("remove the file and run `vboxlab base build`: a new key makes a new base"),
    )


def _public_line(key: Ed25519PrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii") + " vboxlab\n"
