"""Makers: what is built quickly is the same value, as closed as any other."""

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from monochat_billing.balance import EntryKind, Memo
from monochat_billing.entries import Entry, make_entry, make_memo
from monochat_billing.errors import InvalidInput
from monochat_billing.idempotency import KeyRecord, make_record
from monochat_billing.lots import Lot, LotOrigin, make_lot
from monochat_billing.makers import maker_of

NOW = datetime(2026, 10, 5, tzinfo=UTC)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise InvalidInput("size", value, "is not whole", "pass an int")
    return value


def _filled(_: object, field: "attrs.Attribute[str]", value: str) -> None:
    if not value:
        raise InvalidInput(field.name, value, "is empty", "name it")


@attrs.frozen
class Checked:
    """Have everything that an ``__init__`` of attrs can do."""

    size: int = attrs.field(converter=_whole)
    name: str = attrs.field(validator=_filled)
    notes: dict[str, str] = attrs.field(factory=dict, kw_only=True)
    _hidden: int = 0

    def __attrs_post_init__(self) -> None:
        if self._hidden > self.size:
            raise InvalidInput("hidden", self._hidden, "is too large", "hide less")


@attrs.frozen(kw_only=True)
class Named:
    """Take its fields by name alone, which is another way into an ``__init__``."""

    one: int
    two: tuple[int, ...] = ()


make_checked = maker_of(Checked)

CASES: list[tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (Checked, make_checked, (3, "x"), {}),
    (Checked, make_checked, (3, "x"), {"notes": {"a": "b"}, "hidden": 2}),
    (Named, maker_of(Named), (), {"one": 1, "two": (2,)}),
    (Lot, make_lot, (1, "TRY", LotOrigin.PAID, 5, 4, NOW), {"pinned": 2}),
    (Memo, make_memo, (EntryKind.CHARGE, NOW, NOW, "export"), {}),
    (KeyRecord, make_record, ("acme", "k", {"verb": "x"}, None, NOW), {}),
    (
        Entry,
        make_entry,
        ("acme", 1, "TRY", 6, -5, 7, EntryKind.CHARGE, "x", "", "", NOW, NOW, ((1, -5),)),
        {},
    ),
]


@pytest.mark.parametrize(("kind", "make", "args", "named"), CASES)
class TestMade:
    """A value that a maker gives."""

    def test_is_the_value_that_the_class_gives(
        self, kind: type, make: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        made: Any = make(*args, **named)
        known = kind(*args, **named)
        assert type(made) is kind
        assert (made, repr(made), str(made)) == (known, repr(known), str(known))
        for other in (copy.copy(made), copy.deepcopy(made)):
            assert (type(other), other) == (kind, known)

    def test_is_closed(
        self, kind: type, make: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        """Nothing can be changed, taken away or added, also by turning it back into a draft."""
        made = make(*args, **named)
        names = [field.name for field in attrs.fields(kind)]
        for name in (*names, "new", "__class__"):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(made, name, type(made))
        for name in names:
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                delattr(made, name)
        assert made == kind(*args, **named)


class TestChecks:
    """A maker refuses what the class refuses, in the same words."""

    @pytest.mark.parametrize(
        ("args", "named"),
        [(("3", "x"), {}), ((3, ""), {}), ((3, "x", 9), {}), ((3,), {}), ((3, "x"), {"no": 1})],
    )
    def test_what_the_class_refuses(self, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        with pytest.raises((InvalidInput, TypeError)) as known:
            Checked(*args, **named)
        with pytest.raises(known.type) as made:
            make_checked(*args, **named)
        assert str(made.value) == str(known.value)

    def test_each_value_has_defaults_of_its_own(self) -> None:
        assert make_checked(1, "x").notes is not make_checked(1, "x").notes

    def test_pickles(self) -> None:
        made = make_lot(1, "TRY", LotOrigin.PAID, 5, 4, NOW)
        assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own

    def test_hashes_like_its_class(self) -> None:
        args = (1, "TRY", LotOrigin.PAID, 5, 4, NOW)
        assert len({make_lot(*args), Lot(*args)}) == 1

    def test_needs_slots(self) -> None:
        """A value that keeps its fields in a dict is not filled any quicker."""

        @attrs.frozen(slots=False)
        class Loose:
            one: int

        with pytest.raises(TypeError, match="Loose has no slots"):
            maker_of(Loose)
