"""What is said of a web server."""

from __future__ import annotations

from vboxlab.guest.wording import Texts
from vboxlab.language import N_

FOUND: Texts = {
    "page-missing": N_("the page is missing"),
    "page-default": N_("it is still Debian's own page"),
    "page-of-other": N_("it is the page of {other}"),
    "page-differs": N_("it says {found}"),
}

EXPECTED: Texts = {
    "page-missing": "{expected}",
    "page-default": "{expected}",
    "page-of-other": "{expected}",
    "page-differs": "{expected}",
}
