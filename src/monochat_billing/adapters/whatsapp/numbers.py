"""Recipients' numbers as people write them: their market, and nothing else of them.

Needs the extra ``[whatsapp]`` (phonenumbers, Google's rules of numbers). *Owns* reading a number in
any common form and saying its market; *does not own* the markets themselves, which are data by
calling code (:mod:`monochat_billing.adapters.whatsapp.rates`).

Statuses name recipients in international form and need none of this. It is for what comes before:
an address book whose numbers are to be counted by market for an estimate.

>>> from monochat_billing.adapters.whatsapp.numbers import market_of_number
>>> market_of_number("0532 000 00 00", region="TR")
'Turkey'
>>> market_of_number("+1 (809) 234-5678")
'Rest of Latin America'
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NoReturn, final

import attrs

from monochat_billing.adapters.whatsapp.rates import market_of
from monochat_billing.errors import InvalidInput, MissingExtra
from monochat_billing.rating import RateCard

try:
    import phonenumbers
except ImportError as _missing:
    raise MissingExtra("monochat_billing.adapters.whatsapp.numbers", "whatsapp") from _missing

__all__ = ["CountedRecipients", "count_recipients", "international", "market_of_number"]

_CALLING_CODE_ONLY: Final = "ZZ"


def _refuse(text: str, problem: str) -> NoReturn:
    raise InvalidInput(
        "phone_number",
        f"text of {len(text)} characters",
        problem,
        "pass it with its calling code, such as +90…, or with the region that it is dialed in",
    ) from None


def international(phone_number: str, *, region: str = "") -> str:
    """Return a number's digits with its calling code, as statuses name recipients.

    ``region`` is the ISO 3166 code of the country in which a number without calling code is dialed,
    ``TR`` for ``0532…``.

    Raises:
        InvalidInput: it is no number that could be assigned; the error does not repeat it.

    >>> international("0 (532) 000-00-00", region="TR")
    '905320000000'
    >>> international("12", region="TR")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: phone_number: 'text of 2 characters' is too ...
    """
    try:
        found = phonenumbers.parse(phone_number, region.upper() or _CALLING_CODE_ONLY)
    except phonenumbers.NumberParseException:
        _refuse(phone_number, "is no phone number")
    if not phonenumbers.is_possible_number(found):
        _refuse(phone_number, "is too long or too short for its country")
    written = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
    return str(written).removeprefix("+")


def market_of_number(phone_number: str, card: RateCard | None = None, *, region: str = "") -> str:
    """Return Meta's market of a number in any common form.

    Raises:
        InvalidInput: it is no number that could be assigned, or the card has no market for it.
    """
    return market_of(international(phone_number, region=region), card)


@final
@attrs.frozen(kw_only=True)
class CountedRecipients:
    """Hold how many recipients there are in each market, and how many numbers were none.

    ``repeated`` numbers stood there before, in this form or another.
    """

    by_market: Mapping[str, int]
    refused: int
    repeated: int


def count_recipients(
    phone_numbers: Iterable[str], card: RateCard | None = None, *, region: str = ""
) -> CountedRecipients:
    """Count an address book by market, each number once; the numbers themselves are not kept.

    >>> book = ["0532 000 00 00", "+90 532 000 0000", "+49 30 000000", "none"]
    >>> found = count_recipients(book, region="TR")
    >>> dict(found.by_market), found.refused, found.repeated
    ({'Turkey': 1, 'Germany': 1}, 1, 1)
    """
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    refused = repeated = 0
    for text in phone_numbers:
        try:
            number = international(text, region=region)
            market = market_of(number, card)
        except InvalidInput:
            refused += 1
            continue
        if number in seen:
            repeated += 1
            continue
        seen.add(number)
        counts[market] += 1
    return CountedRecipients(by_market=dict(counts), refused=refused, repeated=repeated)
