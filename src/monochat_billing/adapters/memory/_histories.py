"""The entries of one unit, in the orders that statements ask for.

Owns which entries stand in a window, and what a balance was at a place in it.
Does not own what a reading is (:mod:`monochat_billing.readings`).
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import takewhile

import attrs

from monochat_billing.balance import Entry
from monochat_billing.readings import Place, Reading, Window


@attrs.define
class History:
    """Keep the entries of one unit in the orders that statements ask for.

    ``entries`` are in the order of their numbers, in which their recorded instants never fall;
    ``late`` are those of them that are effective at another instant, in the order of that.
    """

    entries: list[Entry] = attrs.field(factory=list)
    late: list[Entry] = attrs.field(factory=list)

    def take(self, entry: Entry) -> None:
        self.entries.append(entry)
        if _is_late(entry):
            insort(self.late, entry, key=Reading.AS_EFFECTIVE.place)

    def behind(self, window: Window, after: Place) -> Iterator[Entry]:
        """Give the entries of a window that stand behind a place, in the order of its reading."""
        first = bisect_right(self.entries, after, key=Reading.AS_RECORDED.place)
        found: Iterable[Entry] = _from(self.entries, first)
        if window.reading is Reading.AS_EFFECTIVE:
            on_time = (one for one in found if not _is_late(one))
            begin = bisect_right(self.late, after, key=Reading.AS_EFFECTIVE.place)
            late = _from(self.late, begin)
            found = merge(on_time, late, key=Reading.AS_EFFECTIVE.place)
        place, end = window.reading.place, window.end
        for entry in takewhile(lambda one: place(one) < end, found):
            if window.counts(entry):
                yield entry

    def upto(self, window: Window, place: Place) -> int:
        """Give what was recorded by then, corrected by what counts at another instant."""
        last = bisect_right(self.entries, place, key=Reading.AS_RECORDED.place)
        while last and not window.counts(self.entries[last - 1]):
            last -= 1
        units = self.entries[last - 1].balance_after if last else 0
        if window.reading is Reading.AS_EFFECTIVE:
            for entry in filter(window.counts, self.late):
                units += entry.amount * (
                    (Reading.AS_EFFECTIVE.place(entry) <= place)
                    - (Reading.AS_RECORDED.place(entry) <= place)
                )
        return units


def _from(entries: Sequence[Entry], first: int) -> Iterator[Entry]:
    """Give the entries from a place on; unlike islice it does not walk there."""
    return (entries[place] for place in range(first, len(entries)))


def _is_late(entry: Entry) -> bool:
    return entry.effective_at != entry.recorded_at
