"""What a verb returns prints well: whoever types at a prompt reads it, not its fields."""

import inspect
from collections.abc import Iterator
from typing import get_args, get_type_hints

import pytest

from monochat_billing import Billing, money
from monochat_billing.balance import Balance
from monochat_billing.books import BalanceState
from tests.desk import Desk

_NOUNS = [name for name in get_type_hints(Billing) if not name.startswith("_")]


def _values(annotation: object) -> Iterator[type]:
    if inspect.isclass(annotation) and annotation.__module__.startswith("monochat_billing."):
        yield annotation
    for part in get_args(annotation):
        yield from _values(part)


def _returned() -> dict[str, type]:
    """Give every value of the library that a public verb of the face returns, by its name."""
    faces = [Billing, *(get_type_hints(Billing)[noun] for noun in _NOUNS)]
    found = {
        value.__name__: value
        for face in faces
        for name, verb in inspect.getmembers(face, inspect.isfunction)
        if not name.startswith("_")
        for value in _values(get_type_hints(verb).get("return"))
    }
    del found["Billing"]  # another face, and no value
    return found


_RETURNED = _returned()


class TestPrinting:
    """Values that verbs return say what they are in a line or a table."""

    @pytest.mark.parametrize("name", sorted(_RETURNED))
    def test_every_value_has_words_of_its_own(self, name: str) -> None:
        """No value leaves printing to its fields."""
        own = [kind for kind in _RETURNED[name].__mro__[:-1] if "__str__" in vars(kind)]
        assert own, f"{name} needs __str__"

    def test_a_balance_says_what_is_unusual_only(self) -> None:
        """Debts and a state other than open are told, and nothing of them otherwise."""
        assert str(Balance("TRY", posted=87_500_000)) == "TRY: 87.5 posted, 0 held"
        units = Balance("monochat.message", scale=0, posted=10_000, held=20)
        assert str(units) == "monochat.message: 10000 posted, 20 held"
        below = Balance(
            "TRY", posted=-3_000_000, debts=((4, 3_000_000),), state=BalanceState.FROZEN
        )
        assert str(below) == "TRY: -3 posted, 0 held, 3 owed, FROZEN"

    def test_what_a_first_session_returns_is_read_in_a_line(self, desk: Desk) -> None:
        """An account, a checkout, a receipt and a capture say what they are, and name nobody."""
        billing = desk.billing
        assert str(billing.accounts.get("acme")) == "acme: TRY, USD in Europe/Istanbul"

        checkout = billing.top_ups.start(
            "acme", money("50", "TRY"), gateway="sandbox", return_url="https://x.example", key="t"
        )
        named = f"top-up {checkout.top_up}: 50 TRY by sandbox"
        assert str(checkout) == f"{named} at {checkout.redirect_url}"
        assert str(desk.pay(checkout.top_up, money("50", "TRY"))) == f"{named}, CREDITED"
        again = desk.pay(checkout.top_up, money("50", "TRY"))
        assert str(again) == f"{named}, CREDITED, handled before"

        held = billing.holds.place("acme", money("20", "TRY"), reason="report", key="h")
        captured = billing.holds.capture("acme", held.id, amount=money("5", "TRY"), key="c")
        assert str(captured).splitlines() == [str(captured.hold), str(captured.entry)]
