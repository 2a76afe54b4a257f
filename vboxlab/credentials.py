"""Users and passwords within URLs, and other secrets that must be in no message, log, report or command line."""

from __future__ import annotations

import base64
import re
from dataclasses import field
from urllib.parse import unquote, urlsplit

from vboxlab.lazily import dataclass

HIDDEN = "…"
# RFC 3986, 3.2.1: what stands before the last @ of the authority; people also leave an @ in a password as it is.
_USER_INFORMATION = re.compile(r"(?<=://)[^\s/]*@")
_known: set[str] = set()


def redacted(text: str) -> str:
    """Return the text without the users and passwords of the URLs in it."""
    return _USER_INFORMATION.sub(HIDDEN + "@", text)


def known(secret: str) -> str:
    """Remember a secret that this process has come to know, for `without_secrets`, and return it."""
    if secret.strip():
        _known.add(secret.strip())
    return secret


def without_secrets(text: str) -> str:
    """Return a text that may hold anything, such as a traceback, without URLs' passwords and all known secrets."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return redacted(text)


@dataclass(frozen=True)
class Address:
    """A URL, with the user and password that stood in it kept apart (decoded)."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str) -> Address:
        """Read a URL."""
        parts = urlsplit(text)
        information, at, host = parts.netloc.rpartition("@")
        user, _, password = information.partition(":")
        return cls(parts._replace(netloc=host).geturl() if at else text, unquote(user), unquote(password))

    @property
    def netrc(self) -> str:
        """Return its login as a line for apt (apt_auth.conf(5)), "" where there is none."""
        return f"machine {self.url} login {self.user} password {self.password}\n" if self.user else ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the HTTP header that logs in, if one is needed (RFC 7617)."""
        if not self.user:
            return {}
        return {"Authorization": "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()}
