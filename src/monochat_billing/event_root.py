"""What every event is: a frozen fact about an account, true since an instant.

Owns the fields that all events share.
Does not own any event.
"""

from datetime import datetime

import attrs

__all__ = ["Event"]


@attrs.frozen(kw_only=True)
class Event:
    """Be the part that all events share: whose it is and since when it is true."""

    account: str
    at: datetime
