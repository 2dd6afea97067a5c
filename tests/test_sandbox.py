"""The sandbox's wire: signed links, signed callbacks, and the gateway that a host plugs in."""

import hashlib
import hmac
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs
import pytest
from hypothesis import example, given, strategies as st

from monochat_billing.adapters.sandbox import (
    SIGNATURE_HEADER,
    SandboxGateway,
    payment_id,
    sign_callback,
)
from monochat_billing.adapters.sandbox.signing import (
    LONGEST_CALLBACK,
    PaymentLink,
    check_loopback_url,
    read_callback,
    read_link,
    sign_link,
)
from monochat_billing.balance import Books, open_balance
from monochat_billing.errors import ForgedCallback, InvalidInput
from monochat_billing.money import Money, from_units, money
from monochat_billing.payments import (
    Payment,
    PaymentGateway,
    PaymentStatus,
    TopUp,
    TopUpState,
    settle,
    start_top_up,
)
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind

SECRET = "a secret of the tests"  # noqa: S105 - it guards nothing
NOW = datetime(2026, 10, 1, 9, 30, tzinfo=UTC)
PAID = Payment(
    gateway="sandbox",
    top_up="top-1",
    payment="pay_top-1",
    status=PaymentStatus.PAID,
    amount=money("25000", "TRY"),
)
LINK = PaymentLink(
    gateway="sandbox",
    top_up="top-1",
    amount=money("25000", "TRY"),
    business_name="Örnek İletişim A.Ş.",
    return_url="http://127.0.0.1:8000/return",
)
NAMES = st.text(min_size=1, max_size=60).filter(lambda text: text.strip() and text.isprintable())
AMOUNTS = st.builds(
    from_units, st.integers(1, 2**63 - 1), st.sampled_from(["TRY", "USD", "EUR", "JPY", "KWD"])
)


def top_up_of(amount: Money, *, name: str = "Örnek İletişim A.Ş.", top_up: str = "top-1") -> TopUp:
    return start_top_up(
        top_up_id=top_up,
        account="acme",
        gateway="sandbox",
        amount=amount,
        return_url="http://127.0.0.1:8000/return?tab=billing",
        profile=BillingProfile(
            business_name=name,
            address=Address(line="Gül Sok. 5", post_code="34660", city="İstanbul"),
            tax_id=TaxId(kind=TaxIdKind.VKN, number="4540536920", tax_office="Üsküdar"),
        ),
        at=NOW,
    )


def gateway_of(
    secret: str | tuple[str, ...] = SECRET, callback_url: str | None = None
) -> SandboxGateway:
    return SandboxGateway(secret, page_url="http://127.0.0.1:8080", callback_url=callback_url)


def signed(body: bytes, *, secret: str = SECRET, seconds: str = "0") -> dict[str, str]:
    """Sign any bytes as documented: hex HMAC-SHA256 over ``t.body``."""
    mac = hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {SIGNATURE_HEADER: f"t={seconds},v1={mac}"}


TOLD_WITH_AMOUNT = {
    PaymentStatus.PAID,
    PaymentStatus.REFUNDED,
    PaymentStatus.DISPUTED,
    PaymentStatus.DISPUTE_LOST,
    PaymentStatus.DISPUTE_WON,
}


class TestCreate:
    """A checkout is a signed link, made without network, clock or randomness."""

    def test_it_is_a_payment_gateway(self) -> None:
        gateway: PaymentGateway = gateway_of()
        assert gateway.name == "sandbox"

    def test_the_link_carries_what_the_page_needs(self) -> None:
        gateway = gateway_of(callback_url="http://127.0.0.1:8000/callbacks/sandbox")
        checkout = gateway.create(top_up_of(money("25000", "TRY")))
        url = urlsplit(checkout.redirect_url)
        assert (url.netloc, url.path) == ("127.0.0.1:8080", "/pay")
        assert read_link(SECRET, url.query) == PaymentLink(
            gateway="sandbox",
            top_up="top-1",
            amount=money("25000", "TRY"),
            business_name="Örnek İletişim A.Ş.",
            return_url="http://127.0.0.1:8000/return?tab=billing",
            callback_url="http://127.0.0.1:8000/callbacks/sandbox",
        )

    def test_the_same_top_up_gets_the_same_checkout(self) -> None:
        """After a crash the host asks again and must not open a second payment."""
        top_up = top_up_of(money("25000", "TRY"))
        assert gateway_of().create(top_up) == gateway_of().create(top_up)

    @pytest.mark.parametrize(
        "return_url", ["", "/return", "ftp://a/b", "http://a b/", "http://a\n"]
    )
    def test_a_return_url_that_is_none_is_refused(self, return_url: str) -> None:
        top_up = attrs.evolve(top_up_of(money("25000", "TRY")), return_url=return_url)
        with pytest.raises(InvalidInput) as refused:
            gateway_of().create(top_up)
        assert refused.value.field == "return_url"

    @pytest.mark.parametrize("text", ["0", "-25", "0.0000001"])
    def test_an_amount_that_cannot_be_paid_is_refused(self, text: str) -> None:
        top_up = attrs.evolve(top_up_of(money("25000", "TRY")), amount=money(text, "TRY", scale=12))
        with pytest.raises(InvalidInput):
            gateway_of().create(top_up)

    def test_the_answer_is_a_plain_ok(self) -> None:
        answer = gateway_of().answer(PAID)
        assert (answer.status, answer.body) == (200, "OK")


