"""Idempotency: the same key asks the same thing, and gets the first answer again.

Owns what is remembered of a keyed request, and the judgment of a repetition.
Does not own where it is kept (:mod:`monochat_billing.repositories`), or what is asked.

A refusal is an answer and is remembered like one. A mistake of the caller
(:class:`~monochat_billing.errors.InvalidInput`) and a failure of the storage are not, so that the
same key can be used again once the request is right.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, final

import attrs

from monochat_billing.errors import BillingError, IdempotencyConflict, Rejected
from monochat_billing.makers import maker_of

__all__ = ["KeyRecord", "answer_again", "make_record", "once", "same_again"]


@final
@attrs.frozen
class KeyRecord:
    """Remember what a key was used for, and the result: a value, or the refusal itself.

    ``content`` is the request, field by field, in canonical text: the fingerprint that a
    repetition must match. It holds no personal data.
    """

    account: str
    key: str
    content: Mapping[str, str]
    outcome: Any
    recorded_at: datetime


make_record: Final = maker_of(KeyRecord)
"""Build what is remembered of a key, quickly."""


def answer_again(record: KeyRecord, content: Mapping[str, str]) -> Any:  # noqa: ANN401 - any result
    """Give the first answer of a key to whoever asks with the same content.

    A refusal is given as the error that it was, and so is a conflict: content that differs from
    the first one's, named by its first field that does.

    >>> from datetime import UTC
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> first = KeyRecord("acme", "k-1", {"amount": "5 TRY"}, "done", t)
    >>> answer_again(first, {"amount": "5 TRY"})
    'done'
    >>> print(answer_again(first, {"amount": "7 TRY"}))
    acme: key 'k-1' was used with amount '5 TRY', now '7 TRY'; use a new key
    """
    known = record.content
    if known != content:
        for field in [*known, *(name for name in content if name not in known)]:
            if known.get(field) != content.get(field):
                return IdempotencyConflict(
                    record.account, record.key, field, known.get(field), content.get(field)
                )
    if isinstance(record.outcome, BillingError):
        return same_again(record.outcome)
    return record.outcome


def same_again(error: BillingError) -> BillingError:
    """Copy an error that was remembered, without the traceback of its first time."""
    return type(error)(*error.args)


def once(
    known: Mapping[str, KeyRecord],
    decide: Callable[[], Any],
    *,
    account: str,
    key: str,
    content: Mapping[str, str],
    at: datetime,
) -> tuple[Any, KeyRecord | None]:
    """Decide a keyed request unless its key is known; give the answer, and what to remember.

    It is for those who keep books without the service: nothing to remember (None) means that the
    answer is the first one's. Refusals are answers; they are returned, not raised.

    Raises:
        InvalidInput: ``decide`` says that the request is wrong; the key stays free.

    >>> from datetime import UTC
    >>> from monochat_billing.balance import Books, EntryKind, Memo, credit, debit, open_balance
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("250", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> keys, memo = {}, Memo(EntryKind.CHARGE, t, t, "export")
    >>> pay = lambda: debit(books, money("12.50", "TRY"), memo)
    >>> asked = {"account": "acme", "key": "export-771", "content": {"amount": "12.50 TRY"}}
    >>> posted, new = once(keys, pay, **asked, at=t)
    >>> keys[new.key], books = new, posted.books
    >>> again, new = once(keys, pay, **asked, at=t)
    >>> print(again.entry, new)
    #2 2026-10-01 00:00Z CHARGE -12.5 TRY → 237.5 export None
    """
    record = known.get(key)
    if record is not None:
        return answer_again(record, content), None
    try:
        answer = decide()
    except Rejected as refusal:
        answer = refusal
    return answer, make_record(account, key, content, answer, at)
