"""Simulation: what will it cost, before it costs it.

The production service on a clock that moves: scenarios, branching futures, comparisons of plans,
uncertainty, and the past under other prices. Each module is imported by its path; this one offers
what most notebooks begin with.
"""

from monochat_billing.simulation.actions import (
    BuyPack,
    Cancel,
    Change,
    Charge,
    Credit,
    Pause,
    Resume,
    ScheduleChange,
    Subscribe,
    TopUp,
    Use,
)
from monochat_billing.simulation.runs import Run, Simulation, simulate
from monochat_billing.simulation.scenarios import Scenario, SimulatedAccount, Step, monthly

__all__ = [
    "BuyPack",
    "Cancel",
    "Change",
    "Charge",
    "Credit",
    "Pause",
    "Resume",
    "Run",
    "Scenario",
    "ScheduleChange",
    "SimulatedAccount",
    "Simulation",
    "Step",
    "Subscribe",
    "TopUp",
    "Use",
    "monthly",
    "simulate",
]