class TestConfiguration:
    """What cannot work is refused when the gateway is made."""

    @pytest.mark.parametrize("secret", ["", "  ", (), ("good", ""), 7, b"bytes", ["listed"]])
    def test_a_blank_secret_is_refused_and_not_shown(self, secret: Any) -> None:  # noqa: ANN401 - wrong on purpose
        with pytest.raises(InvalidInput) as refused:
            gateway_of(secret)
        assert refused.value.field == "secret"
        assert "good" not in str(refused.value)
        assert "listed" not in str(refused.value)

    def test_the_secret_is_in_no_repr(self) -> None:
        assert SECRET not in repr(gateway_of())

    @pytest.mark.parametrize("field", ["page_url", "callback_url"])
    def test_urls_are_checked(self, field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            SandboxGateway(SECRET, **{"page_url": "http://127.0.0.1", field: "not a url"})
        assert refused.value.field == field

    def test_a_blank_name_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="name"):
            SandboxGateway(SECRET, page_url="http://127.0.0.1", name=" ")

    @pytest.mark.parametrize(
        "url",
        [
            "http://shop.example/callback",
            "http://10.0.0.1/callback",
            "http://192.168.1.1/callback",
            "http://169.254.169.254/latest",
            "http://0.0.0.0/callback",
            "http://[::ffff:127.0.0.1]/callback",
            "http://127.0.0.1.shop.example/callback",
            "http://localhost.shop.example/callback",
            "http://127.0.0.1@shop.example/callback",
            "http://127.0.0.1\\@shop.example/callback",
            "http://shop.example#@127.0.0.1/callback",
            "http://2130706433/callback",
            "http://127.1/callback",
            "http://127.0.0.1:99999/callback",
            "https://127.0.0.1/callback",
            "file:///callback",
            "http:///callback",
            "http://[::1/callback",
            "http://127.0.0.1/" + "a" * 2000,
        ],
    )
    def test_a_callback_leaves_this_machine_by_no_spelling(self, url: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            gateway_of(callback_url=url)
        assert refused.value.field == "callback_url"

    @pytest.mark.parametrize(
        "url",
        ["http://127.0.0.1:8000/a", "http://127.8.9.1/", "http://localhost", "http://[::1]:1/"],
    )
    def test_loopback_is_taken(self, url: str) -> None:
        assert check_loopback_url("callback_url", url).geturl() == url

    def test_nothing_but_the_core_is_imported(self) -> None:
        """Hosts without any extra can use the sandbox."""
        script = (
            "import sys\n"
            "for name in ('sqlalchemy', 'alembic', 'cattrs', 'httpx', 'hypothesis', 'pytest'):\n"
            "    sys.modules[name] = None\n"
            "from monochat_billing.adapters.sandbox import SandboxGateway\n"
            "print(SandboxGateway('s', page_url='http://127.0.0.1').name)\n"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert ran.stdout.strip() == b"sandbox"


class TestLinks:
    """Whatever was not signed here, or was edited, is refused."""

    @given(
        top_up=NAMES,
        business=NAMES,
        amount=AMOUNTS,
        callback=st.sampled_from([None, "http://127.0.0.1:1/c", "http://[::1]/?a=1&b=2"]),
    )
    def test_a_signed_link_reads_as_what_was_signed(
        self, top_up: str, business: str, amount: Money, callback: str | None
    ) -> None:
        link = attrs.evolve(
            LINK, top_up=top_up, business_name=business, amount=amount, callback_url=callback
        )
        assert read_link(SECRET, sign_link(SECRET, link)) == link

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("amount", "1"),
            ("amount", "25000.0"),
            ("currency", "USD"),
            ("top_up", "top-2"),
            ("business_name", "Another"),
            ("gateway", "another"),
            ("return_url", "http://127.0.0.1:8000/elsewhere"),
            ("callback_url", "http://127.0.0.1:9/"),
            ("signature", "0" * 64),
            ("signature", ""),
            ("signature", "é" * 64),
        ],
    )
    def test_an_edited_field_is_refused(self, field: str, value: str) -> None:
        fields = dict(parse_qsl(sign_link(SECRET, LINK), keep_blank_values=True)) | {field: value}
        with pytest.raises(InvalidInput) as refused:
            read_link(SECRET, urlencode(fields))
        assert refused.value.field == "link"

    @pytest.mark.parametrize("field", ["amount", "callback_url", "signature", "top_up"])
    def test_a_missing_or_repeated_field_is_refused(self, field: str) -> None:
        pairs = parse_qsl(sign_link(SECRET, LINK), keep_blank_values=True)
        without = [pair for pair in pairs if pair[0] != field]
        for wrong in (without, [*pairs, (field, dict(pairs)[field])], [*pairs, ("more", "1")]):
            with pytest.raises(InvalidInput):
                read_link(SECRET, urlencode(wrong))

    @given(data=st.data())
    def test_one_changed_character_never_reads_as_another_link(self, data: st.DataObject) -> None:
        query = sign_link(SECRET, LINK)
        place = data.draw(st.integers(0, len(query) - 1))
        edited = query[:place] + data.draw(st.characters()) + query[place + 1 :]
        try:
            read = read_link(SECRET, edited)
        except InvalidInput:
            read = LINK
        assert read == LINK

    @given(query=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
    @example("amount=%ff&signature=")
    @example("a" * 20_000)
    def test_any_text_is_refused_with_one_error(self, query: str) -> None:
        with pytest.raises(InvalidInput, match="link"):
            read_link(SECRET, query)

    def test_a_callbacks_signature_does_not_pass_for_a_links(self) -> None:
        fields = dict(parse_qsl(sign_link(SECRET, LINK), keep_blank_values=True))
        del fields["signature"]
        body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
        stolen = signed(body)[SIGNATURE_HEADER].partition("v1=")[2]
        with pytest.raises(InvalidInput):
            read_link(SECRET, urlencode({**fields, "signature": stolen}))

    def test_a_rotated_secret_still_reads_old_links(self) -> None:
        assert read_link(("new", SECRET), sign_link(SECRET, LINK)) == LINK
        with pytest.raises(InvalidInput):
            read_link("new", sign_link(SECRET, LINK))


class TestForgedCallbacks:
    """Nothing passes that the holder of the secret did not sign, byte for byte."""

    headers, body = sign_callback(SECRET, PAID, seconds=1_790_000_000)

    def refused(self, headers: dict[str, str], body: bytes) -> ForgedCallback:
        with pytest.raises(ForgedCallback) as refused:
            gateway_of().parse_callback(headers, body)
        assert refused.value.field == SIGNATURE_HEADER
        assert SECRET not in str(refused.value)
        assert self.headers[SIGNATURE_HEADER].partition("v1=")[2] not in str(refused.value)
        return refused.value

    def test_the_signature_is_the_documented_one(self) -> None:
        """A known answer, computed apart: the wire form must not drift between versions."""
        assert self.body == (
            b'{"amount":"25000","currency":"TRY","gateway":"sandbox","payment":"pay_top-1",'
            b'"status":"PAID","top_up":"top-1"}'
        )
        assert signed(self.body, seconds="1790000000").items() <= self.headers.items()

    def test_missing(self) -> None:
        assert self.refused({}, self.body).problem == "is missing"
        assert self.refused({"X-Other": "1"}, self.body).value is None

    def test_wrong_secret(self) -> None:
        self.refused(sign_callback("another", PAID)[0], self.body)

    def test_another_body(self) -> None:
        self.refused(self.headers, self.body.replace(b"25000", b"95000"))

    def test_another_time(self) -> None:
        edited = self.headers[SIGNATURE_HEADER].replace("t=1790000000", "t=1790000001")
        self.refused({SIGNATURE_HEADER: edited}, self.body)

    def test_a_body_that_was_parsed_and_written_again(self) -> None:
        """The raw bytes are signed: a framework that re-serializes JSON breaks the signature."""
        self.refused(self.headers, json.dumps(json.loads(self.body)).encode())

    def test_repeated_under_two_spellings(self) -> None:
        self.refused({**self.headers, "x-sandbox-signature": "t=0,v1=00"}, self.body)

    def test_repeated_and_joined(self) -> None:
        good = self.headers[SIGNATURE_HEADER]
        self.refused({SIGNATURE_HEADER: f"{good}, {good}"}, self.body)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "t=,v1=",
            "v1=" + "0" * 64,
            "t=1,v1=" + "0" * 63,
            "t=1,v1=" + "G" * 64,
            "t=1,v1=" + "é" * 64,
            "t=\u0661,v1=" + "0" * 64,
            "t=1,v1=" + "0" * 64 + "\n",
            "t=1,v1=" + "\ud800" * 64,
            None,
            7,
        ],
    )
    def test_unreadable(self, value: Any) -> None:  # noqa: ANN401 - wrong on purpose
        assert self.refused({SIGNATURE_HEADER: value}, self.body).problem == "is malformed"

    def test_upper_case_is_not_the_signature(self) -> None:
        self.refused({SIGNATURE_HEADER: self.headers[SIGNATURE_HEADER].upper()}, self.body)

    def test_a_body_that_is_too_long_or_no_bytes(self) -> None:
        long = b" " * (LONGEST_CALLBACK + 1)
        self.refused(signed(long), long)
        text: Any = self.body.decode()
        self.refused(self.headers, text)

    @given(headers=st.dictionaries(st.text(), st.text()), body=st.binary())
    @example({SIGNATURE_HEADER: "t=0,v1=" + "0" * 64}, b"{}")
    def test_whatever_comes_is_refused_with_one_error(
        self, headers: dict[str, str], body: bytes
    ) -> None:
        with pytest.raises(ForgedCallback):
            gateway_of().parse_callback(headers, body)


