"""What is said of a web server, in English and French."""

from __future__ import annotations

from vboxlab.guest.wording import Texts

FOUND: Texts = {
    "page-missing": ("the page is missing", "la page manque"),
    "page-default": ("it is still Debian's own page", "c'est encore la page de Debian"),
    "page-of-other": ("it is the page of {other}", "c'est la page de {other}"),
    "page-differs": ("it says {found}", "elle dit {found}"),
}

EXPECTED: Texts = {
    "page-missing": ("{expected}", "{expected}"),
    "page-default": ("{expected}", "{expected}"),
    "page-of-other": ("{expected}", "{expected}"),
    "page-differs": ("{expected}", "{expected}"),
}
