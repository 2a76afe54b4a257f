"""Pages that a guest looks at itself, to see that a server answers."""

from __future__ import annotations

from ipaddress import IPv4Address

from vboxlab.guest.resources import Await
from vboxlab.guest.roles import Seen
from vboxlab.guest.wording import code
from vboxlab.language import _

# bash opens TCP connections itself (bash(1), "REDIRECTION"), so nothing needs to be installed to look at a page.
_FETCH = (
    'exec 3<>"/dev/tcp/$1/$2" || exit 1; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; '
    'found=$(cat <&3); [[ $found == *" 200 "* && $found == *"$3"* ]]'
)


def page_served(
    address: IPv4Address, *, unit: str, port: int = 80, containing: str = "", within: float = 30.0
) -> Await:
    """Return the wish that a web server, or what a unit starts it with, answers with a page that contains the text."""
    argv = ("timeout", "5", "bash", "-c", _FETCH, "page", str(address), str(port), containing)
    return Await("page", argv, within, unit=unit)


def page_seen(wish: Await) -> Seen | None:
    """Return how somebody sees such a page; None for another wish."""
    if _FETCH not in wish.until:
        return None
    address, port, containing = wish.until[-3:]
    url = f"http://{address}{'' if port == '80' else f':{port}'}/"
    text = (
        _("a browser, or this command, shows {page}:") if containing else _("a browser, or this command, shows a page:")
    )
    return Seen(text.format(page=code(containing)), f"wget -qO- {url}")
