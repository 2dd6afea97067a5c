"""What tests need: fakes of payment providers, and the kit that a gateway has to pass.

Owns strict loopback servers that speak Stripe's, iyzico's and PayTR's protocols, a script of
faults for each of their routes, and the gateway cases as data.
Does not own anything that runs in production. Import each module by its path; none of them needs
an extra or pytest.
"""

__all__: list[str] = []
