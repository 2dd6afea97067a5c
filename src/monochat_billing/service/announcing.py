"""The sweep that tells accounts of what falls due soon, each thing once.

Owns the order of the sweep: accounts by the index of what is due, and one command for each thing
that was not told yet. Does not own what is worth telling (:mod:`monochat_billing.announcements`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.announcements import announce, announcement_key, announcements
from monochat_billing.errors import CorruptBooks, InvalidInput
from monochat_billing.events import FallsDueSoon
from monochat_billing.repositories import Wanted
from monochat_billing.service.context import Context

__all__ = ["AnnouncementReport", "announce_all"]

_PAGE: Final = 1000


@final
@attrs.frozen
class AnnouncementReport:
    """Return what a sweep did: accounts with something due, and things that were told.

    ``failed`` names accounts whose stored facts contradict themselves, with the error.
    """

    accounts: int = 0
    told: int = 0
    failed: tuple[tuple[str, CorruptBooks], ...] = ()

    def __str__(self) -> str:
        return f"{self.accounts} accounts, {self.told} told, {len(self.failed)} failed"


def announce_all(context: Context, within: timedelta) -> AnnouncementReport:
    """Tell every account of what falls due ``within`` that time; see ``Billing.announce``."""
    if not isinstance(within, timedelta) or within <= timedelta(0):
        raise InvalidInput("within", str(within), "is no time ahead", "pass some days")
    until = context.now() + within
    report = AnnouncementReport()
    for account in _due(context, until):
        try:
            told = sum(
                _tell(context, account, one, until) for one in _fresh(context, account, until)
            )
        except CorruptBooks as error:
            report = attrs.evolve(report, failed=(*report.failed, (account, error)))
        else:
            report = attrs.evolve(report, accounts=report.accounts + 1, told=report.told + told)
    return report


def _due(context: Context, until: datetime) -> Iterator[str]:
    """Give each account on which anything falls due up to then, once, by the index of due work."""
    seen: set[str] = set()
    size = _PAGE
    while True:
        found = context.storage.read(lambda reader: reader.due(until, size))  # noqa: B023 - called at once
        yield from (one for one in found if one not in seen)
        if len(found) < size:
            return
        seen.update(found)
        size *= 2  # a page has no cursor: asked for twice as many, each is found again once at most


def _fresh(context: Context, account: str, until: datetime) -> list[FallsDueSoon]:
    """Find what was not told yet."""
    state = context.view(account).state
    found = {announcement_key(one): one for one in announcements(state, context.catalog, until)}
    if not found:
        return []
    known = context.load(Wanted(account, frozenset(found))).keys
    return [one for key, one in found.items() if key not in known]


def _tell(context: Context, account: str, one: FallsDueSoon, until: datetime) -> bool:
    content = {"what": one.what, "subject": one.subject, "due_at": one.due_at.isoformat()}
    try:
        context.change(
            account,
            "announce",
            lambda state, _: announce(state, context.catalog, one, until),
            key=announcement_key(one),
            content=content,
        )
    except InvalidInput:  # it went away meanwhile: there is nothing to tell
        return False
    return True
