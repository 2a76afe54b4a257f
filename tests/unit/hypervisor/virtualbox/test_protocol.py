"""Messages between vboxlab and VirtualBox's worker: what goes into the pipe comes out of it, and nothing else does."""

from __future__ import annotations

import json
import types
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vboxlab.hypervisor.virtualbox.worker.arguments import result_of
from vboxlab.hypervisor.virtualbox.worker.calls import CALLS
from vboxlab.hypervisor.virtualbox.worker.main import HANDLERS
from vboxlab.hypervisor.virtualbox.worker.protocol import (
    MESSAGES,
    Beat,
    Message,
    NotUnderstood,
    Progressed,
    Reply,
    Request,
    decode,
    encode,
)
from vboxlab.hypervisor.virtualbox.worker.told import Told


def told_with(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Told]:
    return st.builds(Told, st.text(), st.dictionaries(st.text(), values, max_size=3))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | NUMBERS | st.text()
FOREIGN: Any = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)
VALUES: Any = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple) | told_with(inner), max_leaves=5
)
TOLD: Any = st.deferred(lambda: told_with(VALUES))
KINDS: dict[Any, Any] = {
    str: st.text(), int: st.integers(), bool: st.booleans(), float: NUMBERS, type(None): st.none(), Told: TOLD,
    Any: FOREIGN,
}  # fmt: skip


def of_dataclass(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{each.name: strategy(hints[each.name]) for each in fields(kind)})


def strategy(kind: Any) -> st.SearchStrategy[Any]:
    """Return what makes values of one of the protocol's types."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in KINDS:
        found: st.SearchStrategy[Any] = KINDS[kind]
    elif is_dataclass(kind):
        found = of_dataclass(kind)
    elif origin in (Union, types.UnionType):
        found = st.one_of(*map(strategy, inner))
    elif origin is Literal:
        found = st.sampled_from(inner)
    elif origin is dict:
        found = st.dictionaries(st.text(), strategy(inner[1]), max_size=3)
    elif inner[1:] == (...,):
        found = st.lists(strategy(inner[0]), max_size=3).map(tuple)
    else:
        found = st.tuples(*map(strategy, inner))
    return found


def messages() -> st.SearchStrategy[Message]:
    plain = [strategy(kind) for kind in MESSAGES.values() if kind not in (Request, Reply)]
    requests = [
        st.builds(Request, st.integers(), st.just(name), strategy(kind), strategy(dict[str, Any]))
        for name, kind in CALLS.items()
    ]
    replies = [
        st.builds(Reply, st.integers(), st.just(name), strategy(result_of(kind))) for name, kind in CALLS.items()
    ]
    return st.one_of(*plain, *requests, *replies)


@given(messages())
def test_messages_come_out_of_the_pipe_as_they_went_in(message: Message) -> None:
    line = encode(message)
    assert decode(line) == message
    assert line.isascii()
    assert line.count(b"\n") == 1


@given(messages(), st.text(min_size=1), FOREIGN)
def test_a_field_too_many_is_told(message: Message, name: str, value: Any) -> None:
    found = json.loads(encode(message))
    if name in found:
        return
    with pytest.raises(NotUnderstood) as caught:
        decode(json.dumps({**found, name: value}).encode())
    assert caught.value.told == Told("unknown-field", {"field": name})


@given(messages(), st.data())
def test_whatever_is_changed_in_a_message_is_read_or_told(message: Message, data: st.DataObject) -> None:
    found = json.loads(encode(message))
    name = data.draw(st.sampled_from(sorted(found)))
    found[name] = data.draw(FOREIGN)
    with suppress(NotUnderstood):
        decode(json.dumps(found).encode())


# Nested deeper than Python's own reader goes, and than ours does.
DEEP = b"[" * 100_000
DEEPER = encode(Progressed(1, Told("x", {"x": 0}), 5)).replace(
    b" 0}", b' {"code": "x", "values": {"x": ' * 400 + b"0" + b"}}" * 400 + b"}"
)


@pytest.mark.parametrize("line", [b"init exception: oops\n", b"[]\n", b"\n", b"7\n", b"\xff\n", DEEP, DEEPER])
def test_what_is_no_message_is_told_apart(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(line)


@pytest.mark.parametrize("line", [b"{}", b'{"id": 0, "result": {"version": "7.2.4"}}', b'{"protocol": "1"}'])
def test_a_worker_from_before_the_protocol_had_a_version_is_told_as_such(line: bytes) -> None:
    with pytest.raises(NotUnderstood) as caught:
        decode(line)
    assert caught.value.told.code == "other-protocol"


def test_a_number_is_no_truth_and_a_truth_no_number() -> None:
    line = encode(Beat(2.0, {"6": 4.0}))
    for wrong in (b"true", b'"2.0"', b"null"):
        with pytest.raises(NotUnderstood) as caught:
            decode(line.replace(b"2.0", wrong))
        assert caught.value.told == Told("wrong-type", {"field": "service"})


def test_every_call_is_answered() -> None:
    assert set(HANDLERS) == set(CALLS)
