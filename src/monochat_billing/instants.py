"""Instants and local days: aware UTC inside, the account's time zone at the edge.

*Owns* what an instant is, which zones exist, local days, and wall times that a clock change skips
or repeats.
*Does not own* periods: those are ``periods``'.

>>> evening = datetime(2026, 1, 31, 20, tzinfo=UTC)
>>> days_between(evening, evening + timedelta(hours=2), "Europe/Istanbul")
1
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monochat_billing.errors import InvalidInput

__all__ = ["check_zone", "days_between", "local_midnight", "resolve_folds", "resolve_wall", "utc"]

_AMBIENT_ZONES: Final = frozenset({"localtime", "posixrules"})
_FOREIGN_TREES: Final = ("posix/", "right/")
_SECOND: Final = timedelta(seconds=1)


def utc(value: datetime, *, field: str = "instant") -> datetime:
    """Normalize an aware instant to UTC.

    Raises:
        InvalidInput: naming ``field``, when the value is no datetime or has no time zone.

    >>> from datetime import timezone
    >>> utc(datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3)))).isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    if not isinstance(value, datetime):
        raise InvalidInput(field, value, "is no instant", "pass an aware datetime")
    zone = value.tzinfo
    if zone is UTC:
        return value
    if zone is None or value.utcoffset() is None:
        raise InvalidInput(
            field, value.isoformat(), "has no time zone", "pass an aware datetime, e.g. in UTC"
        )
    return value.astimezone(UTC)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    if name in _AMBIENT_ZONES or name.startswith(_FOREIGN_TREES):
        raise LookupError(name)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise LookupError(name) from None


def check_zone(name: str, *, field: str = "zone") -> ZoneInfo:
    """Return the IANA time zone of that name.

    Names that mean "whatever this machine has" are refused like unknown ones.

    Raises:
        InvalidInput: naming ``field``, when no such zone exists.

    >>> check_zone("Europe/Istanbul").key
    'Europe/Istanbul'
    >>> check_zone("Europe/Ankara")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: zone: 'Europe/Ankara' is no time zone; pass an IANA ...
    """
    if isinstance(name, str):
        try:
            return _zone(name)
        except LookupError:
            pass
    raise InvalidInput(field, name, "is no time zone", "pass an IANA name like Europe/Istanbul")


def local_midnight(day: date, zone: str) -> datetime:
    """Return the first instant of a local calendar day, as UTC.

    >>> local_midnight(date(2026, 11, 23), "Europe/Istanbul").isoformat()
    '2026-11-22T21:00:00+00:00'
    """
    return resolve_wall(datetime.combine(day, time.min, check_zone(zone)))


def days_between(start: datetime, end: datetime, zone: str) -> int:
    """Count the local midnights that part two instants: the difference of their local dates.

    Negative when ``end`` is on an earlier date. A clock change alters no count.

    Raises:
        InvalidInput: an instant is naive or the zone does not exist.

    >>> noon = datetime(2026, 3, 28, 12, tzinfo=UTC)
    >>> days_between(noon, datetime(2026, 3, 30, 1, tzinfo=UTC), "Europe/Rome")
    2
    """
    place = check_zone(zone)
    return (
        utc(end, field="end").astimezone(place).toordinal()
        - utc(start, field="start").astimezone(place).toordinal()
    )


def resolve_wall(wall: datetime) -> datetime:
    """Return the UTC instant of a wall time in its zone, fold 0.

    A wall time that a clock change skips is the first valid instant after it; one that happens
    twice is the first of the two.

    >>> rome = check_zone("Europe/Rome")
    >>> resolve_wall(datetime(2026, 3, 29, 2, 30, tzinfo=rome)).isoformat()
    '2026-03-29T01:00:00+00:00'
    >>> resolve_wall(datetime(2026, 10, 25, 2, 30, tzinfo=rome)).isoformat()
    '2026-10-25T00:30:00+00:00'
    """
    return resolve_folds(wall, wall.replace(fold=1))


def resolve_folds(first: datetime, second: datetime) -> datetime:
    """Resolve a wall time that is given twice, with fold 0 and with fold 1.

    What :func:`resolve_wall` does, for callers that build both faster than ``replace`` does.

    >>> rome = check_zone("Europe/Rome")
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=rome)
    >>> resolve_folds(noon, datetime(2026, 1, 1, 12, tzinfo=rome, fold=1)).hour
    11
    """
    late = first.astimezone(UTC)
    early = second.astimezone(UTC)
    if late <= early:
        return late
    # A gap: the clocks change after `early`, read with the later offset, and not after `late`.
    zone = first.tzinfo
    before = first.utcoffset()
    while late - early > _SECOND:
        middle = (early + (late - early) // 2).replace(microsecond=0)
        if middle <= early:
            middle = early + _SECOND
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)
