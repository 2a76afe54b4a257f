"""Dataclasses that are made late are dataclasses like any other."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from typing import Generic, TypeVar

import pytest

from vboxlab.lazily import dataclass

T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Place:
    """A base of another."""

    name: str
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Seat(Place):
    """One with more fields, one of them made by a factory."""

    row: int = 1
    notes: dict[str, str] = field(default_factory=dict)


class Plain(Place):
    """No dataclass itself."""


@dataclass
class Box(Generic[T]):
    """One that can change."""

    value: T


def test_it_is_equal_ordered_frozen_and_shown() -> None:
    assert Place("a") == Place("a") != Place("b")
    assert Place("a") < Place("b")
    assert hash(Place("a")) == hash(Place("a"))
    assert repr(Place("a", (1,))) == "Place(name='a', numbers=(1,))"
    with pytest.raises(FrozenInstanceError):
        Place("a").name = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Place()  # type: ignore[call-arg]


def test_what_derives_from_it_has_its_fields() -> None:
    seat = Seat("a", row=2)
    assert (seat.numbers, seat.row, seat.notes) == ((), 2, {})
    assert seat.notes is not Seat("b").notes
    assert replace(seat, row=3) == Seat("a", row=3)
    assert Plain("a").name == "a"
    box = Box(1)
    box.value = 2
    assert asdict(box) == {"value": 2}


def test_a_class_says_what_it_is_before_there_is_an_object() -> None:
    @dataclass(frozen=True)
    class First:
        number: int

    @dataclass(frozen=True)
    class Second(First):
        text: str = ""

    assert is_dataclass(Second)
    assert [each.name for each in fields(Second)] == ["number", "text"]
    assert is_dataclass(First)


def test_nothing_is_made_before_it_is_wanted() -> None:
    @dataclass(frozen=True)
    class Late:
        number: int

    assert "__init__" not in vars(Late)
    assert Late(1).number == 1
    assert "__init__" in vars(Late)


def test_threads_that_meet_at_the_first_object_all_get_one() -> None:
    for _ in range(50):

        @dataclass(frozen=True)
        class Met:
            number: int

        together = threading.Barrier(4)
        made: list[Met] = []

        def make(barrier: threading.Barrier = together, kind: type[Met] = Met, into: list[Met] = made) -> None:
            barrier.wait()
            into.append(kind(1))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert made == [Met(1)] * 4


def test_a_field_may_have_any_name() -> None:
    @dataclass(frozen=True)
    class Failed:
        kind: str
        cls: str = ""

    assert Failed(kind="dead", cls="x").kind == "dead"


def test_it_can_be_matched() -> None:
    match Seat("a"):
        case Place(name, numbers):
            assert (name, numbers) == ("a", ())
        case _:
            pytest.fail("not matched")
    assert dataclasses.fields(Seat)[0].name == "name"
