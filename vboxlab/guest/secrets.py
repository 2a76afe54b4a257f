"""Secrets of a lab by name: from the environment, from a file, or generated and kept with the lab. Never printed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from vboxlab.credentials import known
from vboxlab.errors import SettingsInvalid
from vboxlab.files import create_durably, make_private_folder
from vboxlab.guest.resources import File, Password, Resource, SecretText
from vboxlab.language import _

VARIABLE_PREFIX = "VBOXLAB_SECRET_"


class SecretStore:
    """Secrets kept in a directory, one file each (mode 0600). A variable VBOXLAB_SECRET_NAME goes before the file."""

    def __init__(self, directory: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._directory = directory
        self._environ = environ

    def get(self, name: str) -> str:
        """Return a secret, making one up and keeping it when there is none.

        Raises SettingsInvalid when its file is empty or not readable.
        """
        variable = VARIABLE_PREFIX + name.upper().replace("-", "_")
        given = self._environ.get(variable)
        if given:
            return known(given)
        path = self._directory / name
        try:
            kept = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return known(self._generate(path))
        except (OSError, UnicodeDecodeError) as error:
            text = _("the secret {secret} cannot be read from {file}")
            raise SettingsInvalid(text.format(secret=name, file=path), details=[str(error)]) from error
        if not kept:
            raise SettingsInvalid(
                _("{file} holds no secret").format(file=path),
                resolution=_("remove the file, or set {variable}").format(variable=variable),
            )
        return known(kept)

    def for_resources(self, resources: Iterable[Resource]) -> dict[str, str]:
        """Return the secrets that these resources name."""
        return {name: self.get(name) for name in sorted(secret_names(resources))}

    @staticmethod
    def _generate(path: Path) -> str:
        value = secrets.token_urlsafe(18)
        make_private_folder(path.parent)
        if create_durably(path, value + "\n"):
            return value
        return path.read_text(encoding="utf-8").strip()  # another process was first


def secret_names(resources: Iterable[Resource]) -> set[str]:
    """Return the names of the secrets that resources need."""
    names = set()
    for resource in resources:
        if isinstance(resource, Password):
            names.add(resource.secret)
        elif isinstance(resource, File) and isinstance(resource.content, SecretText):
            names.add(resource.content.secret)
    return names
