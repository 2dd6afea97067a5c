"""A pipeline: many statements to PostgreSQL in one round trip, by libpq's own pipeline mode.

Owns one connection's prepared statements, and how values travel: as text, both ways.
Does not own what the statements are, or what their errors mean.

psycopg has a pipeline too. It looks for answers after every statement that it sends, which costs as
much as the statements themselves; here nothing is waited for until all of them are sent.
"""

import hashlib
import select
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, final

import attrs

from monochat_billing.adapters.sql._rows import Row

UNPREPARED: Final = "26000"
"""What a server says of a prepared statement that it has not got.

Psycopg lets the server forget all of a connection's after a ROLLBACK or a change of the schema, if
it has prepared some of its own there. Nothing was done, so it is prepared anew and run again.
"""

PREPARED: Final = "42P05"
"""What a server says of a prepared statement that it has already: it is the same, by its name."""

_REMEMBERED: Final = 256
_ANY_OTHER: Final = 0
_BOOLEAN: Final = 16
_INTEGERS: Final = (20, 21, 23, 1700)
"""int8, int2, int4, and the numeric that a sum of them is."""


@final
@attrs.frozen
class Interrupted(Exception):
    """Say which statement of an exchange failed; those after it were not run."""

    place: int
    error: Exception


@lru_cache(maxsize=_REMEMBERED)
def _numbered(text: str) -> bytes:
    """Number the placeholders, as the protocol wants them."""
    first, *rest = text.split("%s")
    numbered = [f"${place}{part}" for place, part in enumerate(rest, 1)]
    return "".join([first, *numbered]).replace("%%", "%").encode()


@lru_cache(maxsize=_REMEMBERED)
def _name(text: str) -> bytes:
    """Name a statement by what it says.

    A pooler may give a session away in which somebody else has prepared statements of ours. Then a
    name is unknown there, or means the same; it never is another statement.
    """
    return b"billing_" + hashlib.sha256(text.encode()).hexdigest()[:40].encode()


def _sent(value: object) -> bytes | None:
    return None if value is None else str(value).encode()


@final
@attrs.frozen
class _Reading:
    """Say how values are read, in psycopg's own terms: of no connection, and nobody else's way.

    What a host has registered, for one connection or for all of them, is not for our rows: floats
    for ``numeric``, say.
    """

    adapters: Any
    connection: None = None


def _reader() -> Any:  # noqa: ANN401 - psycopg's
    from psycopg.adapt import Transformer  # noqa: PLC0415 - an extra

    return Transformer(_reading())


@lru_cache(maxsize=1)
def _reading() -> _Reading:
    from psycopg.adapt import AdaptersMap  # noqa: PLC0415 - an extra
    from psycopg.types.bool import BoolLoader  # noqa: PLC0415 - as above
    from psycopg.types.numeric import IntLoader  # noqa: PLC0415 - as above
    from psycopg.types.string import TextLoader  # noqa: PLC0415 - as above

    adapters = AdaptersMap()
    adapters.register_loader(_ANY_OTHER, TextLoader)
    adapters.register_loader(_BOOLEAN, BoolLoader)
    for integer in _INTEGERS:
        adapters.register_loader(integer, IntLoader)
    return _Reading(adapters)


