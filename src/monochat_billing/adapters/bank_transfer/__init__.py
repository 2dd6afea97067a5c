"""Bank transfers as a payment gateway: a person confirms what arrived.

Owns the instructions that a buyer reads, and the signed approval that an operator makes.
Does not own top-ups or balances, nor any network: nobody asks the bank.

It needs nothing beyond the library's own dependencies.
"""

from monochat_billing.adapters.bank_transfer.approvals import Approval, sign_approval
from monochat_billing.adapters.bank_transfer.gateway import BankTransferGateway

__all__ = ["Approval", "BankTransferGateway", "sign_approval"]
