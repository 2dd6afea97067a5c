"""Previews of top-ups: what a payment would bring, and what it would pay before anything else.

*Owns* the preview as a value, computed by the code that credits a payment.
*Does not own* top-ups or their rules (:mod:`monochat_billing.top_up_policies`), or what money pays
first (:mod:`monochat_billing.due_work`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import final

import attrs

from monochat_billing.account_state import AccountState
from monochat_billing.balance import EntryKind, Memo
from monochat_billing.due_work import DuePayment, first_dues, revive
from monochat_billing.money import Money, amount_text, minor_digits, money, subtract, to_units
from monochat_billing.payments import credit_worth
from monochat_billing.top_up_policies import TopUpPolicy

__all__ = ["TopUpPreview", "preview_top_up"]


@final
@attrs.frozen(kw_only=True)
class TopUpPreview:
    """Show what a top-up would do if it were paid now.

    ``bonus`` comes on top of ``amount``. ``pays`` is what the money goes to at once, in order:
    first what is owed already, then what is past due or suspended; ``waits`` is what it is not
    enough for. ``available`` is what the account can then spend on anything.
    """

    amount: Money
    bonus: Money
    pays: tuple[DuePayment, ...]
    waits: tuple[DuePayment, ...]
    available: Money

    def __str__(self) -> str:
        code = self.amount.currency.code
        more = f" and {amount_text(self.bonus)} as a bonus" if self.bonus.amount else ""
        lines = [f"{amount_text(self.amount)} {code}{more}"]
        lines += [f"  pays {one}" for one in self.pays]
        lines += [f"  is not enough for {one}" for one in self.waits]
        lines.append(f"  leaves {amount_text(self.available)} {code} to spend")
        return "\n".join(lines)


def preview_top_up(
    state: AccountState,
    amount: Money,
    *,
    now: datetime,
    policy: TopUpPolicy = TopUpPolicy(),  # noqa: B008 - a frozen value
) -> TopUpPreview:
    """Show what a top-up of ``amount`` would do on an account that is caught up to ``now``.

    Raises:
        InvalidInput: the amount is not above zero or finer than the currency's minor unit, or the
            policy refuses it.
        IllegalTransition: the balance is closed.
        UnknownName: the account has no balance in that currency.

    >>> from datetime import UTC
    >>> from monochat_billing.commands import open_account
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> print(preview_top_up(opened.state, money("250", "TRY"), now=t))
    250 TRY
      leaves 250 TRY to spend
    """
    code = amount.currency.code
    balance = state.books.balance(code)
    to_units(amount, minor_digits(amount.currency), field="amount")
    balance.units(amount)
    policy.check(amount)
    bonus = policy.bonus(amount)
    credited = credit_worth(state.books, amount, bonus, Memo(EntryKind.TOP_UP, now, now))
    after = revive(state.with_books(credited.books), now, now).state
    dues = [one for one in first_dues(state) if _code(one) == code]
    waits = [one for one in first_dues(after) if _code(one) == code]
    left = after.books.balance(code)
    return TopUpPreview(
        amount=amount,
        bonus=money(0, code) if bonus is None else bonus.amount,
        pays=tuple(_paid(dues, waits)),
        waits=tuple(waits),
        available=left.money(left.available(None, now)),
    )


def _code(one: DuePayment) -> str:
    return one.amount.currency.code if isinstance(one.amount, Money) else one.amount.unit


def _paid(dues: Iterable[DuePayment], waits: Iterable[DuePayment]) -> Iterable[DuePayment]:
    """Give what is no longer due: a debt may have been covered in part."""
    still = {one.subscription: one for one in waits}
    for one in dues:
        rest = still.get(one.subscription)
        if rest is None:
            yield one
        elif isinstance(one.amount, Money) and isinstance(rest.amount, Money):
            part = subtract(one.amount, rest.amount)
            if part.amount:
                yield attrs.evolve(one, amount=part)
