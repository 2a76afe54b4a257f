"""What is said of a name server, in English and French."""

from __future__ import annotations

from vboxlab.guest.wording import Texts

STEPS: Texts = {
    "answered": ("the name has its address:", "le nom a son adresse :"),
}
