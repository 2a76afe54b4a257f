"""What the worker tells as sentences, in the language spoken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vboxlab.hypervisor.virtualbox.sentences.doing import DOING
from vboxlab.hypervisor.virtualbox.sentences.images import OF_IMAGES
from vboxlab.hypervisor.virtualbox.sentences.machines import OF_MACHINES
from vboxlab.hypervisor.virtualbox.sentences.service import OF_SERVICE
from vboxlab.hypervisor.virtualbox.worker.told import Told, Value
from vboxlab.language import _

# A theme has a code's sentence, or the function that says it, whose parameters are the values.
Sentence = str | Callable[..., str]
THEMES: tuple[Mapping[str, Sentence], ...] = (OF_MACHINES, OF_IMAGES, OF_SERVICE, DOING)
SENTENCES: dict[str, Sentence] = {code: sentence for theme in THEMES for code, sentence in theme.items()}


def say(told: Told) -> str:
    """Return what is told as a sentence; of a worker of another installation, it may be the code with its values."""
    values = {name: _shown(value) for name, value in told.values.items()}
    try:
        sentence = SENTENCES[told.code]
        return _(sentence).format(**values) if isinstance(sentence, str) else sentence(**values)
    except (KeyError, TypeError, ValueError):
        return f"{told.code} {values}"


def _shown(value: Value) -> str | float | None:
    if isinstance(value, Told):
        return say(value)
    return ", ".join(str(_shown(each)) for each in value) if isinstance(value, tuple) else value
