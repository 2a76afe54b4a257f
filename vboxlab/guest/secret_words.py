"""Whether a file of a guest holds a secret that others know, without any secret leaving the guest or coming into it.

The guest says of each word of the file the digest that it has with a key of this one question.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from vboxlab.guest.executor import Executor
from vboxlab.guest.script import quoted

MOST = 64  # words of a file that are looked at
TIMEOUT = 60.0
_SCRIPT = """\
head -c 65536 -- {path} | tr -s ' \\t\\r' '\\n\\n\\n' | grep -v '^$' | head -n {most} | while IFS= read -r word; do
    printf '%s%s' {key} "$word" | sha256sum
done
"""


def keyed(key: str, word: str) -> str:
    """Return what the guest says of a word."""
    return hashlib.sha256(f"{key}{word}".encode()).hexdigest()


def digests_of(executor: Executor, path: str, key: str) -> set[str]:
    """Return the keyed digests of the words of a file, none where it cannot be read. Raises what the executor does."""
    done = executor.run(script(path, key), root=True, timeout=TIMEOUT)
    return set(_digests(done.stdout.splitlines()))


def script(path: str, key: str) -> str:
    """Return the script that says the digests of the words of a file."""
    return _SCRIPT.format(path=quoted(path), most=MOST, key=quoted(key))


def _digests(lines: Iterable[str]) -> Iterable[str]:
    return (line.split()[0] for line in lines if line.strip())