class TestGenuineCallbacks:
    """What was signed is read strictly, in any case of header names, at any time."""

    @given(
        top_up=NAMES,
        payment=NAMES,
        amount=AMOUNTS,
        status=st.sampled_from(PaymentStatus),
        seconds=st.integers(0, 10**12 - 1),
        name=st.sampled_from(
            [SIGNATURE_HEADER, SIGNATURE_HEADER.lower(), SIGNATURE_HEADER.upper()]
        ),
    )
    def test_a_signed_payment_reads_as_what_was_signed(
        self,
        *,
        top_up: str,
        payment: str,
        amount: Money,
        status: PaymentStatus,
        seconds: int,
        name: str,
    ) -> None:
        said = Payment(
            gateway="sandbox",
            top_up=top_up,
            payment=payment,
            status=status,
            amount=amount if status in TOLD_WITH_AMOUNT else None,
        )
        headers, body = sign_callback(SECRET, said, seconds=seconds)
        sent = {name: headers[SIGNATURE_HEADER], "Content-Type": "application/json"}
        assert gateway_of().parse_callback(sent, body) == said

    @pytest.mark.parametrize("text", ["0.01", "25000.1", "9223372036854.775807", "0.000001"])
    def test_amounts_keep_every_digit(self, text: str) -> None:
        said = attrs.evolve(PAID, amount=money(text, "TRY"))
        assert gateway_of().parse_callback(*sign_callback(SECRET, said)).amount == money(
            text, "TRY"
        )

    def test_a_rotated_secret_verifies_old_and_new(self) -> None:
        gateway = gateway_of(("new", SECRET))
        assert gateway.parse_callback(*sign_callback(SECRET, PAID)) == PAID
        assert gateway.parse_callback(*sign_callback("new", PAID)) == PAID
        assert gateway.parse_callback(*sign_callback(("new", SECRET), PAID)) == PAID
        with pytest.raises(ForgedCallback):
            gateway_of("new").parse_callback(*sign_callback(("older", "new"), PAID))

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"gateway": "other"}, "callback.gateway"),
            ({"gateway": None}, "callback.gateway"),
            ({"top_up": ""}, "callback.top_up"),
            ({"top_up": 7}, "callback.top_up"),
            ({"top_up": "a\u0000b"}, "callback.top_up"),
            ({"top_up": "\ud800"}, "callback.top_up"),
            ({"payment": None}, "callback.payment"),
            ({"payment": "p" * 251}, "callback.payment"),
            ({"status": "paid"}, "callback.status"),
            ({"status": ["PAID"]}, "callback.status"),
            ({"amount": None}, "callback.amount"),
            ({"amount": 25000}, "callback.amount"),
            ({"amount": 25000.5}, "callback.amount"),
            ({"amount": "25.000,00"}, "callback.amount"),
            ({"amount": "2e4"}, "callback.amount"),
            ({"amount": "NaN"}, "callback.amount"),
            ({"amount": "0"}, "callback.amount"),
            ({"amount": "-25000"}, "callback.amount"),
            ({"amount": "1.0000001"}, "callback.amount"),
            ({"amount": "9" * 30}, "callback.amount"),
            ({"currency": "try"}, "callback.currency"),
            ({"currency": None}, "callback.currency"),
        ],
    )
    def test_a_wrong_field_is_named(self, change: dict[str, Any], field: str) -> None:
        fields = json.loads(sign_callback(SECRET, PAID)[1]) | change
        body = json.dumps(fields).encode()
        with pytest.raises(InvalidInput) as refused:
            gateway_of().parse_callback(signed(body), body)
        assert type(refused.value) is InvalidInput
        assert refused.value.field == field

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"OK",
            b"[]",
            b'"PAID"',
            b"\xff\xfe",
            b"[" * 60_000,
            b"9" * 10_000,
            b'{"status":"PAID","status":"FAILED"}',
        ],
    )
    def test_a_body_that_is_no_object_is_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidInput) as refused:
            gateway_of().parse_callback(signed(body), body)
        assert (type(refused.value), refused.value.field) == (InvalidInput, "callback")

    @given(
        body=st.binary()
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["amount", "currency", "gateway", "status", "top_up"])
                    | st.text(),
                    inner,
                )
            ),
        ).map(lambda value: json.dumps(value).encode())
    )
    def test_whatever_is_signed_is_read_or_refused(self, body: bytes) -> None:
        """No signed body holds a whole payment by chance, so each of these is refused."""
        with pytest.raises(InvalidInput) as refused:
            gateway_of().parse_callback(signed(body), body)
        assert refused.value.field.startswith("callback")

    def test_unknown_fields_are_ignored(self) -> None:
        """A newer page may say more."""
        body = json.dumps(json.loads(sign_callback(SECRET, PAID)[1]) | {"version": 2}).encode()
        assert gateway_of().parse_callback(signed(body), body) == PAID

    def test_a_failed_payment_has_no_amount(self) -> None:
        fields = json.loads(sign_callback(SECRET, PAID)[1]) | {"status": "FAILED"}
        body = json.dumps(fields).encode()
        assert gateway_of().parse_callback(signed(body), body).amount is None

    @pytest.mark.parametrize("seconds", [-1, 10**12])
    def test_only_a_plausible_time_is_signed(self, seconds: int) -> None:
        with pytest.raises(InvalidInput, match="seconds"):
            sign_callback(SECRET, PAID, seconds=seconds)

    def test_a_paid_payment_without_amount_is_not_signed(self) -> None:
        with pytest.raises(InvalidInput, match=r"payment\.amount"):
            sign_callback(SECRET, attrs.evolve(PAID, amount=None))

    def test_errors_survive_a_process_boundary(self) -> None:
        with pytest.raises(ForgedCallback) as refused:
            read_callback(SECRET, {}, b"", gateway="sandbox")
        assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301 - just made


class TestOneCreditPerPayment:
    """However often a callback comes, and in whatever order, the top-up is credited once."""

    @given(
        outcomes=st.lists(st.sampled_from(PaymentStatus), min_size=1, max_size=8).filter(
            lambda outcomes: PaymentStatus.PAID in outcomes
        )
    )
    def test_any_mix_of_callbacks_credits_once(self, outcomes: list[PaymentStatus]) -> None:
        gateway = gateway_of()
        top_up = top_up_of(money("25000", "TRY"))
        top_up = top_up.opened(gateway.create(top_up))
        books = open_balance(Books("acme"), "TRY")
        entries = 0
        for seconds, outcome in enumerate(outcomes):
            said = Payment(
                gateway="sandbox",
                top_up="top-1",
                payment=payment_id("top-1"),
                status=outcome,
                amount=money("25000", "TRY") if outcome in TOLD_WITH_AMOUNT else None,
            )
            payment = gateway.parse_callback(*sign_callback(SECRET, said, seconds=seconds))
            settled = settle(books, top_up, payment, NOW, NOW)
            books, top_up = settled.books, settled.top_up
            entries += len(settled.entries)
        assert entries == 1
        assert top_up.state is TopUpState.CREDITED
        assert top_up.payment == "pay_top-1"
