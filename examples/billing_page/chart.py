"""The runway as a picture: the balance ahead, as an SVG that stands in the page itself.

Owns where the line goes. Does not own any figure on it: charges come from the forecast and the burn
from the runway, so the picture says what the sentence below it says.
"""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing import Forecast, Money, Overview, Runway
from monochat_billing.money import as_fraction
from monochat_billing.wording import Words

__all__ = ["AHEAD", "Chart", "chart"]

AHEAD: Final = timedelta(days=92)
"""How far the picture looks ahead; less far where the balance ends much sooner."""

_WIDTH: Final = 640
_HEIGHT: Final = 180
_LEFT: Final = 8
_TOP: Final = 26
_BOTTOM: Final = 26
_TICKS: Final = 3
_LEAST: Final = timedelta(days=14)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1) // _MICROSECOND


@final
@attrs.frozen(kw_only=True)
class Chart:
    """Hold what the template draws: paths in a box of ``width`` by ``height``, ticks, and the top.

    ``dry`` is where the balance has come to an end, in the same coordinates, None if it does not.
    """

    width: int
    height: int
    base: int
    line: str
    area: str
    ticks: tuple[tuple[int, str, str], ...]
    top: str
    dry: int | None


def chart(page: Overview, run: Runway, forecast: Forecast, words: Words) -> Chart | None:
    """Draw the balance of a runway from now on; None where there is nothing to show."""
    line = next((one for one in page.balances if one.unit == run.unit), None)
    if line is None or not isinstance(line.available, Money) or line.available.amount <= 0:
        return None
    points = _points(run, forecast, as_fraction(line.available))
    most = max(value for _, value in points)
    until = _horizon(run, forecast)

    def across(at: datetime) -> int:
        share = Fraction((at - run.as_of) // _MICROSECOND, (until - run.as_of) // _MICROSECOND)
        return _LEFT + int(share * (_WIDTH - 2 * _LEFT))

    base = _HEIGHT - _BOTTOM

    def down(value: Fraction) -> int:
        return base - int(max(value, Fraction(0)) / most * (base - _TOP))

    path = " ".join(f"L{across(at)} {down(value)}" for at, value in points).replace("L", "M", 1)
    first, last = across(points[0][0]), across(points[-1][0])
    step = (until - run.as_of) / _TICKS
    anchors = ("start", *("middle",) * (_TICKS - 1), "end")
    return Chart(
        width=_WIDTH,
        height=_HEIGHT,
        base=base,
        line=path,
        area=f"{path} L{last} {base} L{first} {base} Z",
        ticks=tuple(
            (across(at), words.local_short_day(at, run.zone), anchor)
            for at, anchor in zip(
                (run.as_of + number * step for number in range(_TICKS + 1)), anchors, strict=True
            )
        ),
        top=words.rate(most, run.unit),
        dry=across(run.until) if run.until is not None and run.until <= until else None,
    )


def _horizon(run: Runway, forecast: Forecast) -> datetime:
    """Look half as far again as the balance lasts, so that its end stands within the picture."""
    if run.until is None:
        return forecast.until
    return min(forecast.until, run.as_of + max((run.until - run.as_of) * 3 // 2, _LEAST))


def _points(
    run: Runway, forecast: Forecast, available: Fraction
) -> list[tuple[datetime, Fraction]]:
    """Walk from now to the end of the forecast, or to where the balance ends."""
    horizon = _horizon(run, forecast)
    end = min(run.until or horizon, horizon)
    points = [(run.as_of, available)]

    def burn_to(at: datetime) -> None:
        before, value = points[-1]
        points.append(
            (at, value - run.burn.per_day * Fraction((at - before) // _MICROSECOND, _DAY))
        )

    for line in forecast.about_money:
        moved = line.amount
        if line.at > end or not isinstance(moved, Money) or moved.currency.code != run.unit:
            continue
        burn_to(line.at)
        points.append((line.at, points[-1][1] + as_fraction(moved)))
    burn_to(end)
    return points
