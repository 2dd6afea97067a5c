"""One subscription: pause it, let it go on, end it, each now or later, after a look at the money.

Owns the addresses for that and what their page shows. Does not own what comes back: that is the
report of the same decision that ends it.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final, final
from urllib.parse import urlencode

import attrs
from fastapi import APIRouter
from fastapi.responses import Response

from examples.billing_page.exactly import Moved, do_exactly, shown_text
from examples.billing_page.forms import day_of
from examples.billing_page.refunds import send_back
from examples.billing_page.views import page_text, tomorrow
from examples.billing_page.visit import Posted, Visit, posting, visiting
from monochat_billing import (
    Billing,
    CancelMode,
    IllegalTransition,
    InfrastructureError,
    InsufficientFunds,
    InvalidInput,
    Money,
    Subscription,
    UnknownName,
    explain_refusal,
    money,
    subscription_commands,
)
from monochat_billing.cancellations import withdrawable_until
from monochat_billing.instants import local_midnight
from monochat_billing.scheduling import ScheduleAction
from monochat_billing.subscription_commands import CancelReport
from monochat_billing.subscriptions import SubscriptionState

__all__ = ["router"]

router = APIRouter()

_LOG: Final = logging.getLogger(__name__)
_MODES: Final = {"now": CancelMode.CREDIT, "withdraw": CancelMode.WITHDRAWAL}


@router.get("/subscription")
def subscription(visit: visiting, of: str) -> Response:
    """Show how one subscription stands, and what ending or pausing it would do."""
    one = _held(visit, of)
    words, zone, now = visit.words, one.anchor.zone, visit.billing.context.now()
    text = page_text(visit, zone)
    ahead = one.period.end > now
    return visit.render(
        "subscription.html",
        id=one.id,
        name=text.product(one.product),
        what=f"{text.product(one.product)}, {words.interval(one.price.interval)}",
        state=text.state(one.state),
        price=words.money(one.full_price),
        paid_until=words.local_day(one.period.end, zone) if ahead else "",
        canceled_for=_planned_end(visit, one, zone),
        can_pause=one.state is SubscriptionState.ACTIVE and bool(one.full_price.amount),
        resumption=_resumption(visit, one),
        at_end=ahead,
        now=_told(visit, _report(visit, one, CancelMode.CREDIT)),
        withdrawal=_withdrawal(visit, one, zone),
        least_day=tomorrow(visit, zone),
    )


@router.post("/subscription/pause")
def pause(visit: posting) -> Response:
    """Pause now, at the period's end, or on a day ahead."""
    billing = visit.billing
    return _now_or_later(
        visit,
        lambda one, key: billing.subscriptions.pause(visit.account, one, key=key),
        lambda one, at, key: billing.schedule.pause(visit.account, one, at=at, key=key),
        "done_pause",
    )


@router.post("/subscription/resume")
def resume(visit: posting) -> Response:
    """Go on now, for what was shown, or on a day ahead."""
    billing = visit.billing
    return _now_or_later(
        visit,
        lambda one, key: do_exactly(
            visit,
            lambda within: within.subscriptions.resume(visit.account, one, key=key),
            lambda resumed: _taken(resumed, visit.field("paid_end")),
        ),
        lambda one, at, key: billing.schedule.resume(visit.account, one, at=at, key=key),
        "done_resume",
    )


@router.post("/subscription/cancel")
def cancel(visit: posting) -> Response:
    """End it with its period, or now with exactly the money back that was shown."""
    one, how = visit.field("of"), visit.field("how")
    key = visit.key_for("cancel", one, how)
    mode = _MODES.get(how)
    if mode is None:
        visit.billing.schedule.cancel(visit.account, one, key=key)
        return visit.go("/#scheduled", visit.text("done_cancel_later"))
    shown = attrs.evolve(visit, sent={**visit.sent, "shown": visit.field(f"shown_{how}")})
    try:
        report = do_exactly(
            shown,
            lambda within: within.subscriptions.cancel(visit.account, one, mode=mode, key=key),
            lambda done: done.credit,
        )
    except Moved:
        return visit.go(_path(one), visit.text("stale"), is_problem=True)
    if mode is CancelMode.WITHDRAWAL:
        _try_to_send_back(visit.billing)
    back = visit.words.money(report.credit)
    said = "done_cancel_back" if report.credit.amount else "done_cancel"
    return visit.go("/", visit.text(said, amount=back))


def _try_to_send_back(billing: Billing) -> None:
    """Send back what can be; the end of the subscription stands whether or not this works."""
    try:
        send_back(billing)
    except InfrastructureError:
        _LOG.exception("refunds that are due wait for the next attempt")


