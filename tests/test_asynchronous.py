"""The asynchronous face: the same verbs, awaited, and tasks that share commits."""

import ast
import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import attrs
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from monochat_billing import Billing, Entry, InsufficientFunds, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import InvalidInput, StorageError, StoreBusy
from monochat_billing.repositories import Reader, Storage, UnitOfWork
from monochat_billing.service import asynchronous
from monochat_billing.service.asynchronous import AsyncBilling
from monochat_billing.service.group_commit import GroupCommit
from tests.desk import PROFILE, SECRET, Clock
from tests.factories import lira

T = TypeVar("T")


@attrs.define(eq=False)
class Counted:
    """Be a storage that counts its commits, and holds them up while ``open`` is not set."""

    inner: Storage
    writes: int = 0
    open: threading.Event = attrs.field(factory=threading.Event)
    entered: threading.Event = attrs.field(factory=threading.Event)

    def read(self, work: Callable[[Reader], T]) -> T:
        return self.inner.read(work)

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        self.writes += 1
        self.entered.set()
        assert self.open.wait(30)
        return self.inner.write(work)


@attrs.define
class Shop:
    storage: Counted
    billing: Billing
    tasks: AsyncBilling

    def posted(self) -> int:
        return self.billing.balances.list("acme")["TRY"].posted // 10**6

    async def debit(self, key: str, amount: str = "10") -> Entry:
        return await self.tasks.balances.debit("acme", lira(amount), reason="export", key=key)

    async def held_up(self) -> "asyncio.Task[Entry]":
        """Start a debit and let it stand before its commit."""
        self.storage.open.clear()
        self.storage.entered.clear()
        task = asyncio.ensure_future(self.debit("first"))
        assert await asyncio.to_thread(self.storage.entered.wait, 30)
        return task


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Shop]:
    opened: Storage = MemoryStorage()
    if request.param == "sqlite":
        opened = SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}")
    elif request.param == "postgres":
        opened = SqlStorage(request.getfixturevalue("postgres_url"))
    storage = Counted(opened)
    storage.open.set()
    billing = Billing(
        catalog=sample_catalog(),
        storage=storage,
        clock=clock,
        gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
    )
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE)
    billing.balances.credit("acme", lira("100"), reason="opening", key="opening")
    storage.writes = 0
    yield Shop(storage, billing, AsyncBilling(billing))
    if isinstance(opened, SqlStorage):
        opened.close()


def nouns() -> dict[str, type]:
    hints = get_type_hints(Billing)
    return {name: kind for name, kind in hints.items() if not name.startswith("_")}


