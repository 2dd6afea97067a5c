"""The noun ``schedule``: what is asked for now and done later."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast, final

import attrs

from monochat_billing import schedule_commands, schedule_endings
from monochat_billing.accounts import AccountState, Step
from monochat_billing.cancellations import CancelMode, as_cancel_mode
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import ChangeTiming, known_product
from monochat_billing.repositories import Wanted
from monochat_billing.schedule_commands import Phase
from monochat_billing.scheduling import ScheduleAction, ScheduledChange
from monochat_billing.service.context import Context, instant_text

__all__ = ["Schedule"]

_END: ChangeTiming = ChangeTiming.END_OF_PERIOD


@final
@attrs.frozen
class Schedule:
    """Plan something, list what is planned, replace it, take it back.

    Everything is for the period's end, or for an instant ahead: pass ``at``. It is priced and
    judged when it is due, against what is in force then. Within one facet of a subscription
    (product and interval, quantity, state) a later request for the same instant replaces the
    earlier one, and a change done at once replaces whatever is pending; a cancel replaces
    everything after it. ``replaces`` names one that this request takes the place of.

    Wherever a ``subscription`` is asked for, its id will do, or the id of the product it holds.
    """

    _context: Context

    def change(
        self,
        account: str,
        *,
        to: str,
        interval: BillingInterval | None = None,
        timing: ChangeTiming | None = None,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan a change of product or interval.

        Raises:
            IllegalTransition: the subscription is past due, suspended or paused, or canceled by
                then.
            InvalidInput: the instant is not ahead, or the rule does not allow the timing.
            UnknownName: no such account, product or price, or no subscription of that family.
            IdempotencyConflict: the key was used for something else.
        """
        schedule_id = self._context.ids()
        when = _timing(timing, at)

        def plan(state: AccountState, now: datetime) -> Step:
            return schedule_commands.schedule_change(
                state,
                self._context.catalog,
                schedule_id=schedule_id,
                to=to,
                interval=interval,
                timing=when,
                at=at,
                actor=actor,
                now=now,
            )

        content = {"to": str(to), "interval": str(interval), **_when(when, at)}
        planned = self._plan(
            account, "schedule.change", plan, key=key, content=content, replaces=replaces
        )
        return cast("ScheduledChange", planned)

    def quantity(
        self,
        account: str,
        subscription: str,
        quantity: int,
        *,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan another quantity; with a change of product that is due then it is one decision.

        Raises:
            IllegalTransition: as :meth:`change`.
            InvalidInput: the instant is not ahead, or it is no quantity.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """
        return self._action(
            account,
            subscription,
            ScheduleAction.QUANTITY,
            at=at,
            key=key,
            actor=actor,
            replaces=replaces,
            quantity=quantity,
        )

    def cancel(
        self,
        account: str,
        subscription: str,
        *,
        at: datetime | None = None,
        mode: CancelMode = CancelMode.NOTHING,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan the end of a subscription; whatever was pending after it gives way.

        Raises:
            IllegalTransition: it has ended, or it is canceled earlier already.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """
        return self._action(
            account,
            subscription,
            ScheduleAction.CANCEL,
            at=at,
            key=key,
            actor=actor,
            replaces=replaces,
            mode=as_cancel_mode(mode).value,
        )

    def pause(
        self,
        account: str,
        subscription: str,
        *,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan a pause; what is paid for by then can be used to its end.

        Raises:
            IllegalTransition: as :meth:`change`.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """
        return self._action(
            account,
            subscription,
            ScheduleAction.PAUSE,
            at=at,
            key=key,
            actor=actor,
            replaces=replaces,
        )

    def resume(
        self,
        account: str,
        subscription: str,
        *,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan that a subscription that is paused, or will be, goes on.

        Raises:
            IllegalTransition: it is not paused and no pause is planned, or it is canceled by then.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """
        return self._action(
            account,
            subscription,
            ScheduleAction.RESUME,
            at=at,
            key=key,
            actor=actor,
            replaces=replaces,
        )

    def subscribe(
        self,
        account: str,
        product: str,
        interval: BillingInterval,
        *,
        at: datetime,
        key: str,
        currency: str | None = None,
        quantity: int = 1,
        trial: bool = True,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan a subscription that begins at an instant ahead and is charged then.

        With ``trial`` the product's trial comes first, if the account has never held it.

        Raises:
            IllegalTransition: the account has one of this family already.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account, product, price or balance.
            IdempotencyConflict: the key was used for something else.
        """
        schedule_id, subscription_id = self._context.ids(), self._context.ids()

        def plan(state: AccountState, now: datetime) -> Step:
            return schedule_commands.schedule_start(
                state,
                self._context.catalog,
                schedule_id=schedule_id,
                subscription_id=subscription_id,
                product=product,
                interval=interval,
                at=at,
                currency=currency,
                quantity=quantity,
                trial=trial,
                actor=actor,
                now=now,
            )

        content = {
            "product": str(product),
            "interval": str(interval),
            "currency": str(currency),
            "quantity": str(quantity),
            **_when(ChangeTiming.AT, at),
        }
        if not trial:
            content["trial"] = "no"
        planned = self._plan(
            account,
            "schedule.subscribe",
            plan,
            key=key,
            content=content,
            replaces=replaces,
            ended=True,
        )
        return cast("ScheduledChange", planned)

    def phases(
        self,
        account: str,
        phases: Iterable[Phase | tuple[Any, ...]],
        *,
        at: datetime | None = None,
        key: str,
        currency: str | None = None,
        actor: str = "",
    ) -> tuple[ScheduledChange, ...]:
        """Plan a chain: product after product, each for its duration, the last one without.

        Each phase is a :class:`Phase` or its fields: product, interval, duration. The chain begins
        at ``at``, or at the end of the current period. One that fails cancels those after it.

        Raises:
            IllegalTransition: as :meth:`change`.
            InvalidInput: a phase before the last has no duration, they are of several families, or
                the start is not ahead.
            UnknownName: no such account, product, price or balance.
            IdempotencyConflict: the key was used for something else.
        """
        chain = tuple(one if isinstance(one, Phase) else Phase(*one) for one in phases)
        chain_id, subscription_id = self._context.ids(), self._context.ids()
        content = {
            "phases": "; ".join(f"{one.product} {one.interval} {one.duration}" for one in chain),
            "currency": str(currency),
            "at": instant_text(at),
        }
        planned = self._context.change(
            account,
            "schedule.phases",
            lambda state, now: schedule_commands.schedule_phases(
                state,
                self._context.catalog,
                chain_id=chain_id,
                subscription_id=subscription_id,
                phases=chain,
                at=at,
                currency=currency,
                actor=actor,
                now=now,
            ),
            key=key,
            content=content,
            ended=True,
        )
        return cast("tuple[ScheduledChange, ...]", planned)

    def list(self, account: str) -> Sequence[ScheduledChange]:
        """Give what is pending on the account now, in order of request.

        Raises:
            UnknownName: there is no such account.
        """
        schedule = self._context.view(account).state.schedule.values()
        pending = [one for one in schedule if one.pending]
        return tuple(sorted(pending, key=_asked))

    def history(self, account: str) -> Sequence[ScheduledChange]:
        """Give every scheduled change that was stored, with what became of it.

        Raises:
            UnknownName: there is no such account.
        """
        _, found = self._context.view_with(account, lambda reader: reader.schedule(account))
        return found

    def revoke(self, account: str, scheduled_change: str, *, key: str) -> ScheduledChange:
        """Take back a scheduled change that is still pending, as if it had not been asked for.

        What had given way to it is pending again.

        Raises:
            IllegalTransition: it is no longer pending.
            UnknownName: the account has no such scheduled change.
            IdempotencyConflict: the key was used for something else.
        """
        revoked = self._context.change(
            account,
            "schedule.revoke",
            lambda state, now: schedule_endings.revoke_change(state, scheduled_change, now),
            key=key,
            content={"scheduled_change": str(scheduled_change)},
            wants={"schedule": self._with_replaced(account, [scheduled_change])},
        )
        return cast("ScheduledChange", revoked)

    def revoke_chain(self, account: str, chain: str, *, key: str) -> tuple[ScheduledChange, ...]:
        """Take back all phases of a chain that are still pending.

        Raises:
            UnknownName: there is no such account, or nothing of such a chain is pending.
            IdempotencyConflict: the key was used for something else.
        """
        phases = [one.id for one in self.list(account) if one.chain == chain]
        revoked = self._context.change(
            account,
            "schedule.revoke_chain",
            lambda state, now: schedule_endings.revoke_chain(state, chain, now),
            key=key,
            content={"chain": str(chain)},
            wants={"schedule": self._with_replaced(account, phases)},
        )
        return cast("tuple[ScheduledChange, ...]", revoked)

    def _with_replaced(self, account: str, names: Sequence[str]) -> Sequence[str]:
        """Name also what gave way to these: which that is, is settled when they are planned."""
        loaded = self._context.load(Wanted(account, schedule=frozenset(names))).state
        known = {} if loaded is None else loaded.schedule
        found = [known[name] for name in names if name in known]
        return [*names, *(name for one in found for name in one.replaced)]

    def _action(
        self,
        account: str,
        subscription: str,
        action: ScheduleAction,
        *,
        at: datetime | None,
        key: str,
        actor: str,
        replaces: str | None,
        quantity: int | None = None,
        mode: str = "",
    ) -> ScheduledChange:
        schedule_id = self._context.ids()
        when = _timing(None, at)

        def plan(state: AccountState, now: datetime) -> Step:
            one = state.held(subscription)
            if quantity is not None:
                known_product(self._context.catalog, one.product, now).quantity(quantity)
            return schedule_commands.schedule_action(
                state,
                schedule_id=schedule_id,
                action=action,
                subscription=one,
                timing=when,
                at=at,
                actor=actor,
                now=now,
                quantity=quantity,
                mode=mode,
            )

        content = {"subscription": str(subscription), **_when(when, at)}
        if quantity is not None:
            content["quantity"] = str(quantity)
        if mode:
            content["mode"] = mode
        verb = f"schedule.{action.lower()}"
        return cast(
            "ScheduledChange",
            self._plan(account, verb, plan, key=key, content=content, replaces=replaces),
        )

    def _plan(
        self,
        account: str,
        verb: str,
        plan: Callable[[AccountState, datetime], Step],
        *,
        key: str,
        content: Mapping[str, str],
        replaces: str | None,
        ended: bool = False,
    ) -> Any:  # noqa: ANN401 - a scheduled change
        if replaces is None:
            return self._context.change(account, verb, plan, key=key, content=content, ended=ended)
        return self._context.change(
            account,
            verb,
            lambda state, now: schedule_endings.replace_change(
                state, replaces, lambda without: plan(without, now), now
            ),
            key=key,
            content={**content, "replaces": str(replaces)},
            wants={"schedule": [replaces]},
            ended=ended,
        )


def _asked(one: ScheduledChange) -> tuple[datetime, str, int, str]:
    return one.requested_at, one.chain, one.phase, one.id


def _timing(timing: ChangeTiming | None, at: datetime | None) -> ChangeTiming:
    if timing is not None:
        return timing
    return _END if at is None else ChangeTiming.AT


def _when(timing: ChangeTiming, at: datetime | None) -> dict[str, str]:
    return {"timing": str(timing), "at": "None" if at is None else instant_text(at)}
