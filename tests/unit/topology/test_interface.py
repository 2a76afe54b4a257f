"""What roles and checks of others may use: a change of it is seen, and is a new version of the interface."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator

from pydantic import BaseModel

from tests.golden_files import check_golden
from vboxlab.guest import facts, findings, place, resources, roles
from vboxlab.language import C_, N_, NC_, _, n_
from vboxlab.topology import check_interface, step, subject
from vboxlab.topology import problems as topology_problems
from vboxlab.topology import roles as topology_roles

USED: tuple[object, ...] = (
    topology_roles.Parameters, topology_roles.Route, topology_roles.Port, topology_roles.SharedAddress,
    topology_roles.Role, step.Step, step.CheckStep, check_interface.Ran, check_interface.Answer,
    check_interface.Guests, check_interface.Verdict, check_interface.passed, check_interface.failed,
    check_interface.cannot_tell, check_interface.OutsideCheck, topology_problems.Problem, subject.Subject,
    roles.GuestRole, roles.Copied, roles.Seen, place.Place, facts.Facts, facts.FileFact, findings.Finding,
    findings.in_file, resources.File, resources.AbsentFile, resources.SecretText, resources.Package, resources.Service,
    resources.Sysctl, resources.Hostname, resources.Interface, resources.Password, resources.Command, resources.Await,
    _, N_, C_, NC_, n_,
)  # fmt: skip


def described(used: object) -> Iterator[str]:
    """Yield what a name is: of a class its fields and methods with their signatures, those of vboxlab's bases too."""
    assert callable(used)
    name = f"{used.__module__}.{getattr(used, '__qualname__', used)}"
    if not isinstance(used, type):
        yield f"{name}{inspect.signature(used)}"
        return
    yield name
    fields: dict[str, str] = {}
    if issubclass(used, BaseModel):
        fields = {key: field_words(field) for key, field in used.model_fields.items()}
    elif dataclasses.is_dataclass(used):
        fields = {field.name: str(field.type) for field in dataclasses.fields(used)}
    else:
        fields = {
            key: getattr(kind, "__forward_arg__", str(kind)) for key, kind in inspect.get_annotations(used).items()
        }
    for key, words in fields.items():
        yield f"    {key}: {words}"
    own = [kind for kind in used.__mro__ if kind.__module__.startswith("vboxlab.")]
    for key in sorted({key for kind in own for key in vars(kind) if not key.startswith("_") and key != "model_config"}):
        value = inspect.getattr_static(used, key)
        if isinstance(value, property):
            yield f"    {key} -> {inspect.signature(value.fget).return_annotation}"  # type: ignore[arg-type]
        elif inspect.isfunction(value):
            yield f"    {key}{inspect.signature(value)}"
        elif key not in fields:
            yield f"    {key} = {value!r}" if isinstance(value, int | str) else f"    {key}"


def field_words(field: object) -> str:
    annotation = getattr(field, "annotation", None)
    required = getattr(field, "is_required", lambda: False)()
    alias = getattr(field, "alias", None)
    words = getattr(annotation, "__name__", None) if isinstance(annotation, type) else None
    return f"{words or annotation}{'' if required else ' (may be left out)'}{f' as {alias}' if alias else ''}"


def test_the_interface_is_what_its_version_says() -> None:
    """Whoever changes this file on purpose counts vboxlab.topology.roles.INTERFACE up, unless it only got more."""
    lines = [f"version {topology_roles.INTERFACE}", *(line for used in USED for line in described(used))]
    check_golden("interface.txt", lines)