def verbs_of(kind: type) -> dict[str, Callable[..., object]]:
    return {
        name: verb
        for name, verb in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def contents(stub: ast.Module) -> tuple[dict[str, str | None], list[str]]:
    """Return where the names of a stub come from, and its classes."""
    imports = [one for one in stub.body if isinstance(one, ast.ImportFrom)]
    return (
        {alias.name: one.module for one in imports for alias in one.names},
        [ast.unparse(one) for one in stub.body if isinstance(one, ast.ClassDef)],
    )


class TestTheFace:
    """Every verb of every noun is there, and is the synchronous one."""

    @pytest.mark.parametrize("noun", ["", *sorted(nouns())])
    def test_offers_every_verb(self, noun: str) -> None:
        kind = nouns()[noun] if noun else Billing
        face = getattr(asynchronous, f"Async{kind.__name__}")
        own = {"ask", "using", "within"}
        lifted = {name: inspect.unwrap(verb) for name, verb in verbs_of(face).items()}
        assert {name: verb for name, verb in lifted.items() if name not in own} == {
            name: verb for name, verb in verbs_of(kind).items() if name not in own
        }, "name it in service/async_nouns.py: verb = lifted(Noun.verb), then make stubs"
        assert face.noun == noun

    def test_type_checkers_read_the_verbs_as_they_are(self) -> None:
        """The stub, which make stubs writes, is that of today's verbs."""
        place = Path(__file__).parents[1] / "tools" / "stubs.py"
        spec = spec_from_file_location("stubs", place)
        assert spec
        assert spec.loader
        tool = module_from_spec(spec)
        spec.loader.exec_module(tool)
        written, asked = ast.parse(tool.TARGET.read_text(encoding="utf-8")), ast.parse(tool.stub())
        assert contents(written) == contents(asked), "make stubs"

    def test_shows_the_documentation_of_the_verb(self, shop: Shop) -> None:
        assert shop.tasks.balances.debit.__doc__ == shop.billing.balances.debit.__doc__
        assert asynchronous.AsyncBalances.debit.__doc__ == shop.billing.balances.debit.__doc__
        assert inspect.signature(shop.tasks.balances.debit) == inspect.signature(
            shop.billing.balances.debit
        )
        assert inspect.iscoroutinefunction(shop.tasks.balances.debit)


class TestTheSameDecisions:
    """What is awaited is decided and stored as it is without asyncio."""

    def test_a_debit_is_the_same(self, shop: Shop) -> None:
        async def main() -> Entry:
            first = await shop.debit("k-1")
            again = await shop.debit("k-1")
            assert first == again
            return first

        assert asyncio.run(main()) == shop.billing.balances.entries("acme")[-1]
        assert shop.posted() == 90

    def test_a_refusal_is_raised(self, shop: Shop) -> None:
        with pytest.raises(InsufficientFunds):
            asyncio.run(shop.debit("k-1", "500"))
        with pytest.raises(InvalidInput):
            asyncio.run(shop.debit("", "5"))

    def test_reads_and_everything_else(self, shop: Shop) -> None:
        async def main() -> None:
            billing = shop.tasks
            assert (await billing.accounts.get("acme")).id == "acme"
            assert (await billing.run_due()).accounts == 0
            assert (await billing.verify()).sound
            checkout = await billing.top_ups.start(
                "acme",
                lira("50"),
                gateway="sandbox",
                return_url="https://acme.example/back",
                key="topup",
            )
            assert (await billing.top_ups.get("acme", checkout.top_up)).id == checkout.top_up
            assert (await billing.overview("acme")).account == "acme"

        asyncio.run(main())


class TestSharing:
    """Tasks that ask at once share a commit, and each gets its own answer."""

    def test_exactly_as_many_succeed_as_there_is_money_for(self, shop: Shop) -> None:
        async def main() -> list[object]:
            asked = [shop.debit(f"k-{number}") for number in range(30)]
            return list(await asyncio.gather(*asked, return_exceptions=True))

        answers = asyncio.run(main())
        assert sum(isinstance(one, Entry) for one in answers) == 10
        assert sum(isinstance(one, InsufficientFunds) for one in answers) == 20
        assert shop.storage.writes <= 2
        assert shop.posted() == 0
        assert shop.billing.verify().sound

    def test_those_who_come_during_a_commit_are_in_the_next(self, shop: Shop) -> None:
        async def main() -> None:
            leading = await shop.held_up()
            waiting = [asyncio.ensure_future(shop.debit(f"k-{number}", "1")) for number in range(5)]
            await asyncio.sleep(0)
            shop.storage.open.set()
            await asyncio.gather(leading, *waiting)

        asyncio.run(main())
        assert shop.storage.writes == 2
        assert shop.posted() == 85

    def test_a_full_queue_refuses(self, shop: Shop) -> None:
        tasks = AsyncBilling(shop.billing, group_commit=GroupCommit(queue=2))

        async def debit(key: str) -> Entry:
            return await tasks.balances.debit("acme", lira("1"), reason="export", key=key)

        async def main() -> list[object]:
            asked = [debit(f"k-{number}") for number in range(5)]
            return list(await asyncio.gather(*asked, return_exceptions=True))

        answers = asyncio.run(main())
        assert sum(isinstance(one, StoreBusy) for one in answers) == 3
        assert shop.posted() == 98

    def test_every_command_may_have_its_own_commit(self, shop: Shop) -> None:
        tasks = AsyncBilling(shop.billing, group_commit=None)

        async def main() -> None:
            for key in ("a", "b"):
                await tasks.balances.debit("acme", lira("1"), reason="export", key=key)

        asyncio.run(main())
        assert shop.storage.writes == 2

    def test_one_face_serves_one_loop_after_another(self, shop: Shop) -> None:
        for number in range(3):
            asyncio.run(shop.debit(f"k-{number}"))
        assert shop.posted() == 70


class TestTheLoop:
    """What blocks is done elsewhere while the loop goes on."""

    def test_goes_on_during_a_commit(self, shop: Shop) -> None:
        async def main() -> int:
            leading = await shop.held_up()
            steps = 0
            for _ in range(5):
                await asyncio.sleep(0)
                steps += 1
            assert not leading.done()
            shop.storage.open.set()
            await leading
            return steps

        assert asyncio.run(main()) == 5

    def test_goes_on_while_a_gateway_is_asked(self, clock: Clock) -> None:
        asked, answered = threading.Event(), threading.Event()

        class Slow:
            name = "slow"
            capabilities = SandboxGateway(SECRET, page_url="http://127.0.0.1:9").capabilities

            def create(self, *_: object) -> object:
                asked.set()
                assert answered.wait(30)
                raise InvalidInput("gateway", "slow", "answers too late", "use another")

        billing = Billing(
            catalog=sample_catalog(),
            storage=MemoryStorage(),
            clock=clock,
            gateways=[cast("Any", Slow())],
        )
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE)

        async def main() -> None:
            starting = asyncio.ensure_future(
                AsyncBilling(billing).top_ups.start(
                    "acme", lira("50"), gateway="slow", return_url="https://a.example", key="t"
                )
            )
            assert await asyncio.to_thread(asked.wait, 30)
            assert not starting.done()
            answered.set()
            with pytest.raises(InvalidInput, match="answers too late"):
                await starting

        asyncio.run(main())


