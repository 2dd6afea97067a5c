"""The noun ``packs``: prepaid units bought once."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast, final

import attrs

from monochat_billing import pack_commands
from monochat_billing.accounts import require_account
from monochat_billing.balance import Entry
from monochat_billing.checkpoints import checkpoint_of
from monochat_billing.instants import utc
from monochat_billing.intervals import MONTH, BillingInterval
from monochat_billing.lots import LotOrigin
from monochat_billing.packs import PackHolding, PackPurchase, PackRefund, holdings
from monochat_billing.readings import Window
from monochat_billing.recurrences import Recurrence
from monochat_billing.repositories import Reader, Wanted
from monochat_billing.rollovers import NO_ROLLOVER, Rollover
from monochat_billing.service.context import Context, fingerprint_of, instant_text
from monochat_billing.texts import check_identity
from monochat_billing.units import Amount, Units

__all__ = ["Packs"]


@final
@attrs.frozen
class Packs:
    """Buy packs, see how they stand, use them by hand, give back what is left."""

    _context: Context

    def buy(
        self,
        account: str,
        pack: str,
        *,
        key: str,
        quantity: int = 1,
        currency: str | None = None,
        actor: str = "",
    ) -> PackPurchase:
        """Buy a pack from the balance, at the price in force; the key names the purchase.

        Raises:
            InsufficientFunds: the balance does not cover it; nothing has changed.
            InvalidInput: it is no pack, or so many are not sold at once.
            UnknownName: there is no such account, pack, price or balance.
            IdempotencyConflict: the key was used for something else.
        """
        catalog = self._context.catalog
        content = {"pack": str(pack), "quantity": str(quantity), "currency": currency or ""}
        bought = self._context.change(
            account,
            "packs.buy",
            lambda state, now: pack_commands.buy(
                state,
                catalog,
                pack=pack,
                quantity=quantity,
                currency=currency,
                purchase_id=key,
                actor=actor,
                now=now,
            ),
            key=key,
            content=content,
        )
        return cast("PackPurchase", bought)

    def list(self, account: str) -> Sequence[PackHolding]:
        """Give every pack in the order of purchase: its units, what is left, burned and lost.

        What has expired by now is lost, whether or not anybody ran what is due.

        Raises:
            UnknownName: there is no such account.
        """
        step, (holding, _) = self._context.view_with(account, lambda reader: _held(reader, account))
        now_free = {
            lot.number: lot.remaining
            for balance in step.state.books.balances.values()
            for lot in balance.lots
        }
        return tuple([_as_of(one, now_free.get(one.lot, one.remaining)) for one in holding])

    def use(
        self,
        account: str,
        units: Units,
        *,
        reason: str,
        key: str,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Burn prepaid units by hand, the earliest expiry first, or refuse and change nothing.

        Usage that is recorded burns them by itself.

        Raises:
            InsufficientFunds: fewer units are left.
            InvalidInput: the units are not above zero, or there is no reason.
            UnknownName: there is no such account, or it never had units of that meter.
            IdempotencyConflict: the key was used for something else.
        """
        content = {
            "units": fingerprint_of(units, "units"),
            "reason": str(reason),
            "reference": str(reference),
        }
        entry = self._context.change(
            account,
            "packs.use",
            lambda state, now: pack_commands.use(
                state, units, reason=reason, reference=reference, actor=actor, now=now
            ),
            key=key,
            content=content,
        )
        return cast("Entry", entry)

    def refund(self, account: str, purchase: str, *, key: str, actor: str = "") -> PackRefund:
        """Give back what is left of a pack, as the policy of its purchase says.

        The units go, and their part of what was really paid comes back to the lots that paid it.

        Raises:
            IllegalTransition: the policy gives nothing back, or no more; nothing is left, or an
                open hold has some of it.
            UnknownName: there is no such account, or it has bought no such pack.
            IdempotencyConflict: the key was used for something else.
        """
        check_identity(purchase, "purchase")
        loaded = self._context.load(Wanted(account, keys=frozenset((purchase,))))
        record = loaded.keys.get(purchase)
        outcome = record.outcome if record is not None else None
        bought = outcome if isinstance(outcome, PackPurchase) else None
        refund = self._context.change(
            account,
            "packs.refund",
            lambda state, now: pack_commands.refund(
                state, bought, name=purchase, actor=actor, now=now
            ),
            key=key,
            content={"purchase": purchase},
        )
        return cast("PackRefund", refund)

    def promote(
        self,
        account: str,
        amount: Amount,
        *,
        reason: str,
        key: str,
        every: BillingInterval = MONTH,
        ends_at: datetime | None = None,
        rollover: Rollover = NO_ROLLOVER,
        actor: str = "",
    ) -> Recurrence:
        """Grant money or units now and again every interval, each time for that interval.

        The key names the promotion. Its lots are promotional: they burn like others and are never
        refunded; what is left rolls over as ``rollover`` says.

        Raises:
            InvalidInput: the amount is not above zero, there is no reason, or it ends at once.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """
        end = None if ends_at is None else utc(ends_at, field="ends_at")
        content = {
            "amount": fingerprint_of(amount),
            "every": str(every),
            "ends_at": instant_text(end, "ends_at"),
            "rollover": f"{rollover.minimum} to {rollover.maximum}",
            "reason": str(reason),
        }
        standing = self._context.change(
            account,
            "packs.promote",
            lambda state, now: pack_commands.promote(
                state,
                amount,
                promotion=key,
                every=every,
                ends_at=end,
                rollover=rollover,
                reason=reason,
                actor=actor,
                now=now,
            ),
            key=key,
            content=content,
        )
        return cast("Recurrence", standing)

    def stop(self, account: str, promotion: str, *, key: str) -> Recurrence:
        """End a promotion: what was granted stays until its end, nothing more comes.

        Raises:
            UnknownName: there is no such account, or no such promotion runs.
            IdempotencyConflict: the key was used for something else.
        """
        stopped = self._context.change(
            account,
            "packs.stop",
            lambda state, _: pack_commands.stop(state, promotion),
            key=key,
            content={"promotion": str(promotion)},
        )
        return cast("Recurrence", stopped)


def _held(reader: Reader, account: str) -> tuple[tuple[PackHolding, ...], int]:
    """Read the packs of an account and the purchases that made them."""
    lots = [one for one in reader.lots(account) if one.origin is LotOrigin.PACK]
    sources = frozenset(one.source for one in lots if one.source)
    loaded = reader.load([Wanted(account, keys=sources)])[account]
    state = require_account(loaded.state, account)
    purchases = {
        key: record.outcome
        for key, record in loaded.keys.items()
        if isinstance(record.outcome, PackPurchase)
    }
    units = dict.fromkeys(lot.unit for lot in lots)
    moved = [one for unit in units for one in reader.movements(Window(account=account, unit=unit))]
    mark = checkpoint_of(reader, account)
    if mark is not None:
        known = {lot.number: lot for lot in lots}
        moved += [one for unit in units for one in mark.movements(unit, known)]
    return holdings(lots, moved, purchases), state.books.sequence


def _as_of(one: PackHolding, remaining: int) -> PackHolding:
    """Count as lost what expires with what is due, though nobody has written it yet."""
    gone = one.remaining - remaining
    return attrs.evolve(one, remaining=remaining, lost=one.lost + gone) if gone else one
