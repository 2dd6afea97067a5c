"""Ticks: instants as they are stored, whole microseconds since 1970-01-01T00:00Z."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_REMEMBERED: Final = 1024


def ticks(at: datetime) -> int:
    """Give an instant as it is stored."""
    return _ticks(at) if at.tzinfo is UTC else (at - _EPOCH) // _TICK


# Most instants of a batch are one and the same: the one at which it runs, or at which its accounts
# were last seen. In other zones than UTC equal datetimes may be an hour apart.
@lru_cache(maxsize=_REMEMBERED)
def _ticks(at: datetime) -> int:
    return (at - _EPOCH) // _TICK


@lru_cache(maxsize=_REMEMBERED)
def instant(stored: int) -> datetime:
    """Give a stored instant as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=stored)
