"""The WhatsApp channel: Meta's webhooks as reports that the service applies."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, final

import attrs

from monochat_billing.adapters.whatsapp.rates import markets_of, meta_message_rates
from monochat_billing.adapters.whatsapp.usage import Unpriced, read_pricing
from monochat_billing.adapters.whatsapp.webhooks import (
    MAX_BODY_BYTES,
    MessageStatus,
    Refused,
    sift_statuses,
    verify_signature,
)
from monochat_billing.errors import ForgedCallback, InvalidInput
from monochat_billing.message_terms import MessageTerms
from monochat_billing.messages import AsideReason, StatusReport, StatusWord
from monochat_billing.rating import MessageCategory

__all__ = ["WhatsApp"]

_WORDS: Final[Mapping[str, StatusWord]] = {
    word.value: word for word in StatusWord if word is not StatusWord.UNKNOWN
}
_SIGNATURE: Final = "x-hub-signature-256"
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBERED: Final = 4096
_DIGEST: Final = 32
_WORDS_OF_PRICING: Final = 4


def _secrets(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _terms() -> MessageTerms:
    return MessageTerms(rates=meta_message_rates())


@final
@attrs.frozen(kw_only=True)
class WhatsApp:
    """Read Meta's status webhooks, and hold the terms that messages are charged by.

    ``app_secrets`` is the secret of the Meta app, or several while one is being replaced: a webhook
    is genuine when any of them signed it.

    Meta's message ids are known to encode the recipient's number, so a message is called by a
    digest of its id: no entry, event or record says whose number it went to. The id holds enough
    that nobody can guess for the digest not to be turned back; :meth:`message_id` gives it for an
    id that you have.

    Raises:
        InvalidInput: there is no secret, or an empty one.

    >>> channel = WhatsApp(app_secrets="app-secret")
    >>> channel.message_id("wamid.1")
    'wam-da2f7f8d6171c4b37c6bbbfa87c9126b'
    """

    app_secrets: tuple[str, ...] = attrs.field(converter=_secrets, repr=False)
    terms: MessageTerms = attrs.field(factory=_terms)

    def __attrs_post_init__(self) -> None:
        if not self.app_secrets or not all(self.app_secrets):
            raise InvalidInput("app_secrets", "", "is empty", "pass the secret of the Meta app")

    def read(self, headers: Mapping[str, str], body: bytes) -> tuple[StatusReport, ...]:
        """Check Meta's signature in constant time, and give what the statuses of a body say.

        Header names count in any case. A malformed status of a genuine body is among them, with
        its problem: it costs the others nothing.

        Raises:
            ForgedCallback: the signature is missing, or none of the secrets made it.
            InvalidInput: the body is too long, no JSON, or of another object.
        """
        if len(body) > MAX_BODY_BYTES:
            raise InvalidInput(
                "body",
                f"{len(body)} bytes",
                "is too long",
                f"refuse bodies above {MAX_BODY_BYTES} bytes before reading them",
            )
        self._verify(headers, body)
        statuses, refused = sift_statuses(body)
        reports = [_report(status) for status in statuses]
        return (*reports, *map(_malformed, refused))

    def reread(self, status: StatusReport) -> StatusReport:
        """Read Meta's words again, of a status that was not understood when it came."""
        if len(status.words) != _WORDS_OF_PRICING:
            return status
        kind, subtype, category, billable = (word or None for word in status.words)
        flag = None if billable is None else billable == "true"
        found, charged, problem, detail = _pricing(kind or "", subtype, category, flag)
        return attrs.evolve(
            status, category=found, billable=charged, problem=problem, detail=detail
        )

    def message_id(self, provider_id: str) -> str:
        """Give the id that a message has here, by the one that Meta gave it."""
        return _message_id(provider_id)

    def markets(self, phone_number: str) -> tuple[str, ...]:
        """Give the markets that a number can belong to, the most specific first.

        Raises:
            InvalidInput: it is no international phone number.
        """
        return markets_of(phone_number)

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        header = headers.get("X-Hub-Signature-256")
        if header is None:
            header = next(
                (value for name, value in headers.items() if name.lower() == _SIGNATURE), None
            )
        *others, last = self.app_secrets
        for secret in others:
            try:
                return verify_signature(body, header, secret)
            except ForgedCallback:
                continue
        return verify_signature(body, header, last)


def _message_id(wamid: str) -> str:
    digest = hashlib.sha256(wamid.encode("utf-8", "surrogatepass")).hexdigest()
    return f"wam-{digest[:_DIGEST]}"


def _malformed(refused: Refused) -> StatusReport:
    return StatusReport(
        number=refused.phone_number_id,
        message=_message_id(refused.message_id) if refused.message_id else "",
        word=StatusWord.UNKNOWN,
        at=_NO_TIME,
        problem=AsideReason.MALFORMED,
        detail=refused.problem,
    )


def _report(status: MessageStatus) -> StatusReport:
    word = _WORDS.get(status.status)
    problem, detail = None, ""
    category, billable = None, None
    words: tuple[str, ...] = ()
    if word is None:
        word, problem, detail = StatusWord.UNKNOWN, AsideReason.UNKNOWN_STATUS, status.status[:80]
    elif word.arrived and status.pricing_type is not None:
        category, billable, problem, detail = _pricing(
            status.pricing_type,
            status.pricing_subtype,
            status.pricing_category,
            status.pricing_billable,
        )
        if problem is not None:
            words = _words(status)
    return StatusReport(
        number=status.phone_number_id,
        message=_message_id(status.message_id),
        word=word,
        at=status.occurred_at,
        markets=_markets(status.recipient) if status.pricing_type is not None else (),
        category=category,
        billable=billable,
        problem=problem,
        detail=detail,
        words=words,
    )


def _words(status: MessageStatus) -> tuple[str, ...]:
    flag = status.pricing_billable
    return (
        status.pricing_type or "",
        status.pricing_subtype or "",
        status.pricing_category or "",
        "" if flag is None else str(flag).lower(),
    )


def _markets(recipient: str | None) -> tuple[str, ...]:
    try:
        return markets_of(recipient or "")
    except InvalidInput:
        return ()


@lru_cache(maxsize=_REMEMBERED)
def _pricing(
    kind: str,
    subtype: str | None,
    category: str | None,
    billable: Any,  # noqa: ANN401 - None too
) -> tuple[MessageCategory | None, bool | None, AsideReason | None, str]:
    """Read Meta's pricing: the category and whether it charges, or what was not understood."""
    said = MessageStatus(
        message_id="-",
        status="delivered",
        occurred_at=_NO_TIME,
        phone_number_id="-",
        pricing_type=kind,
        pricing_subtype=subtype,
        pricing_category=category,
        pricing_billable=billable,
    )
    try:
        found, charged = read_pricing([said])
    except Unpriced as why:
        return None, None, AsideReason(why.reason.value), why.detail[:80]
    return found, charged, None, ""
