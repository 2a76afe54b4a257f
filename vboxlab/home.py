"""The home: the folder of what vboxlab keeps, which is its user's own."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from vboxlab.errors import SettingsInvalid
from vboxlab.files import make_private_folder
from vboxlab.language import N_, _

_ANOTHER_HOME = N_("set VBOXLAB_HOME to a folder of its own")


def claim_home(home: Path) -> None:
    """Close the home again when others may enter it; whoever makes it closes it from the first moment.

    On Windows a user's folders are his own anyway. Raises SettingsInvalid for a home that belongs to another user, or
    that is open and holds much more than vboxlab's things.
    """
    try:
        found = home.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsInvalid(
            _("{home} cannot be used").format(home=home), details=[str(error)], resolution=_(_ANOTHER_HOME)
        ) from error
    if sys.platform == "win32":
        return
    if found.st_uid != os.geteuid():
        raise SettingsInvalid(
            _("{home} belongs to another user (uid {uid})").format(home=home, uid=found.st_uid),
            details=[_("vboxlab keeps keys and secrets there that are each user's own")],
            resolution=_("run vboxlab as that user, or: {other}").format(other=_(_ANOTHER_HOME)),
        )
    if not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return
    if found.st_mode & stat.S_ISVTX or Path.home().is_relative_to(home.resolve()):
        raise SettingsInvalid(
            _("{home} is open to other users, and too much else is in it for vboxlab to close it").format(home=home),
            resolution=_(_ANOTHER_HOME),
        )
    make_private_folder(home)
