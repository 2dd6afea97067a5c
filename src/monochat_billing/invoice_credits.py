"""Invoice credits: what a credit note takes from which line of its invoice.

*Owns* what was given back of each line so far, and how an amount is taken from the lines.
*Does not own* the credit note itself (``invoicing``), or how tax is split (``tax``).
"""

from collections.abc import Mapping, Sequence

import attrs

from monochat_billing.invoices import Invoice, InvoiceLine
from monochat_billing.money import Money, add, from_units, minor_digits, negate, subtract, to_units
from monochat_billing.tax import TaxLine, credit_line

__all__ = ["credit_lines", "given_back"]


def given_back(invoice: Invoice, earlier: Sequence[Invoice]) -> dict[int, TaxLine]:
    """Sum what was given back of each line so far."""
    zero = invoice.nothing
    given = {
        line.number: attrs.evolve(line.tax, net=zero, tax=zero, gross=zero)
        for line in invoice.lines
    }
    for note in earlier:
        for line in note.lines:
            if line.line is not None:
                before, more = given[line.line], line.tax
                given[line.line] = attrs.evolve(
                    before,
                    net=add(before.net, more.net),
                    tax=add(before.tax, more.tax),
                    gross=add(before.gross, more.gross),
                )
    return given


def credit_lines(
    invoice: Invoice,
    left: Mapping[int, Money],
    given: Mapping[int, TaxLine],
    wanted: Money,
    *,
    whole: bool,
) -> tuple[InvoiceLine, ...]:
    """Take ``wanted`` from the lines, first to last; what gives back comes off with the rest."""
    digits = minor_digits(invoice.currency)
    open_units = to_units(wanted, digits)
    lines: list[InvoiceLine] = []
    for line in invoice.lines:
        rest = to_units(left[line.number], digits)
        part = rest if whole else min(max(rest, 0), open_units)
        if not part:
            continue
        open_units -= part
        gross = from_units(part, invoice.currency, digits)
        before = given[line.number]
        untouched = whole and not before.gross.amount
        lines.append(
            attrs.evolve(
                line,
                number=len(lines) + 1,
                count=0,
                ledger=line.ledger if untouched else gross,
                promotional=from_units(0, invoice.currency),
                tax=_credited(line.tax, before, gross, last=part == rest),
                line=line.number,
            )
        )
    return tuple(lines)


def _credited(split: TaxLine, before: TaxLine, gross: Money, *, last: bool) -> TaxLine:
    """Split what is given back of a line; the last part takes what the others have left."""
    if last:
        net, tax = subtract(split.net, before.net), subtract(split.tax, before.tax)
    else:
        part = credit_line(split, gross, credited=before.gross)
        net, tax = negate(part.net), negate(part.tax)
    return attrs.evolve(split, net=net, tax=tax, gross=gross)
