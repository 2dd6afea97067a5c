"""WhatsApp: Meta's status webhooks in, usage records out.

The way from a webhook to an amount is: ``verify_signature`` on the raw body, ``parse_statuses``,
``collect_usage``, then ``rating.rate_many`` with ``meta_rate_cards``. Nothing here charges.

Meta sends a message's statuses in any order and more than once, and sends *read* without
*delivered* when both happen at once. So a message is charged for having been delivered or read,
once by its message id, and everything that cannot be priced is set aside with a reason. Whether a
message is free is Meta's word (``pricing.type``): it is not worked out again from the 24-hour
window, the 72-hour entry point or the 1,000 free service messages of a month. ``rating`` prices
the base rate of the card; ``message_pricing`` with ``meta_message_rates`` adds volume tiers, and
prices messages that have no flag yet by the rules of their day.

Sources: Meta, WhatsApp Business Platform, "Status messages webhook reference" and "Pricing".
Statuses carry a recipient's number only until the market is known: no usage record and no error
has it. A message id is opaque to this library, but Meta's ids are known to encode the number.
"""

from monochat_billing.adapters.whatsapp.channel import WhatsApp
from monochat_billing.adapters.whatsapp.rates import (
    METER,
    market_of,
    markets_of,
    meta_message_rates,
    meta_rate_cards,
)
from monochat_billing.adapters.whatsapp.usage import (
    CollectedUsage,
    SetAside,
    SetAsideReason,
    collect_usage,
)
from monochat_billing.adapters.whatsapp.webhooks import (
    MAX_BODY_BYTES,
    MessageStatus,
    parse_statuses,
    verify_signature,
)

__all__ = [
    "MAX_BODY_BYTES",
    "METER",
    "CollectedUsage",
    "MessageStatus",
    "SetAside",
    "SetAsideReason",
    "WhatsApp",
    "collect_usage",
    "market_of",
    "markets_of",
    "meta_message_rates",
    "meta_rate_cards",
    "parse_statuses",
    "verify_signature",
]
