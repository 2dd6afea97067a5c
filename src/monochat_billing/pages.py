"""Pages: titled tables and lines, laid out for a terminal or as HTML for a notebook.

*Owns* the layout of a page that is one value: sections of rows, columns of numbers whose decimal
marks stand below each other, and the same as a small piece of HTML.
*Does not own* what stands on it.
"""

from collections.abc import Sequence
from html import escape
from typing import Final, final

import attrs

from monochat_billing.tables import table

__all__ = ["Section", "aligned", "page_html", "page_text"]

_STYLE: Final = (
    ".mb{font-family:system-ui,sans-serif;font-size:13px;line-height:1.4;max-width:60em}"
    ".mb h3{font-size:15px;margin:0 0 .6em}"
    ".mb table{border-collapse:collapse;margin:0 0 1em;width:100%}"
    ".mb th{text-align:left;font-weight:600;border-bottom:1px solid #8886;padding:.2em .7em .2em 0}"
    ".mb td{padding:.2em .7em .2em 0;border-bottom:1px solid #8882;vertical-align:top}"
    ".mb .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".mb ul{margin:0 0 1em;padding-left:1.2em}.mb .w{color:#b45309}.mb .s{color:#8889}"
)


@final
@attrs.frozen(kw_only=True)
class Section:
    """Hold rows under heads, or plain lines where there are no heads.

    A head that starts with ``>`` stands over numbers. A section that ``warns`` is set off where
    there is color.
    """

    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    warns: bool = False


def aligned(numbers: Sequence[str], mark: str = ".") -> list[str]:
    """Fill numbers up with blanks on the right, so that their decimal marks meet.

    What is no number stays as it is and is as wide as its column at most.

    >>> aligned(["1,499.00", "0.0009", "5"])
    ['1,499.00  ', '0.0009', '5     ']
    """
    tails = [len(one.rpartition(mark)[2]) + 1 if mark in one else 0 for one in numbers]
    most = max(tails, default=0)
    return [
        one + " " * (most - tail) if one else one for one, tail in zip(numbers, tails, strict=True)
    ]


def page_text(title: str, sections: Sequence[Section]) -> str:
    """Lay out a page in plain text, at most 100 columns where its rows allow it.

    >>> print(page_text("Acme", [Section(heads=("a", ">n"), rows=(("x", "1"),))]))
    Acme
    <BLANKLINE>
    a  n
    -  -
    x  1
    """
    blocks = [title]
    for section in sections:
        if section.heads:
            blocks.append(table(section.heads, section.rows))
        else:
            marker = "! " if section.warns else ""
            blocks.append("\n".join(marker + " ".join(row) for row in section.rows))
    return "\n\n".join(blocks)


def page_html(title: str, sections: Sequence[Section]) -> str:
    """Lay out a page as HTML that stands by itself, with every text escaped.

    >>> page_html("A & B", []).endswith("<h3>A &amp; B</h3></div>")
    True
    """
    body = "".join(map(_section_html, sections))
    return f'<div class="mb"><style>{_STYLE}</style><h3>{escape(title)}</h3>{body}</div>'


def _section_html(section: Section) -> str:
    if not section.heads:
        kind = ' class="w"' if section.warns else ""
        items = "".join(f"<li>{escape(' '.join(row))}</li>" for row in section.rows)
        return f"<ul{kind}>{items}</ul>"
    numeric = [head.startswith(">") for head in section.heads]
    heads = "".join(
        _cell("th", head.removeprefix(">"), is_number=number)
        for head, number in zip(section.heads, numeric, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            _cell("td", text, is_number=number) for text, number in zip(row, numeric, strict=True)
        )
        + "</tr>"
        for row in section.rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(tag: str, text: str, *, is_number: bool) -> str:
    kind = ' class="n"' if is_number else ""
    # Blanks at the right align decimal marks in text; a figure space is as wide as a digit.
    shown = escape(text.rstrip(" ")) + "\u2007" * (len(text) - len(text.rstrip(" ")))
    return f"<{tag}{kind}>{shown}</{tag}>"
