"""Two labs that are made at the same moment must not both get the plain names: who begins first has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from vboxlab.files import PRIVATE_FILE, make_private_folder
from vboxlab.lab.context import Context
from vboxlab.topology.addressing import LabName

P = ParamSpec("P")
B = TypeVar("B")
R = TypeVar("R")
FOLDER = "names"


@contextmanager
def claiming(context: Context, lab: LabName) -> Iterator[Context]:
    """Keep other labs from taking the plain names while this one may be about to; yield the context to plan with.

    A lab that has machines has its names already. The claim is a lock of this host, of one hypervisor and copy's name:
    it ends with the process that holds it, and by then the machines that were made say which names the lab has.
    """
    if context.plain_free is not None or context.machines().of(lab):
        yield context
        return
    from filelock import FileLock, Timeout

    folder = context.settings.home / FOLDER
    make_private_folder(folder)
    lock = FileLock(folder / "-".join(filter(None, (context.driver.name, lab.copy))), mode=PRIVATE_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield replace(context, plain_free=False)
        return
    try:
        yield replace(context, plain_free=True)
    finally:
        lock.release()


def with_names_claimed(
    operation: Callable[Concatenate[Context, B, LabName, P], R],
) -> Callable[Concatenate[Context, B, LabName, P], R]:
    """Let an operation that may make a lab's first machines run while the lab's names are claimed."""

    @wraps(operation)
    def claimed(context: Context, blueprint: B, lab: LabName, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with claiming(context, lab) as own:
            return operation(own, blueprint, lab, *args, **kwargs)

    return claimed
