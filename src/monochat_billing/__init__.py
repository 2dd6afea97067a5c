"""Prepaid billing as a library: balances, plans, proration, scheduling and message fees."""
