"""Do exactly what was shown, or nothing: for what has no quote of its own.

Owns the comparison of an amount that a form has shown with the one that its command comes to.
Does not own the command. A change of plan needs none of this: there ``ChangeQuote`` does it.
"""

from collections.abc import Callable
from typing import TypeVar

from examples.billing_page.visit import Posted
from monochat_billing import Billing, Money
from monochat_billing.money import amount_text
from monochat_billing.repositories import UnitOfWork

__all__ = ["Moved", "do_exactly", "shown_text"]

T = TypeVar("T")


class Moved(Exception):
    """Say that a command would have come to another amount; it was undone."""


def shown_text(amount: Money) -> str:
    """Write an amount for the hidden field of a form."""
    return f"{amount_text(amount)} {amount.currency.code}"


def do_exactly(visit: Posted, command: Callable[[Billing], T], amount: Callable[[T], Money]) -> T:
    """Run a command in a transaction that is kept only if it comes to what the form has shown.

    Sent again, the command gives its first result, which is the amount of the first time.

    Raises:
        Moved: it came to something else; nothing has changed.
    """

    def work(unit: UnitOfWork) -> T:
        result = command(visit.billing.using(unit))
        if shown_text(amount(result)) != visit.field("shown"):
            raise Moved
        return result

    return visit.billing.context.storage.write(work)