def _now_or_later(
    visit: Posted,
    at_once: Callable[[str, str], object],
    later: Callable[[str, datetime | None, str], object],
    done: str,
) -> Response:
    """Do it now, or plan it for the period's end or the begin of a day."""
    one, when = visit.field("of"), visit.field("when")
    day = visit.field("day") if when == "day" else ""
    key = visit.key_for(visit.request.url.path, one, when, day)
    zone = visit.billing.accounts.get(visit.account).zone
    try:
        chosen = day_of(day, required=when == "day")
        if when == "now":
            at_once(one, key)
            return visit.go("/", visit.text(done))
        later(one, local_midnight(chosen, zone) if chosen else None, key)
    except Moved:
        return visit.go(_path(one), visit.text("stale"), is_problem=True)
    except InsufficientFunds as refused:
        return visit.go(_path(one), explain_refusal(refused, visit.language), is_problem=True)
    except UnknownName:
        raise
    except InvalidInput:
        return visit.go(_path(one), visit.text("bad_day"), is_problem=True)
    return visit.go("/#scheduled", visit.text("done_schedule"))


def _path(one: str) -> str:
    return "/subscription?" + urlencode({"of": one})


def _held(visit: Visit, name: str) -> Subscription:
    for one in visit.billing.subscriptions.list(visit.account):
        if one.id == name:
            return one
    raise UnknownName("subscription", name, "is not held", "list the subscriptions")


# ---------------------------------------------------------------------------------- what is shown


@final
@attrs.frozen(kw_only=True)
class Resumption:
    """Show what going on costs now; ``short`` is None where the money is there."""

    amount: str
    shown: str
    paid_end: str
    short: str = ""
    short_amount: str = ""
    currency: str = ""


def _taken(one: Subscription, paid_end: str) -> Money:
    """Give what was charged for going on: nothing where it goes on within what was paid for."""
    is_new = one.period.start.isoformat() >= paid_end
    return one.charge.amount if is_new else money(0, one.price.currency)


def _resumption(visit: Visit, one: Subscription) -> Resumption | None:
    """Decide as ``resume`` will, on the account as it is, and keep nothing."""
    if one.state is not SubscriptionState.PAUSED:
        return None
    state = visit.billing.context.view(visit.account).state
    now = state.account.as_of
    words, paid_end = visit.words, one.period.end.isoformat()
    try:
        step = subscription_commands.resume_subscription(
            state, visit.site.catalog, one.id, actor="", now=now
        )
    except InsufficientFunds as refused:
        short = money(refused.shortfall, refused.unit)
        return Resumption(
            amount=words.money(money(refused.requested, refused.unit)),
            shown=shown_text(money(refused.requested, refused.unit)),
            paid_end=paid_end,
            short=words.money(short),
            short_amount=words.amount(short),
            currency=refused.unit,
        )
    amount = _taken(step.result, paid_end)
    return Resumption(
        amount=words.money(amount) if amount.amount else "",
        shown=shown_text(amount),
        paid_end=paid_end,
    )


def _report(visit: Visit, one: Subscription, mode: CancelMode) -> CancelReport | None:
    try:
        return visit.billing.subscriptions.preview_cancel(visit.account, one.id, mode=mode)
    except IllegalTransition:
        return None


def _told(visit: Visit, report: CancelReport | None) -> dict[str, str] | None:
    """Tell what comes back, for the label of a choice and its hidden field."""
    if report is None:
        return None
    return {
        "credit": visit.words.money(report.credit) if report.credit.amount else "",
        "refundable": visit.words.money(report.refundable) if report.refundable.amount else "",
        "shown": shown_text(report.credit),
    }


def _withdrawal(visit: Visit, one: Subscription, zone: str) -> dict[str, str] | None:
    """Tell what a withdrawal gives back, while there is one and it gives anything."""
    told = _told(visit, _report(visit, one, CancelMode.WITHDRAWAL))
    if told is None or not told["credit"]:
        return None
    until = withdrawable_until(one, visit.catalog.withdrawal_days)
    return {**told, "until": visit.words.moment(until, zone)}


def _planned_end(visit: Visit, one: Subscription, zone: str) -> str:
    """Give the day for which its end is planned, nothing without a plan."""
    for change in visit.billing.schedule.list(visit.account):
        if change.subscription == one.id and change.action is ScheduleAction.CANCEL:
            return visit.words.local_day(change.at or one.period.end, zone)
    return ""
