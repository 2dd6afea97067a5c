"""The service: the decisions of the domain, run on a storage.

Holds no rule. :class:`~monochat_billing.service.billing.Billing` is the face.
"""

from monochat_billing.service.billing import Billing, RunReport
from monochat_billing.service.context import new_id, utc_now
from monochat_billing.service.group_commit import GroupCommit
from monochat_billing.service.top_ups import Reconciliation

__all__ = ["Billing", "GroupCommit", "Reconciliation", "RunReport", "new_id", "utc_now"]
