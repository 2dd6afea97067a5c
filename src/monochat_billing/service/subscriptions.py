"""The noun ``subscriptions``: plans, support packages and add-ons, changed at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast, final

import attrs

from monochat_billing import plan_commands, subscription_commands
from monochat_billing.cancellations import CancelMode, as_cancel_mode
from monochat_billing.due_work import DuePayment, first_dues
from monochat_billing.errors import IdempotencyConflict, InvalidInput
from monochat_billing.periods import BillingAnchor, BillingInterval
from monochat_billing.plan_commands import ChangeResult
from monochat_billing.plans import ChangeTiming, LimitCheck, NegotiatedPrice, known_product
from monochat_billing.quotes import ChangeQuote
from monochat_billing.repositories import Wanted
from monochat_billing.scheduling import ScheduleAction
from monochat_billing.service.context import Context, instant_text, named
from monochat_billing.starts import Alignment
from monochat_billing.subscription_commands import CancelReport
from monochat_billing.subscriptions import Subscription
from monochat_billing.texts import check_identity

__all__ = ["Subscriptions"]


@final
@attrs.frozen
class Subscriptions:
    """Subscribe, preview a change and do it, cancel, pause, and read what there was."""

    _context: Context

    def list(self, account: str) -> Sequence[Subscription]:
        """Give the account's live subscriptions as they are now.

        Raises:
            UnknownName: there is no such account.
        """
        held = self._context.view(account).state.subscriptions.values()
        return tuple(one for one in held if one.live)

    def history(self, account: str) -> Sequence[Subscription]:
        """Give everything that the account ever subscribed to, ended ones too, oldest first.

        Each says in its own history which product it held at which price, from when until when.

        Raises:
            UnknownName: there is no such account.
        """
        held = self._context.view(account, ended=True).state.subscriptions.values()
        return tuple(sorted(held, key=lambda one: one.started_at))

    def subscribe(
        self,
        account: str,
        product: str,
        interval: BillingInterval,
        *,
        key: str,
        currency: str | None = None,
        actor: str = "",
        offer: NegotiatedPrice | None = None,
        quantity: int = 1,
        start: datetime | None = None,
        alignment: Alignment | None = None,
        trial: bool = True,
    ) -> Subscription:
        """Start a plan, a support package or an add-on, and charge its first period in advance.

        Without ``currency`` it is paid in the account's first. An ``offer`` is accepted by this,
        once: its price is pinned instead of the list price. The product's trial comes first, once
        for each account, unless ``trial`` is False. A ``start`` in the past is charged from then
        on; one that lies ahead is scheduled instead. An add-on is held in a ``quantity``, and
        renews on the days of the plan, or with ``alignment`` OWN on its own.

        Raises:
            IllegalTransition: the account has one of this family, or this add-on, already: change
                it instead; or the offer was accepted before.
            InvalidInput: the offer is for something else, or not valid now; the quantity, the
                start or the alignment is not possible.
            InsufficientFunds: the balance does not cover what is due; nothing has changed.
            UnknownName: there is no such account, product, price or balance.
            IdempotencyConflict: the key was used for something else.
        """
        subscription_id = self._context.ids()
        content = {
            "product": str(product),
            "interval": str(interval),
            "currency": str(currency),
        }
        if offer is not None:
            content["offer"] = offer.id
        if quantity != 1:
            content["quantity"] = str(quantity)
        if start is not None:
            content["start"] = instant_text(start, "start")
        chosen = None if alignment is None else named(Alignment, alignment, "alignment")
        if chosen is not None:
            content["alignment"] = chosen.value
        if not trial:
            content["trial"] = "no"
        subscription = self._context.change(
            account,
            "subscriptions.subscribe",
            lambda state, now: plan_commands.subscribe(
                state,
                self._context.catalog,
                subscription_id=subscription_id,
                product=product,
                interval=interval,
                currency=currency,
                actor=actor,
                now=now,
                offer=offer,
                quantity=quantity,
                start=start,
                alignment=chosen,
                trial=trial,
            ),
            key=key,
            content=content,
            ended=True,
        )
        return cast("Subscription", subscription)

    def preview(
        self,
        account: str,
        *,
        to: str | None = None,
        interval: BillingInterval | None = None,
        timing: ChangeTiming | None = None,
        key: str | None = None,
        offer: NegotiatedPrice | None = None,
        of: str | None = None,
        quantity: int | None = None,
        anchor: BillingAnchor | None = None,
    ) -> ChangeQuote:
        """Show what a change would do and cost; nothing is stored.

        ``to`` is the product after the change, and ``of`` what is changed: the id of a
        subscription, or the product that it holds. One of them will do: ``to`` finds what the
        account holds of the same family, and ``of`` alone keeps the product for another interval,
        ``quantity`` or ``anchor``.

        With an ``offer`` its price is quoted, and executing the quote accepts it, once. Where the
        host gave a usage reader, the quote warns of limits that would be exceeded.

        The quote's id, ``key`` or a fresh one, is the idempotency key of its execution. When a
        change was already done under ``key``, its quote is returned as it was executed, so a
        program that starts over finds its way.

        Raises:
            IllegalTransition: it cannot be changed as it stands, or the offer was accepted before.
            InvalidInput: the catalog's rule does not allow the timing, the quantity is not
                possible, or the offer is for something else or not valid now.
            UnknownName: no such account, product or price, or no such subscription.
            IdempotencyConflict: the key was used for something else.
        """
        if key is not None:
            executed = self._executed(account, check_identity(key, "key"))
            if executed is not None:
                return executed
        state = self._context.view(account, ended=offer is not None).state
        if to is None:
            if of is None:
                raise InvalidInput(
                    "to", None, "is missing", "name the new product, or with of= what is changed"
                )
            to = state.held(of).product
        return plan_commands.preview_change(
            state,
            self._context.catalog,
            quote_id=key or self._context.ids(),
            to=to,
            interval=interval,
            timing=timing,
            now=state.account.as_of,
            offer=offer,
            usage=self._usage(account, to, state.account.as_of),
            subscription=of,
            quantity=quantity,
            anchor=anchor,
        )

    def change(self, quote: ChangeQuote, *, actor: str = "") -> ChangeResult:
        """Do exactly what the quote shows, as of its effective instant, or refuse.

        A quote for the period's end is scheduled. The quote's id is the idempotency key.

        Raises:
            StaleQuote: the quote ran out, or what it was computed from has changed.
            InsufficientFunds: the balance does not cover what is due; nothing has changed.
            IdempotencyConflict: the quote's id was used as a key for something else.
        """
        schedule_id = self._context.ids()
        result = self._context.change(
            quote.account,
            _CHANGE,
            lambda state, now: plan_commands.change_subscription(
                state,
                self._context.catalog,
                quote,
                schedule_id=schedule_id,
                actor=actor,
                now=now,
            ),
            key=quote.id,
            content={"subscription": quote.subscription, "quote": quote.digest},
            ended=quote.agreement is not None,
        )
        return cast("ChangeResult", result)

    def cancel(
        self,
        account: str,
        what: str,
        *,
        mode: CancelMode,
        key: str,
        actor: str = "",
    ) -> CancelReport:
        """End a subscription now; ``what`` is its id, or the product that it holds.

        NOTHING keeps what was paid. CREDIT gives the unused time back to the balance, to the lots
        that paid; REFUND does so too, holds what was paid money and asks the host to send it on;
        WITHDRAWAL does that with everything since the start, within the days that the catalog
        gives. To let it end with its period, schedule the cancel.

        Raises:
            IllegalTransition: everything is to be paid back and the days for that are over.
            InvalidInput: there is no such mode.
            UnknownName: there is no such account, or it holds no such thing.
            IdempotencyConflict: the key was used for something else.
        """
        how = as_cancel_mode(mode)
        report = self._context.change(
            account,
            "subscriptions.cancel",
            lambda state, now: subscription_commands.cancel_subscription(
                state, self._context.catalog, what, mode=how, actor=actor, now=now
            ),
            key=key,
            content={"what": str(what), "mode": how.value},
        )
        return cast("CancelReport", report)

    def preview_cancel(self, account: str, what: str, *, mode: CancelMode) -> CancelReport:
        """Show what :meth:`cancel` would give back now; nothing is stored.

        Raises:
            IllegalTransition: everything is to be paid back and the days for that are over.
            InvalidInput: there is no such mode.
            UnknownName: there is no such account, or it holds no such thing.
        """
        state = self._context.view(account).state
        step = subscription_commands.cancel_subscription(
            state,
            self._context.catalog,
            what,
            mode=as_cancel_mode(mode),
            actor="",
            now=state.account.as_of,
        )
        return cast("CancelReport", step.result)

    def reactivate(self, account: str, what: str, *, key: str, actor: str = "") -> Subscription:
        """Take a planned cancel back, or begin anew what has ended; ``what`` as in :meth:`cancel`.

        What has ended begins again as a new subscription that follows the old one, at the list
        price in force and without a trial.

        Raises:
            IllegalTransition: it is live and no cancel is planned, or another one of its family
                is.
            InsufficientFunds: the balance does not cover the first period; nothing has changed.
            UnknownName: there is no such account, it never had it, or it is sold no more.
            IdempotencyConflict: the key was used for something else.
        """
        subscription_id = self._context.ids()
        subscription = self._context.change(
            account,
            "subscriptions.reactivate",
            lambda state, now: subscription_commands.reactivate_subscription(
                state,
                self._context.catalog,
                what,
                subscription_id=subscription_id,
                actor=actor,
                now=now,
            ),
            key=key,
            content={"what": str(what)},
            wants={"schedule": self._behind_cancels(account)},
            ended=True,
        )
        return cast("Subscription", subscription)

    def _behind_cancels(self, account: str) -> Sequence[str]:
        """Name what gave way to a planned cancel, and comes back when that is taken back."""
        schedule = self._context.view(account).state.schedule.values()
        cancels = (one for one in schedule if one.action is ScheduleAction.CANCEL)
        return [name for one in cancels for name in one.replaced]

    def pause(self, account: str, what: str, *, key: str) -> Subscription:
        """Pause a subscription now: usable until its paid end, and nothing renews.

        Nothing is given back, and no time is added.

        Raises:
            IllegalTransition: it is not active.
            UnknownName: there is no such account, or it holds no such thing.
            IdempotencyConflict: the key was used for something else.
        """
        subscription = self._context.change(
            account,
            "subscriptions.pause",
            lambda state, now: subscription_commands.pause_subscription(
                state, self._context.catalog, what, now=now
            ),
            key=key,
            content={"what": str(what)},
        )
        return cast("Subscription", subscription)

    def resume(self, account: str, what: str, *, key: str, actor: str = "") -> Subscription:
        """Let a paused subscription go on.

        Before its paid end nothing is charged. From then on a new period starts now and is
        charged; the time between costs nothing.

        Raises:
            IllegalTransition: it is not paused.
            InsufficientFunds: the balance does not cover the new period; nothing has changed.
            UnknownName: there is no such account, or it holds no such thing.
            IdempotencyConflict: the key was used for something else.
        """
        subscription = self._context.change(
            account,
            "subscriptions.resume",
            lambda state, now: subscription_commands.resume_subscription(
                state, self._context.catalog, what, actor=actor, now=now
            ),
            key=key,
            content={"what": str(what)},
        )
        return cast("Subscription", subscription)

    def dues(self, account: str) -> Sequence[DuePayment]:
        """List what the next money on each balance will pay before anything else, in order.

        First what is owed, then what is past due or suspended: the oldest first, the plan before
        the support package. A page that starts a top-up can show it.

        Raises:
            UnknownName: there is no such account.
        """
        return first_dues(self._context.view(account).state)

    def check(self, account: str, limit: str, used: int) -> LimitCheck:
        """Say how many ``used`` are within a limit of what the account subscribes to.

        Raises:
            UnknownName: there is no such account, or nothing it subscribes to has this limit.
            InvalidInput: ``used`` is not a whole number from zero up.
        """
        state = self._context.view(account).state
        return plan_commands.check_limit(
            state, self._context.catalog, limit, used, state.account.as_of
        )

    def _usage(self, account: str, to: str, now: datetime) -> Mapping[str, int] | None:
        reader = self._context.usage_reader
        if reader is None:
            return None
        product = known_product(self._context.catalog, to, now)
        return reader.read(account, [limit.name for limit in product.limits])

    def _executed(self, account: str, key: str) -> ChangeQuote | None:
        record = self._context.load(Wanted(account, frozenset([key]))).keys.get(key)
        if record is None:
            return None
        verb = record.content.get("verb")
        if verb != _CHANGE:
            raise IdempotencyConflict(account, key, "verb", verb, _CHANGE)
        return record.outcome.quote if isinstance(record.outcome, ChangeResult) else None


_CHANGE = "subscriptions.change"