class TestCancellation:
    """L27: a cancelled task leaves no doubt that its key does not settle."""

    def test_l27_before_it_was_taken_nothing_is_written(self, shop: Shop) -> None:
        async def main() -> None:
            leading = await shop.held_up()
            waiting = asyncio.ensure_future(shop.debit("canceled"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            shop.storage.open.set()
            await leading

        asyncio.run(main())
        assert shop.posted() == 90
        assert shop.storage.writes == 1

    def test_l27_during_its_commit_it_is_settled_by_its_key(self, shop: Shop) -> None:
        async def main() -> Entry:
            leading = await shop.held_up()
            leading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leading
            shop.storage.open.set()
            return await shop.debit("first")

        assert asyncio.run(main()).number == 2
        assert shop.posted() == 90

    def test_l27_a_failure_of_the_storage_is_in_doubt(self, shop: Shop) -> None:
        class Broken:
            def read(self, work: Callable[[Reader], T]) -> T:
                return shop.storage.read(work)

            def write(self, work: Callable[[UnitOfWork], T]) -> T:
                shop.storage.write(work)
                raise StorageError("commit", "the answer was lost")

        broken = Billing(
            catalog=sample_catalog(), storage=Broken(), clock=shop.billing.context.clock
        )

        async def main() -> Entry:
            with pytest.raises(StorageError, match="in doubt"):
                await AsyncBilling(broken).balances.debit(
                    "acme", lira("10"), reason="export", key="k-1"
                )
            return await shop.debit("k-1")

        assert asyncio.run(main()).number == 2
        assert shop.posted() == 90


class TestJoining:
    """What a task does on the host's connection lasts if the host commits."""

    @pytest.mark.parametrize("commits", [True, False])
    @pytest.mark.parametrize("kind", ["connection", "session"])
    def test_l26_a_debit_and_the_hosts_row(
        self, postgres_url: str, clock: Clock, kind: str, *, commits: bool
    ) -> None:
        with SqlStorage(postgres_url) as storage:
            billing = Billing(catalog=sample_catalog(), storage=storage, clock=clock)
            billing.accounts.open(
                "acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE
            )
            billing.balances.credit("acme", lira("100"), reason="opening", key="opening")
            tasks = AsyncBilling(billing)

            @asynccontextmanager
            async def host() -> AsyncIterator[Any]:
                engine: AsyncEngine = create_async_engine(postgres_url)
                connect = engine.connect if kind == "connection" else lambda: AsyncSession(engine)
                async with connect() as opened:
                    yield opened
                await engine.dispose()

            async def main() -> None:
                async with host() as connection:
                    await connection.execute(
                        sqlalchemy.text("CREATE TABLE IF NOT EXISTS o (n int)")
                    )
                    await connection.execute(sqlalchemy.text("INSERT INTO o VALUES (1)"))
                    within = tasks.using(connection)
                    await within.balances.debit("acme", lira("10"), reason="export", key="k-1")
                    with pytest.raises(InsufficientFunds):
                        await within.balances.debit("acme", lira("99"), reason="x", key="k-2")
                    assert (await within.balances.list("acme"))["TRY"].posted == 90_000_000
                    await (connection.commit() if commits else connection.rollback())

            asyncio.run(main())
            posted = billing.balances.list("acme")["TRY"].posted // 10**6
            assert posted == (90 if commits else 100)
            engine = sqlalchemy.create_engine(postgres_url)
            with engine.begin() as connection:
                there = sqlalchemy.inspect(connection).has_table("o")
                assert there is commits
                connection.exec_driver_sql("DROP TABLE IF EXISTS o")
            engine.dispose()

    def test_a_connection_that_is_not_asynchronous_is_refused(self, shop: Shop) -> None:
        with pytest.raises(InvalidInput, match="is not asynchronous"):
            shop.tasks.using(cast("Any", object()))
