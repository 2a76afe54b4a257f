"""Secrets of a lab by name: from the environment, from a file, or generated and kept with the lab. Never printed.

Passwords are files of their names. Keys and certificates have an `@` in their files' names, which no secret's has.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import string
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from vboxlab.credentials import known
from vboxlab.errors import SettingsInvalid
from vboxlab.files import create_durably, make_private_folder, write_durably
from vboxlab.guest.certificates import Certified, certified, new_authority
from vboxlab.guest.resources import File, Hole, Password, Resource, SecretText
from vboxlab.guest.wireguard import new_private_key, public_key
from vboxlab.language import _

VARIABLE_PREFIX = "VBOXLAB_SECRET_"
LETTERS = string.ascii_letters + string.digits  # no program and no shell sees anything special in them
AUTHORITY, KEY_PAIR, CERTIFICATE = "@ca", "@wireguard", "@certificate"
_LONG = 16  # characters that a line of a key has before it is looked for in texts
_making = threading.RLock()  # machines are configured at once, and must get the same


class SecretStore:
    """Secrets kept in a directory, one file each (mode 0600). A variable VBOXLAB_SECRET_NAME goes before a password's.

    All methods raise SettingsInvalid when a file is empty, not readable or holds something else.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._directory = directory
        self._environ = environ

    def get(self, name: str, length: int = 0) -> str:
        """Return a password, making one up and keeping it when there is none.

        `length` is for one that is made up: so many letters and digits; 0: as vboxlab likes it.
        """
        given = self._environ.get(_variable(name))
        if given:
            return known(given)

        def made() -> str:
            if not length:
                return secrets.token_urlsafe(18)
            return "".join(secrets.choice(LETTERS) for _number in range(length))

        return known(self._kept(self._directory / name, made, _variable(name)))

    def value(self, hole: Hole) -> str:
        """Return what fills a hole, making up what it needs when there is none."""
        with _making:
            match hole.part:
                case "private-key":
                    return self._key_pair(hole.secret)[0]
                case "public-key":
                    return self._key_pair(hole.secret)[1]
                case "certificate":
                    return self._certified(hole).certificate
                case "certificate-key":
                    return self._certified(hole).key
                case "ca":
                    return self._authority().certificate
                case _:
                    return self.get(hole.secret, hole.length)

    def lacks(self, hole: Hole) -> bool:
        """Tell whether what fills a hole has yet to be made."""
        if hole.part == "secret":
            return not self._environ.get(_variable(hole.secret)) and not (self._directory / hole.secret).exists()
        needed = {
            "ca": (AUTHORITY,),
            "private-key": (hole.secret + KEY_PAIR,),
            "public-key": (hole.secret + KEY_PAIR,),
        }.get(hole.part, (AUTHORITY, hole.secret + CERTIFICATE))
        return not all((self._directory / name).exists() for name in needed)

    def kept(self, names: Iterable[str]) -> list[str]:
        """Return the passwords of these names that there are; none is made up."""
        return [self.get(name) for name in names if not self.lacks(Hole("", name))]

    def for_resources(self, resources: Iterable[Resource]) -> dict[str, str]:
        """Return what the holes of these resources need, by their keys."""
        return {key: self.value(hole) for key, hole in sorted(holes_of(resources).items())}

    def _kept(self, path: Path, make: Callable[[], str], variable: str = "") -> str:
        """Return what a file holds, made where there is no file."""
        try:
            kept = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            make_private_folder(path.parent)
            value = make()
            if create_durably(path, value + "\n"):
                return value
            kept = path.read_text(encoding="utf-8").strip()  # another process was first
        except (OSError, UnicodeDecodeError) as error:
            text = _("the secret {secret} cannot be read from {file}")
            raise SettingsInvalid(text.format(secret=path.name, file=path), details=[str(error)]) from error
        if not kept:
            raise SettingsInvalid(
                _("{file} holds no secret").format(file=path),
                resolution=_("remove the file, or set {variable}").format(variable=variable)
                if variable
                else _("remove the file: another secret is made then"),
            )
        return kept

    def _key_pair(self, name: str) -> tuple[str, str]:
        """Return the private and the public key of a pair of WireGuard."""
        path = self._directory / (name + KEY_PAIR)
        private = known(self._kept(path, new_private_key))
        try:
            return private, public_key(private)
        except ValueError as error:  # whose text may show some of it
            raise _unfit(path, type(error).__name__) from None

    def _authority(self) -> Certified:
        path = self._directory / AUTHORITY
        lab = self._directory.parent.name  # of LabDirectory
        return _read(self._kept(path, lambda: json.dumps(_record(new_authority(lab)))), path)[0]

    def _certified(self, hole: Hole) -> Certified:
        """Return a certificate as the topology wants it now; the key stays the same."""
        path = self._directory / (hole.secret + CERTIFICATE)
        authority = self._authority()
        signed = {
            "names": list(hole.names),
            "addresses": list(hole.addresses),
            "authority": hashlib.sha256(authority.certificate.encode()).hexdigest(),
        }

        def made(key: str | None) -> str:
            try:
                return json.dumps(_record(certified(authority, hole.names, hole.addresses, key)) | signed)
            except (ValueError, TypeError) as error:
                raise _unfit(self._directory / AUTHORITY if key is None else path, type(error).__name__) from None

        found, record = _read(self._kept(path, lambda: made(None)), path)
        if any(record.get(key) != value for key, value in signed.items()):
            text = made(found.key)
            write_durably(path, text + "\n")
            found, _signed = _read(text, path)
        return found


def holes_of(resources: Iterable[Resource]) -> dict[str, Hole]:
    """Return the holes that secrets fill in resources, by the keys of what fills them."""
    found: dict[str, Hole] = {}
    for resource in resources:
        match resource:
            case Password(secret=name, length=length):
                found[name] = Hole("", name, length=length)
            case File(content=SecretText() as text):
                found.update({hole.key: hole for hole in text.all_holes})
            case _:
                pass
    return found


def secret_names(resources: Iterable[Resource]) -> set[str]:
    """Return the names of the secrets that resources need."""
    return {hole.secret for hole in holes_of(resources).values()}


def _variable(name: str) -> str:
    return VARIABLE_PREFIX + name.upper().replace("-", "_")


def _record(made: Certified) -> dict[str, object]:
    return {"key": made.key, "certificate": made.certificate}


def _read(text: str, path: Path) -> tuple[Certified, dict[str, object]]:
    """Return a key with its certificate, and all that its file says."""
    try:
        record = json.loads(text)
        found = Certified(record["key"], record["certificate"])
        for line in found.key.splitlines():
            if len(line) >= _LONG and not line.startswith("-----"):
                known(line)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unfit(path, type(error).__name__) from None
    return found, record


def _unfit(path: Path, why: str) -> SettingsInvalid:
    return SettingsInvalid(
        _("{file} holds no key that vboxlab has made").format(file=path),
        details=[why],
        resolution=_("remove the file: another key is made with the next `vboxlab up`"),
    )
