"""Say which links of a built site lead nowhere inside it; exit with 1 if any does.

``python tools/links.py docs/_build/html``. Addresses of other sites are not fetched.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import final
from urllib.parse import unquote, urlsplit


@final
class Page(HTMLParser):
    """Collect what one page links to, and which anchors it has."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids, links and sources."""
        for name, value in attrs:
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)
            elif value and name in {"href", "src"}:
                self.targets.add(value)


def read(path: Path) -> Page:
    """Read one page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def dead_links(site: Path) -> list[str]:
    """List each dead link as ``page: target``."""
    pages = {path.resolve(): read(path) for path in sorted(site.rglob("*.html"))}
    dead = []
    for path, page in pages.items():
        for target in sorted(page.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = pages[place].anchors if place in pages else {anchor}
            if not place.exists() or (anchor and anchor not in known):
                dead.append(f"{path.relative_to(site.resolve())}: {target}")
    return dead


def main(site: str) -> int:
    """Print what is dead, and how many pages were read."""
    dead = dead_links(Path(site))
    print(*dead, sep="\n", end="\n" if dead else "")
    print(f"{len(dead)} dead links in {len(list(Path(site).rglob('*.html')))} pages")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
