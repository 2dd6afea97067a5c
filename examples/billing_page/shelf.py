"""What the server remembers between two requests: quotes that were shown, and notes to show next.

Owns a bounded place for values that may be forgotten, and the token that proves where a form came
from. Does not own anything that matters after a restart: that is in the books.

One process has one shelf. A host with several keeps these where all of them look, in its session
store for example; a quote that is not found costs the customer one more look at the price.
"""

import hmac
import secrets
import threading
from collections import OrderedDict
from typing import Final, Generic, TypeVar, final

__all__ = ["Shelf", "form_token", "fresh_token", "is_form_token"]

T = TypeVar("T")

_MOST: Final = 10_000


@final
class Shelf(Generic[T]):
    """Keep the last ``most`` values, each under its owner and name.

    >>> shelf: Shelf[int] = Shelf(most=2)
    >>> for number in (1, 2, 3):
    ...     shelf.put("acme", str(number), number)
    >>> shelf.get("acme", "1"), shelf.get("acme", "3"), shelf.get("other", "3")
    (None, 3, None)
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._values: OrderedDict[tuple[str, str], T] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, owner: str, name: str, value: T) -> None:
        """Keep a value; the oldest gives way when there are too many."""
        with self._lock:
            self._values[owner, name] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def get(self, owner: str, name: str) -> T | None:
        """Give what is kept under that owner and name, if anything is."""
        with self._lock:
            return self._values.get((owner, name))

    def take(self, owner: str, name: str) -> T | None:
        """Give it and forget it."""
        with self._lock:
            return self._values.pop((owner, name), None)


def fresh_token() -> str:
    """Make a token that nobody can guess, for a session or for the key of a form."""
    return secrets.token_urlsafe(24)


def form_token(secret: str, session: str) -> str:
    """Give the token that the forms of a session carry.

    Another site can make a browser send the session's cookie, but cannot read this.

    >>> is_form_token("secret", "s-1", form_token("secret", "s-1"))
    True
    >>> is_form_token("secret", "s-2", form_token("secret", "s-1"))
    False
    """
    return hmac.new(secret.encode(), f"form {session}".encode(), "sha256").hexdigest()


def is_form_token(secret: str, session: str, token: str) -> bool:
    """Tell whether a form came from a page of this session."""
    return hmac.compare_digest(form_token(secret, session).encode(), token.encode())
