"""Pack commands: buy, use by hand, refund, promote, as functions from state to step.

Owns the judgment of such a request against an account as it stands, after catch-up.
Does not own what it posts: :mod:`monochat_billing.packs`.

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing.
"""

from datetime import datetime

import attrs

from monochat_billing.accounts import AccountState, Step, revive
from monochat_billing.balance import EntryKind, Memo, Terms, debit, open_balance
from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.events import PackBought, PackRefunded
from monochat_billing.grants import RecurringGrant
from monochat_billing.intervals import BillingInterval, check_interval
from monochat_billing.lots import LotOrigin
from monochat_billing.packs import PackPurchase, buy_pack, refund_pack
from monochat_billing.periods import BillingAnchor
from monochat_billing.plans import AnyCatalog, Rollover
from monochat_billing.postings import posting_events
from monochat_billing.recurrences import Recurrence, grant_next
from monochat_billing.texts import check_line
from monochat_billing.units import Amount, Units, is_currency, unit_of

__all__ = ["buy", "promote", "refund", "stop", "use"]


def buy(
    state: AccountState,
    catalog: AnyCatalog,
    *,
    pack: str,
    quantity: int,
    currency: str | None,
    purchase_id: str,
    actor: str,
    now: datetime,
) -> Step:
    """Buy a pack from the balance, at the price in force.

    Raises:
        InsufficientFunds: the balance does not cover it; nothing has changed.
        InvalidInput: it is no pack, or so many are not sold at once.
        UnknownName: the catalog has none of that id, or does not sell it in the currency.
    """
    check_line(actor, "actor")
    in_force = catalog.at(now)
    found = in_force.one_off(pack)
    if found.grant is None:
        raise InvalidInput("pack", pack, "brings no units", "buy one of the catalog's packs")
    most = found.most_quantity
    if type(quantity) is not int or quantity < 1 or (most is not None and quantity > most):
        raise InvalidInput(
            "quantity", quantity, f"of {pack} is not sold", f"pass 1 to {most or 'a million'}"
        )
    code = state.books.balance(currency or state.account.currencies[0]).unit
    price = found.price(code, now)
    done = buy_pack(
        state.books,
        found,
        found.grant,
        purchase_id=purchase_id,
        quantity=quantity,
        currency=code,
        tax=in_force.tax_for(price, state.country, now),
        zone=state.account.zone,
        memo=Memo(EntryKind.PACK_FEE, now, now, actor=actor),
    )
    told = PackBought(
        account=state.account.id,
        at=now,
        purchase=purchase_id,
        pack=pack,
        quantity=quantity,
        units=done.purchase.units,
        amount=done.purchase.amount,
    )
    events = (told, *posting_events(state.books, done.books, done.entries))
    return Step(state.with_books(done.books), done.entries, events, result=done.purchase)


def use(
    state: AccountState, units: Units, *, reason: str, reference: str, actor: str, now: datetime
) -> Step:
    """Burn prepaid units by hand, for usage that no record tells of.

    Raises:
        InsufficientFunds: fewer units are left; nothing has changed.
        InvalidInput: the units are not above zero, or there is no reason.
        UnknownName: the account never had units of that meter.
    """
    if not isinstance(units, Units):
        raise InvalidInput("units", units, "are no units", 'pass Units(5, "monochat.message")')
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("reason", reason, "is empty", "say what it is for")
    memo = Memo(EntryKind.USAGE_FEE, now, now, reason, reference, actor)
    posted = debit(state.books, units, memo)
    events = posting_events(state.books, posted.books, posted.entries)
    return Step(state.with_books(posted.books), posted.entries, events, result=posted.entry)


def refund(
    state: AccountState, purchase: PackPurchase | None, *, name: str, actor: str, now: datetime
) -> Step:
    """Give back what is left of a pack, as its policy says.

    Raises:
        UnknownName: the account has bought no such pack.
        IllegalTransition: the policy gives nothing back, or nothing is left.
    """
    if purchase is None:
        raise UnknownName("purchase", name, "was not bought", "list the account's packs")
    memo = Memo(EntryKind.VOID, now, now, actor=actor)
    done = refund_pack(state.books, purchase, memo)
    told = PackRefunded(
        account=state.account.id,
        at=now,
        purchase=purchase.id,
        units=done.refund.units,
        amount=done.refund.amount,
    )
    events = (told, *posting_events(state.books, done.books, done.entries))
    return Step(state.with_books(done.books), done.entries, events, result=done.refund)


def promote(
    state: AccountState,
    amount: Amount,
    *,
    promotion: str,
    every: BillingInterval,
    ends_at: datetime | None,
    rollover: Rollover,
    reason: str,
    actor: str,
    now: datetime,
) -> Step:
    """Grant an amount now and again every interval, each time as a lot for that interval.

    Raises:
        InvalidInput: the amount is not above zero, there is no reason, or it would end at once.
        IllegalTransition: a promotion of that id runs already.
        UnknownName: the account has no balance in that currency.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("reason", reason, "is empty", "say what it is for")
    account = state.account
    if any(one.id == promotion for one in account.recurrences):
        raise IllegalTransition("promotion", promotion, "RUNNING", "begin again")
    if ends_at is not None and ends_at <= now:
        raise InvalidInput("ends_at", ends_at.isoformat(), "is not ahead", "pass a later instant")
    unit = unit_of(amount)
    books = state.books if is_currency(unit) else open_balance(state.books, unit)
    grant = RecurringGrant(
        units=books.balance(unit).units(amount),
        interval=check_interval(every),
        anchor=BillingAnchor.at(now, account.zone),
        starts_at=now,
        ends_at=ends_at,
        terms=Terms(origin=LotOrigin.PROMOTIONAL),
        rollover=rollover,
    )
    first = next(iter(grant.periods(now)))
    standing = Recurrence(id=promotion, unit=unit, grant=grant, period=first, note=reason)
    memo = Memo(EntryKind.GRANT, now, now, reason, promotion, actor)
    books, standing, posted = grant_next(books, standing, first, memo)
    after = attrs.evolve(account, recurrences=(*account.recurrences, standing))
    entries = posted.entries if posted is not None else ()
    step = Step(attrs.evolve(state, account=after, books=books), entries)
    return attrs.evolve(step.then(revive(step.state, now, now)), result=standing)


def stop(state: AccountState, promotion: str) -> Step:
    """End a promotion: what was granted stays until its period ends, nothing more comes.

    Raises:
        UnknownName: no such promotion runs.
    """
    running = state.account.recurrences
    found = [one for one in running if one.id == promotion and not one.subscription]
    if not found:
        raise UnknownName("promotion", promotion, "does not run", "look at its key")
    rest = tuple([one for one in running if one is not found[0]])
    account = attrs.evolve(state.account, recurrences=rest)
    return Step(attrs.evolve(state, account=account), result=found[0])
