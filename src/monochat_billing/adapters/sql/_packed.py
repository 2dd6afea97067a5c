"""Packed results: the short written form of what the most frequent commands return.

Owns the form in which an entry, and a batch of entries, are remembered with their key.
Does not own any other document (:mod:`monochat_billing.adapters.sql.documents`).

A key remembers its result for ever. As a document with a name at every field, the result of a batch
of a thousand debits would be more than everything else that the batch writes: so an entry is a list
of its fields in their order, and a batch says once what its entries share. A form is added beside
these and never changed, because what is stored is read for ever.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import accumulate, repeat
from operator import attrgetter
from typing import Any, Final

from monochat_billing.adapters.sql._ticks import instant, ticks
from monochat_billing.balance import Entry, EntryKind
from monochat_billing.balance_commands import BatchReport

__all__ = ["PACKED", "SHARED", "pack"]

_QUOTE: Final = json.encoder.encode_basestring_ascii
_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

SHARED: Final = attrgetter(
    "account",
    "unit",
    "scale",
    "kind",
    "reason",
    "actor",
    "effective_at",
    "recorded_at",
    "corrects",
    "hold",
    "exchange",
)
"""What the entries of a batch mostly have in common."""

_APART: Final = attrgetter("number", "amount", "balance_after", "reference", "parts")


def pack(outcome: object) -> str | None:
    """Write a result in its short form; None where it has none.

    Raises:
        TypeError: a field is not of the type that it was declared with.
        ValueError: likewise.
    """
    if type(outcome) is Entry:
        return None if outcome.exchange is not None else _packed_entry(outcome)
    if type(outcome) is BatchReport:
        return _packed_batch(outcome.results)
    return None


def _packed_entry(entry: Entry) -> str:
    corrects = "null" if entry.corrects is None else f"{entry.corrects:d}"
    parts = ",".join([f"[{lot:d},{units:d}]" for lot, units in entry.parts])
    return (
        f'{{"type":"entry","value":[{_QUOTE(entry.account)},{entry.number:d},{_QUOTE(entry.unit)},'
        f"{entry.scale:d},{entry.amount:d},{entry.balance_after:d},{_QUOTE(entry.kind)},"
        f"{_QUOTE(entry.reason)},{_QUOTE(entry.reference)},{_QUOTE(entry.actor)},"
        f"{ticks(entry.effective_at):d},{ticks(entry.recorded_at):d},[{parts}],{corrects},"
        f"{_QUOTE(entry.hold)}]}}"
    )


def _packed_batch(results: Sequence[object]) -> str | None:
    """Write a batch of which every item was posted, and to one balance; the usual one."""
    entries = [one for one in results if type(one) is Entry]
    if not entries or len(entries) < len(results):
        return None
    first = entries[0]
    if first.exchange is not None or set(map(SHARED, entries)) != {SHARED(first)}:
        return None
    numbers, amounts, after, references, parts = zip(*map(_APART, entries), strict=True)
    many = len(entries)
    if numbers != tuple(range(first.number, first.number + many)):
        return None
    if after != tuple(accumulate(amounts, initial=first.balance_after - first.amount))[1:]:
        return None
    kinds = set(map(type, (*amounts, first.number, first.balance_after, first.scale)))
    if kinds != {int} or set(map(type, references)) != {str}:
        raise TypeError("an entry holds what is no integer or no text")
    lot = first.parts[0][0] if first.parts else None
    one_lot = parts == tuple(zip(zip(repeat(lot), amounts, strict=False), strict=True))
    packed = [
        first.account,
        first.number,
        first.unit,
        first.scale,
        first.balance_after - first.amount,
        str(first.kind),
        first.reason,
        first.actor,
        ticks(first.effective_at),
        ticks(first.recorded_at),
        first.corrects,
        first.hold,
        many,
        amounts[0] if amounts == (amounts[0],) * many else amounts,
        lot if one_lot else [[[*map(_integer, part)] for part in one] for one in parts],
        references[0] if references == (references[0],) * many else references,
    ]
    return f'{{"type":"entries","value":{_ENCODE(packed)}}}'


# ------------------------------------------------------------------------------------- reading


def _read_entry(value: Any) -> Entry:  # noqa: ANN401 - whatever the document holds
    *head, kind, reason, reference, actor, effective_at, recorded_at, parts, corrects, hold = value
    account, number, unit, scale, amount, balance_after = head
    return Entry(
        _text(account),
        _integer(number),
        _text(unit),
        _integer(scale),
        _integer(amount),
        _integer(balance_after),
        EntryKind(_text(kind)),
        _text(reason),
        _text(reference),
        _text(actor),
        _instant(effective_at),
        _instant(recorded_at),
        _parts(parts),
        None if corrects is None else _integer(corrects),
        _text(hold),
    )


def _read_batch(value: Any) -> BatchReport:  # noqa: ANN401 - as above
    *head, many, amounts, parts, references = value
    account, number, unit, scale, before, kind, reason, actor, *rest = head
    effective_at, recorded_at, corrects, hold = rest
    known = EntryKind(_text(kind))
    amounts = _column(amounts, many, _integer)
    if type(parts) is int:
        parts = [[[parts, units]] for units in amounts]
    after = list(accumulate(amounts, initial=_integer(before)))[1:]
    columns = (amounts, after, _column(parts, many, _parts), _column(references, many, _text))
    entries = [
        Entry(
            _text(account),
            place,
            _text(unit),
            _integer(scale),
            amount,
            balance_after,
            known,
            _text(reason),
            reference,
            _text(actor),
            _instant(effective_at),
            _instant(recorded_at),
            paid,
            None if corrects is None else _integer(corrects),
            _text(hold),
        )
        for place, (amount, balance_after, paid, reference) in enumerate(
            zip(*columns, strict=True), _integer(number)
        )
    ]
    return BatchReport(results=tuple(entries))


PACKED: Final[dict[str, Callable[[Any], Any]]] = {"entry": _read_entry, "entries": _read_batch}
"""Who reads which form; their names are no type's, which begins with a capital letter."""


def _column(value: Any, many: object, read: Callable[[Any], Any]) -> list[Any]:  # noqa: ANN401 - as above
    """Read one value for each entry; what is no list stands for all."""
    values = value if type(value) is list else [value] * _integer(many)
    if len(values) != many:
        raise ValueError(f"{len(values)} values for {many} entries")
    return [read(one) for one in values]


def _integer(value: Any) -> int:  # noqa: ANN401 - as above
    if type(value) is not int:
        raise ValueError(f"{value!r} is no integer")
    return value


def _text(value: Any) -> str:  # noqa: ANN401 - as above
    if type(value) is not str:
        raise ValueError(f"{value!r} is no text")
    return value


def _instant(value: Any) -> datetime:  # noqa: ANN401 - as above
    return instant(_integer(value))


def _parts(value: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401 - as above
    return tuple([(_integer(lot), _integer(units)) for lot, units in value])
