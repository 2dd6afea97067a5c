"""Breaches: what a change to another product would break, at what is in use.

*Owns* the comparison of two products with a usage, and the sentence for each thing that breaks.
*Does not own* counting (the host does), or what a change costs.
"""

from collections.abc import Mapping
from typing import final

import attrs

from monochat_billing.limits import LimitCheck, check
from monochat_billing.products import Product
from monochat_billing.translations import mark
from monochat_billing.wording import Words

__all__ = ["Breach", "breaches"]


@final
@attrs.frozen(kw_only=True)
class Breach:
    """Name one thing that a change would break: a limit that is exceeded or a feature that is lost.

    ``check`` is None for a feature; ``names`` are those of the product, by language.
    """

    product: str
    name: str
    check: LimitCheck | None = None
    names: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    @property
    def blocks(self) -> bool:
        """Tell whether it is above a hard limit; overage is only charged, a feature only lost."""
        return self.check is not None and not self.check.allowed

    def __str__(self) -> str:
        if self.check is None:
            return f"{self.name} is not part of {self.product}"
        return f"{self.product} limits {self.check}"

    def explain(self, locale: str = "en") -> str:
        """Say it in one sentence, in English (``en``) or Turkish (``tr``).

        Raises:
            InvalidInput: the locale is another.

        >>> Breach(product="basic", name="api").explain("tr")
        'API, basic kapsamında değil'
        """
        words = Words(locale)
        product = self.names.get(locale) or self.names.get("en") or self.product
        if self.check is None:
            return words.say(
                "{name} is not part of {product}", name=words.term(self.name), product=product
            )
        over = mark("{product} limits {name}: {used} used, {over} above the limit of {most}")
        if self.check.charged:
            over = mark("{product} includes {most} {name}: {used} used, {over} charged as overage")
        return words.say(
            over,
            product=product,
            name=words.term(self.name),
            used=words.number(self.check.used),
            over=words.number(self.check.over),
            most=words.number(self.check.limit.most or 0),
        )


def breaches(old: Product, new: Product, usage: Mapping[str, int]) -> tuple[Breach, ...]:
    """List what a change from ``old`` to ``new`` would break, at what is in use now.

    What is above a limit of the new product comes first, in the order of its limits, then the
    features that only the old one has. Names in ``usage`` that the new product says nothing about
    break nothing.

    Raises:
        InvalidInput: a usage is not a whole number from zero up.

    >>> from monochat_billing.limits import hard
    >>> from monochat_billing.products import Family, Feature
    >>> plan = {"family": Family.PLAN, "names": {}, "prices": ()}
    >>> pro = Product(id="pro", limits=(hard("users", 9),), features=(Feature(id="api"),), **plan)
    >>> basic = Product(id="basic", limits=(hard("users", 2),), **plan)
    >>> [str(one) for one in breaches(pro, basic, {"users": 7})]
    ['basic limits users: 7 used, 5 above the limit of 2', 'api is not part of basic']
    """
    checked = [check(limit, usage[limit.name]) for limit in new.limits if limit.name in usage]
    above = [
        Breach(product=new.id, name=one.limit.name, check=one, names=new.names)
        for one in checked
        if one.over
    ]
    lost = [
        Breach(product=new.id, name=one.id, names=new.names)
        for one in old.features
        if not new.has(one.id)
    ]
    return (*above, *lost)
