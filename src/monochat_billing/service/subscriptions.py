"""The noun ``subscriptions``: plans and support packages, changed at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast, final

import attrs

from monochat_billing import plan_commands
from monochat_billing.errors import IdempotencyConflict
from monochat_billing.periods import BillingInterval
from monochat_billing.plan_commands import ChangeResult
from monochat_billing.plans import ChangeTiming, LimitCheck, NegotiatedPrice, known_product
from monochat_billing.quotes import ChangeQuote
from monochat_billing.repositories import Wanted
from monochat_billing.service.context import Context
from monochat_billing.subscriptions import Subscription
from monochat_billing.texts import check_identity

__all__ = ["Subscriptions"]


@final
@attrs.frozen
class Subscriptions:
    """Subscribe, preview a change, and do what was previewed."""

    _context: Context

    def list(self, account: str) -> Sequence[Subscription]:
        """Give the account's subscriptions as they are now.

        Raises:
            UnknownName: there is no such account.
        """
        return tuple(self._context.view(account).state.subscriptions.values())

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
    ) -> Subscription:
        """Start a plan or a support package and charge its first period in advance.

        Without ``currency`` it is paid in the account's first. An ``offer`` is accepted by this,
        once: its price is pinned instead of the list price.

        Raises:
            IllegalTransition: the account has one of this family already, change it instead; or
                the offer was accepted before.
            InvalidInput: the offer is for something else, or not valid now.
            InsufficientFunds: the balance does not cover the first period; nothing has changed.
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
            ),
            key=key,
            content=content,
        )
        return cast("Subscription", subscription)

    def preview(
        self,
        account: str,
        *,
        to: str,
        interval: BillingInterval | None = None,
        timing: ChangeTiming | None = None,
        key: str | None = None,
        offer: NegotiatedPrice | None = None,
    ) -> ChangeQuote:
        """Show what a change would do and cost; nothing is stored.

        With an ``offer`` its price is quoted, and executing the quote accepts it, once. Where the
        host gave a usage reader, the quote warns of limits that would be exceeded.

        The quote's id, ``key`` or a fresh one, is the idempotency key of its execution. When a
        change was already done under ``key``, its quote is returned as it was executed, so a
        program that starts over finds its way.

        Raises:
            IllegalTransition: the offer was accepted before.
            InvalidInput: the catalog's rule does not allow the timing, or the offer is for
                something else or not valid now.
            UnknownName: no such account, product or price, or no subscription of that family.
            IdempotencyConflict: the key was used for something else.
        """
        if key is not None:
            executed = self._executed(account, check_identity(key, "key"))
            if executed is not None:
                return executed
        step = self._context.view(account)
        return plan_commands.preview_change(
            step.state,
            self._context.catalog,
            quote_id=key or self._context.ids(),
            to=to,
            interval=interval,
            timing=timing,
            now=step.state.account.as_of,
            offer=offer,
            usage=self._usage(account, to, step.state.account.as_of),
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
        )
        return cast("ChangeResult", result)

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
