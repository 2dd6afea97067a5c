"""Refills: when a balance asks to be topped up, and by how much.

*Owns* one pure rule, for hosts that charge a stored card or send a payment link by themselves.
*Does not own* the payment: starting a top-up is the host's, and so is not starting it twice, for
which the rule counts what is already on its way.

A refill that falls due by the calendar needs no rule of its own: it is due whenever a period of its
anchor begins (:mod:`monochat_billing.periods`).
"""

from typing import final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.money import MAX_SCALE, Money, amount_text, from_units, to_finest

__all__ = ["RefillRule"]


@final
@attrs.frozen(kw_only=True)
class RefillRule:
    """Ask for money when what is available has fallen to ``threshold`` or below it.

    Either ``amount`` is asked for, as many times as it takes to get above the threshold, or as much
    as reaches ``target``. ``least`` and ``most`` bound what is asked for at once; with ``most`` one
    refill may not suffice, and the next is due when that one has come.

    Raises:
        InvalidInput: not exactly one of ``amount`` and ``target`` is given, the amounts differ in
            currency, one that is asked for is not above zero, the target is not above the
            threshold, or ``most`` is below ``least``.

    >>> from monochat_billing.money import money
    >>> rule = RefillRule(threshold=money("100", "TRY"), amount=money("250", "TRY"))
    >>> rule.due(money("100", "TRY")), rule.due(money("100.01", "TRY"))
    (Money('250', 'TRY'), None)
    >>> rule.due(money("99", "TRY"), coming=money("250", "TRY")) is None
    True
    """

    threshold: Money
    amount: Money | None = None
    target: Money | None = None
    least: Money | None = None
    most: Money | None = None

    def __attrs_post_init__(self) -> None:
        if (self.amount is None) == (self.target is None):
            raise InvalidInput(
                "amount", self.amount, "and target are both given or both missing", "give one"
            )
        for field in ("amount", "least", "most"):
            value = getattr(self, field)
            if value is not None and self._units(value, field) <= 0:
                raise InvalidInput(
                    field, amount_text(value), "is not above zero", "pass a positive amount"
                )
        threshold = self._units(self.threshold, "threshold")
        if self.target is not None and self._units(self.target, "target") <= threshold:
            raise InvalidInput(
                "target", amount_text(self.target), "is not above the threshold", "aim higher"
            )
        if self.least is not None and self.most is not None and self.most < self.least:
            raise InvalidInput(
                "most", amount_text(self.most), "is below least", "let it be at least that"
            )

    def due(self, available: Money, *, coming: Money | None = None) -> Money | None:
        """Give what to ask for now, or None while there is enough.

        ``coming`` is what was asked for before and has not arrived.

        Raises:
            InvalidInput: an amount is in another currency.
        """
        there = self._units(available, "available")
        there += 0 if coming is None else self._units(coming, "coming")
        gap = self._units(self.threshold, "threshold") - there
        if gap < 0:
            return None
        if self.target is not None:
            asked = self._units(self.target, "target") - there
        else:
            once = self._units(self.amount, "amount")
            asked = (gap // once + 1) * once
        if self.least is not None:
            asked = max(asked, self._units(self.least, "least"))
        if self.most is not None:
            asked = min(asked, self._units(self.most, "most"))
        return from_units(asked, self.threshold.currency.code, MAX_SCALE)

    def _units(self, value: Money | None, field: str) -> int:
        if not isinstance(value, Money) or value.currency != self.threshold.currency:
            raise InvalidInput(
                field, str(value), "is not in the threshold's currency", "use one currency"
            )
        return to_finest(value, field=field)