@final
class Pipeline:
    """Exchange statements for their rows on one psycopg connection.

    A statement is prepared the first time that it is sent, unless the connection was told not to
    prepare any (``prepare_threshold=None``), as some connection poolers need it.
    """

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - psycopg, which is an extra
        self._connection = connection
        self._names: dict[str, bytes] = {}
        self._poll = _poller(connection.fileno())
        self._reader = _reader()

    def exchange(self, asks: Sequence[tuple[str, Sequence[object]]]) -> list[list[Row]]:
        """Run statements in their order and give the rows of each.

        Raises:
            Interrupted: a statement failed.
        """
        pgconn = self._connection.pgconn
        commands: list[int | str] = []
        pgconn.enter_pipeline_mode()
        try:
            for place, (text, values) in enumerate(asks):
                self._send(pgconn, text, values, commands, place)
            pgconn.pipeline_sync()
            results = self._results(pgconn)
        except BaseException:  # an interrupt too, and raised again
            # What was sent may still be answered: nobody else may read these answers as theirs.
            pgconn.finish()
            raise
        pgconn.exit_pipeline_mode()
        return self._rows(results, commands)

    def _send(
        self,
        pgconn: Any,  # noqa: ANN401 - libpq's connection
        text: str,
        values: Sequence[object],
        commands: list[int | str],
        place: int,
    ) -> None:
        parameters = [_sent(value) for value in values]
        if self._connection.prepare_threshold is None:
            pgconn.send_query_params(_numbered(text), parameters)
        else:
            name = self._names.get(text)
            if name is None:
                name = self._names[text] = _name(text)
                pgconn.send_prepare(name, _numbered(text))
                commands.append(text)
            pgconn.send_query_prepared(name, parameters)
        commands.append(place)

    def _results(self, pgconn: Any) -> list[Any]:  # noqa: ANN401 - libpq's connection
        """Read what is answered, up to the point that was marked last."""
        from psycopg import OperationalError  # noqa: PLC0415 - an extra
        from psycopg.pq import ConnStatus, ExecStatus  # noqa: PLC0415 - an extra

        found: list[Any] = []
        while True:
            unsent = pgconn.flush()
            while unsent or pgconn.is_busy():
                if self._poll(bool(unsent)):
                    pgconn.consume_input()
                unsent = pgconn.flush() if unsent else 0
            result = pgconn.get_result()
            if result is not None:
                if result.status == ExecStatus.PIPELINE_SYNC:
                    return found
                found.append(result)
            elif pgconn.status != ConnStatus.OK:
                raise OperationalError(pgconn.get_error_message())

    def _rows(self, results: Sequence[Any], commands: Sequence[int | str]) -> list[list[Row]]:
        from psycopg.errors import error_from_result  # noqa: PLC0415 - an extra
        from psycopg.pq import ExecStatus  # noqa: PLC0415 - an extra

        reader = self._reader
        rows: list[list[Row]] = []
        for at, (result, command) in enumerate(zip(results, commands, strict=True)):
            if result.status == ExecStatus.TUPLES_OK:
                reader.set_pgresult(result)
                rows.append(reader.load_rows(0, result.ntuples, tuple))
            elif result.status == ExecStatus.COMMAND_OK:
                if isinstance(command, int):
                    rows.append([])
            else:
                place = next(one for one in commands[at:] if isinstance(one, int))
                error = error_from_result(result)
                self._forget(commands, at, error.sqlstate)
                raise Interrupted(place, error)
        return rows

    def _forget(self, commands: Sequence[int | str], failed: int, state: str | None) -> None:
        """Remember only what the server has prepared by all that it has said."""
        kept = [one for one in commands[:failed] if isinstance(one, str)]
        lost = [one for one in commands[failed:] if isinstance(one, str)]
        if state == PREPARED:
            del lost[0]
        for text in lost:
            del self._names[text]
        if state == UNPREPARED:
            self._names = {text: _name(text) for text in kept}


def _poller(descriptor: int) -> Callable[[bool], bool]:
    """Wait for a socket: give whether something came in."""
    if not hasattr(select, "poll"):

        def selected(unsent: bool) -> bool:  # noqa: FBT001 - private

            outgoing = [descriptor] if unsent else []
            return bool(select.select([descriptor], outgoing, [])[0])

        return selected
    reading, both = select.poll(), select.poll()
    reading.register(descriptor, select.POLLIN)
    both.register(descriptor, select.POLLIN | select.POLLOUT)

    def polled(unsent: bool) -> bool:  # noqa: FBT001 - private
        ((_, happened),) = (both if unsent else reading).poll()
        return bool(happened & ~select.POLLOUT)

    return polled
