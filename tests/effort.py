"""How many examples a law is tried with, as a part of what the profile says.

A law over whole accounts costs a hundred times one over numbers, so it takes a part of the
examples; a part, and not a number, so that ``make test-deep`` goes as much further with it.
"""

from hypothesis import settings

FEWEST = 5


def one_in(many: int) -> settings:
    """Take one of so many of the profile's examples, as a decorator or as a machine's settings."""
    return settings(max_examples=max(settings().max_examples // many, FEWEST))
