"""WhatsApp: Meta's cards and markets, its webhooks, and each message charged once."""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.adapters.whatsapp import (
    MAX_BODY_BYTES,
    METER,
    CollectedUsage,
    MessageStatus,
    SetAsideReason,
    collect_usage,
    market_of,
    meta_rate_cards,
    parse_statuses,
    verify_signature,
)
from monochat_billing.adapters.whatsapp.rates import _micro_units
from monochat_billing.errors import ForgedCallback, InvalidInput
from monochat_billing.rating import MessageCategory, RateCards, UsageRecord, rate, rate_many

ISTANBUL = "Europe/Istanbul"
AT = datetime(2026, 10, 5, 9, tzinfo=UTC)
NUMBER = "900000000001"
CARDS = meta_rate_cards()
REGULAR = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}


def webhook(*statuses: Mapping[str, Any], phone_number_id: str = "106") -> dict[str, Any]:
    """Build a body as Meta documents it."""
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "102290129340398",
                "changes": [
                    {
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {
                                "display_phone_number": "900000000000",
                                "phone_number_id": phone_number_id,
                            },
                            "statuses": list(statuses),
                        },
                        "field": "messages",
                    }
                ],
            }
        ],
    }


def said(word: str = "delivered", **change: Any) -> dict[str, Any]:  # noqa: ANN401
    """Build one status object; a change of ``None`` leaves the member out."""
    status = {
        "id": "wamid.1",
        "status": word,
        "timestamp": str(int(AT.timestamp())),
        "recipient_id": NUMBER,
        "pricing": REGULAR,
    }
    return {key: value for key, value in (status | change).items() if value is not None}


def collected(*statuses: Mapping[str, Any], zone: str = ISTANBUL) -> CollectedUsage:
    body = json.dumps(webhook(*statuses))
    return collect_usage(parse_statuses(body), cards=CARDS, zone=zone)


class TestRateCards:
    def test_has_both_cards(self) -> None:
        """The package ships the cards of July and of October 2026, in USD."""
        assert [(card.effective_on, card.currency, len(card.rates)) for card in CARDS.cards] == [
            (date(2026, 7, 1), "USD", 38),
            (date(2026, 10, 1), "USD", 47),
        ]
        assert all(card.meter == METER and "Meta" in card.source for card in CARDS.cards)

    @pytest.mark.parametrize(
        ("number", "category", "on", "units"),
        [
            ("900000000000", "marketing", "2026-09-30", 10_900),
            ("900000000000", "marketing", "2026-10-01", 10_900),
            ("900000000000", "utility", "2026-10-01", 900),
            ("900000000000", "service", "2026-10-01", 900),
            ("900000000000", "service", "2026-09-30", None),
            ("900000000000", "authentication_international", "2026-10-01", None),
            ("910000000000", "authentication_international", "2026-10-01", 30_400),
            ("490000000000", "marketing", "2026-10-01", 136_500),
            ("490000000000", "service", "2026-10-01", 55_000),
            ("440000000000", "authentication", "2026-10-01", 22_000),
            ("10000000000", "marketing", "2026-10-01", 25_000),
            ("10000000000", "service", "2026-10-01", 3_400),
            ("520000000000", "marketing", "2026-09-30", 30_500),
            ("520000000000", "marketing", "2026-10-01", 39_700),
            ("8800000000000", "utility", "2026-09-30", 11_300),
            ("8800000000000", "utility", "2026-10-01", 3_700),
            ("77000000000", "utility", "2026-09-30", 7_700),
            ("77000000000", "utility", "2026-10-01", 18_000),
            ("18090000000", "marketing", "2026-10-01", 74_000),
            ("820000000000", "marketing", "2026-10-01", 60_400),
        ],
    )
    def test_prices_by_hand(self, number: str, category: str, on: str, units: int | None) -> None:
        """Prices looked up by hand on the cards, around the change of October 2026."""
        card = CARDS.in_force(date.fromisoformat(on))
        assert card.units_for(market_of(number, card), MessageCategory(category)) == units

    def test_every_rate_is_the_card_s_decimal(self) -> None:
        """Three categories have a rate in every market; service has one since October."""
        july, october = CARDS.cards
        for card, categories in (
            (july, ["marketing", "utility", "authentication"]),
            (october, ["marketing", "utility", "authentication", "service"]),
        ):
            for market in card.rates:
                for category in categories:
                    assert card.units_for(market, MessageCategory(category)) is not None
        assert not any(row[MessageCategory.SERVICE] for row in july.rates.values())

    @pytest.mark.parametrize("amount", ["", "n/a", "0.0000001", "-1", "1e3", ".5", "5."])
    def test_refuses_a_card_whose_rates_are_no_decimals(self, amount: str) -> None:
        """A rate that does not fit six decimals is not guessed."""
        with pytest.raises(InvalidInput, match="is not a rate"):
            _micro_units(amount)

    @given(st.integers(0, 10**9))
    def test_reads_decimals_exactly(self, units: int) -> None:
        """Text with any number of zeros at its end gives the same micro-units."""
        text = f"{units // 10**6}.{units % 10**6:06d}"
        assert _micro_units(text) == _micro_units(text.rstrip("0").rstrip(".")) == units


class TestMarketOf:
    @pytest.mark.parametrize(
        ("number", "market"),
        [
            ("900000000000", "Turkey"),
            ("+900000000000", "Turkey"),
            ("10000000000", "North America"),
            ("12420000000", "Other"),
            ("18760000000", "Rest of Latin America"),
            ("17870000000", "Rest of Latin America"),
            ("13400000000", "Other"),
            ("79000000000", "Russia"),
            ("77000000000", "Kazakhstan"),
            ("76000000000", "Kazakhstan"),
            ("3530000000", "Rest of Western Europe"),
            ("3800000000", "Ukraine"),
            ("3810000000", "Rest of Central & Eastern Europe"),
            ("2120000000", "Morocco"),
            ("2130000000", "Rest of Africa"),
            ("9640000000", "Iraq"),
            ("9620000000", "Rest of Middle East"),
            ("8520000000", "Hong Kong"),
            ("8530000000", "Other"),
            ("610000000", "Rest of Asia Pacific"),
            ("9990000000", "Other"),
        ],
    )
    def test_the_longest_code_decides(self, number: str, market: str) -> None:
        """+1 is North America, +1 809 is not; +7 is Russia, +7 7 is not."""
        assert market_of(number) == market

    @pytest.mark.parametrize(
        ("number", "before"),
        [
            ("8800000000", "Rest of Asia Pacific"),
            ("9640000000", "Rest of Middle East"),
            ("77000000000", "Other"),
            ("9650000000", "Rest of Middle East"),
            ("2120000000", "Rest of Africa"),
            ("9770000000", "Rest of Asia Pacific"),
            ("9680000000", "Rest of Middle East"),
            ("9400000000", "Rest of Asia Pacific"),
            ("3800000000", "Rest of Central & Eastern Europe"),
        ],
    )
    def test_a_new_market_is_its_region_on_an_older_card(self, number: str, before: str) -> None:
        """The nine markets of October 2026 were parts of regions in July."""
        july, october = CARDS.cards
        assert market_of(number, july) == before
        assert market_of(number, october) in set(october.rates) - set(july.rates)

    @given(st.from_regex(r"\A\+?[1-9][0-9]{6,14}\Z"), st.sampled_from(CARDS.cards))
    def test_every_number_has_a_market_on_every_card(self, number: str, card: Any) -> None:  # noqa: ANN401
        """No phone number of the world is without a price."""
        assert market_of(number, card) in card.rates

    @pytest.mark.parametrize(
        "number",
        ["", "+", "0900000000", "123456", "1" * 16, "90 000 00 00", "US.13491208655302741918"],
    )
    def test_refuses_what_is_no_number_without_showing_it(self, number: str) -> None:
        """A recipient's number stands in no error, not even a wrong one."""
        with pytest.raises(InvalidInput) as caught:
            market_of(number)
        assert not number or number not in str(caught.value)

    def test_refuses_a_card_without_the_market(self) -> None:
        """A card of one's own may price fewer markets than there are."""
        card = attrs.evolve(CARDS.cards[-1], rates={"Turkey": {MessageCategory.UTILITY: 900}})
        assert market_of("900000000000", card) == "Turkey"
        with pytest.raises(InvalidInput, match="'Germany' is a market that the rate card"):
            market_of("490000000000", card)


class TestVerifySignature:
    BODY = b'{"object":"whatsapp_business_account"}'

    def sign(self, body: bytes, secret: str) -> str:
        return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

    @given(st.binary(max_size=64), st.text(min_size=1, max_size=20).filter(str.isascii))
    def test_accepts_what_meta_signs(self, body: bytes, secret: str) -> None:
        """The signature is the HMAC-SHA256 of the raw body under the app secret."""
        verify_signature(body, self.sign(body, secret), secret)

    def test_known_signature(self) -> None:
        """RFC 4231, test case 2."""
        verify_signature(
            b"what do ya want for nothing?",
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "Jefe",
        )

    @pytest.mark.parametrize(
        "header", [None, "", "sha256=", "sha1=00", "sha256=" + "0" * 64, "sha256=é", "\ud800"]
    )
    def test_refuses_anything_else(self, header: str | None) -> None:
        """A missing, foreign or broken signature is forged, and the secret is not in the error."""
        with pytest.raises(ForgedCallback) as caught:
            verify_signature(self.BODY, header, "app-secret")
        told = f"{caught.value!s} {caught.value!r}"
        assert "app-secret" not in told
        assert self.sign(self.BODY, "app-secret") not in told

    def test_one_changed_byte_is_forged(self) -> None:
        """The whole body counts."""
        header = self.sign(self.BODY, "s")
        with pytest.raises(ForgedCallback):
            verify_signature(self.BODY.replace(b"w", b"W"), header, "s")

    def test_refuses_an_empty_secret(self) -> None:
        """A secret that was never configured verifies nothing."""
        with pytest.raises(InvalidInput, match="app_secret"):
            verify_signature(self.BODY, self.sign(self.BODY, "s"), "")


class TestParseStatuses:
    def test_reads_meta_s_form(self) -> None:
        """One status, with everything that is kept of it."""
        body = json.dumps(webhook(said("failed", errors=[{"code": 131026, "title": "x"}])))
        assert parse_statuses(body) == parse_statuses(body.encode())
        assert parse_statuses(body) == (
            MessageStatus(
                message_id="wamid.1",
                status="failed",
                occurred_at=AT,
                phone_number_id="106",
                recipient=NUMBER,
                pricing_type="regular",
                pricing_category="utility",
                pricing_billable=True,
                errors=("131026",),
            ),
        )

    def test_passes_over_what_is_no_status(self) -> None:
        """Messages from users and changes of other fields are none of billing's business."""
        body = webhook()
        change = body["entry"][0]["changes"][0]
        del change["value"]["statuses"]
        change["value"]["messages"] = [{"from": NUMBER, "text": {"body": "hi"}}]
        body["entry"][0]["changes"].append({"field": "account_update", "value": {"event": "x"}})
        assert parse_statuses(json.dumps(body)) == ()

    def test_reads_a_group_s_participant(self) -> None:
        """In a group, recipient_id is the group; the market is the participant's."""
        grouped = said(
            recipient_type="group", recipient_id="Y2FwaV9ncm91cDo", recipient_participant_id=NUMBER
        )
        (status,) = parse_statuses(json.dumps(webhook(grouped)))
        assert status.recipient == NUMBER

    def test_hides_the_recipient(self) -> None:
        """A status may be logged without telling whom the message went to."""
        (status,) = parse_statuses(json.dumps(webhook(said())))
        assert NUMBER not in f"{status!r} {status}"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (b"", "body"),
            (b"{", "body"),
            (b"\xff\xfe{}", "body"),
            (b"[]", "body"),
            (b"null", "body"),
            (b'{"object": NaN}', "body"),
            (b"1" * 5000, "body"),
            (b"[" * 100_000, "body"),
            (b'"\\ud800"', "body"),
            ("\ud800", "body"),
            (b"{}", "body.object"),
            (b'{"object": "page"}', "body.object"),
            (b'{"object": "whatsapp_business_account"}', "body.entry"),
            (b'{"object": "whatsapp_business_account", "entry": [1]}', "body.entry[0]"),
            (b'{"object": "whatsapp_business_account", "entry": [{}]}', "body.entry[0].changes"),
            (
                b'{"object": "whatsapp_business_account", "entry": [{"changes": [{}]}]}',
                "body.entry[0].changes[0].field",
            ),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_names_the_place_of_what_is_malformed(self, body: bytes | str, field: str) -> None:
        """What is no JSON, or not Meta's, is refused by path."""
        with pytest.raises(InvalidInput) as caught:
            parse_statuses(body)
        assert caught.value.field == field
        assert caught.value.remedy

    STATUS = "body.entry[0].changes[0].value.statuses[1]"

    @pytest.mark.parametrize(
        ("change", "member"),
        [
            ({"id": None}, ".id"),
            ({"id": ""}, ".id"),
            ({"id": 7}, ".id"),
            ({"id": "x" * 257}, ".id"),
            ({"id": "wamid.\ud800"}, ".id"),
            ({"id": "wamid.\x00"}, ".id"),
            ({"status": ["read"]}, ".status"),
            ({"timestamp": None}, ".timestamp"),
            ({"timestamp": 1791190800}, ".timestamp"),
            ({"timestamp": "yesterday"}, ".timestamp"),
            ({"timestamp": "-1"}, ".timestamp"),
            ({"timestamp": "253402300799"}, ".timestamp"),
            ({"recipient_id": 900000000001}, ".recipient_id"),
            ({"pricing": "free"}, ".pricing"),
            ({"pricing": {"type": 1}}, ".pricing.type"),
            ({"pricing": {"billable": "yes"}}, ".pricing.billable"),
            ({"errors": {}}, ".errors"),
            ({"errors": ["x"]}, ".errors[0]"),
        ],
        ids=str,
    )
    def test_refuses_the_whole_body_for_one_bad_status(
        self, change: dict[str, Any], member: str
    ) -> None:
        """Nothing is half-parsed, and no number of seven digits is repeated in the error."""
        body = json.dumps(webhook(said(), said(**change)))
        with pytest.raises(InvalidInput) as caught:
            parse_statuses(body)
        assert caught.value.field == self.STATUS + member
        assert NUMBER not in str(caught.value)

    @pytest.mark.parametrize("value", [None, [], "x"])
    def test_refuses_a_change_without_a_value(self, value: object) -> None:
        """A change of the field messages has an object for its value."""
        body = webhook()
        body["entry"][0]["changes"][0]["value"] = value
        with pytest.raises(InvalidInput, match=r"changes\[0\]\.value"):
            parse_statuses(json.dumps(body))

    def test_needs_the_phone_number_id_of_the_business(self) -> None:
        """Without it nobody can say whose usage it is."""
        body = webhook(said())
        del body["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"]
        with pytest.raises(InvalidInput, match=r"metadata\.phone_number_id"):
            parse_statuses(json.dumps(body))

    def test_refuses_what_is_longer_than_meta_sends(self) -> None:
        """The limit is on bytes and is included; text is measured as UTF-8."""
        body = json.dumps(webhook()).encode()
        assert parse_statuses(body.ljust(MAX_BODY_BYTES)) == ()
        with pytest.raises(InvalidInput, match="too long"):
            parse_statuses(body.ljust(MAX_BODY_BYTES + 1))
        with pytest.raises(InvalidInput, match="too long"):
            parse_statuses("é" * (MAX_BODY_BYTES // 2 + 1))

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "id",
                        "status",
                        "timestamp",
                        "recipient_id",
                        "pricing",
                        "type",
                        "category",
                        "x",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )

    @given(json_values | st.builds(webhook, json_values))
    def test_any_json_is_read_or_refused(self, value: Any) -> None:  # noqa: ANN401
        """Whatever the JSON, the answer is statuses or InvalidInput."""
        try:
            statuses = parse_statuses(json.dumps(value))
        except InvalidInput:
            return
        collect_usage(statuses, cards=CARDS, zone=ISTANBUL)

    @given(st.binary(max_size=200) | st.text(max_size=200))
    def test_any_bytes_are_read_or_refused(self, body: bytes | str) -> None:
        """Whatever the body, the answer is InvalidInput: no random text is Meta's."""
        with pytest.raises(InvalidInput):
            parse_statuses(body)

    @given(
        st.sampled_from(["object", "entry", "changes", "field", "value", "metadata", "statuses"]),
        json_values,
    )
    def test_any_member_may_be_anything(self, member: str, value: Any) -> None:  # noqa: ANN401
        """A body that is right but for one member never raises anything but InvalidInput."""
        body = webhook(said())
        change = body["entry"][0]["changes"][0]
        for parent in (body, body["entry"][0], change, change["value"]):
            if member in parent:
                parent[member] = value
        try:
            statuses = parse_statuses(json.dumps(body))
        except InvalidInput:
            return
        collect_usage(statuses, cards=CARDS, zone=ISTANBUL)

    @given(st.sampled_from([*said(), *REGULAR, "errors", "subtype"]), json_values, st.booleans())
    def test_any_member_of_a_status_may_be_anything(
        self,
        member: str,
        value: Any,  # noqa: ANN401
        of_pricing: bool,  # noqa: FBT001
    ) -> None:
        """A status that is right but for one member is read or refused with its path."""
        status = said(pricing=REGULAR | {member: value}) if of_pricing else said()
        if not of_pricing:
            status[member] = value
        try:
            statuses = parse_statuses(json.dumps(webhook(status)))
        except InvalidInput as error:
            no_json = error.field == "body"  # NaN and Infinity
            assert no_json or error.field.startswith(self.STATUS.replace("[1]", "[0]"))  # noqa: PT017
            return
        collect_usage(statuses, cards=CARDS, zone=ISTANBUL)


class TestCollectUsage:
    def test_one_record_for_one_message(self) -> None:
        """Delivered is charged: id, meter, instant, market, category, number of the business."""
        usage = collected(said("sent"), said("delivered"), said("read"))
        assert usage.records == (
            UsageRecord(
                id="wamid.1",
                meter=METER,
                occurred_at=AT,
                market="Turkey",
                category=MessageCategory.UTILITY,
                billable=True,
                reference="106",
            ),
        )
        assert (usage.set_aside, usage.failed, usage.only_sent, usage.repeated) == ((), 0, 0, 0)

    def test_read_counts_as_delivered(self) -> None:
        """Meta leaves *delivered* out when a message is read as it arrives."""
        assert [record.id for record in collected(said("read")).records] == ["wamid.1"]

    def test_neither_sent_nor_failed_is_charged(self) -> None:
        """Only what arrives costs."""
        usage = collected(said("sent"), said("failed", id="wamid.2"), said("sent", id="wamid.2"))
        assert (usage.records, usage.failed, usage.only_sent) == ((), 1, 1)

    def test_arrival_beats_failure(self) -> None:
        """A message that failed at first and then arrived is charged."""
        usage = collected(said("failed", pricing=None), said("delivered"))
        assert (len(usage.records), usage.failed) == (1, 0)

    def test_the_instant_is_the_first_delivery(self) -> None:
        """A later repetition or reading does not move the record into another card."""
        late = {"timestamp": str(int(AT.timestamp()) + 90 * 86_400)}
        early = {"timestamp": str(int(AT.timestamp()) - 60)}
        usage = collected(said("delivered", **late), said("delivered"), said("read", **early))
        assert [record.occurred_at for record in usage.records] == [AT]

    @pytest.mark.parametrize(
        ("category", "priced_as"),
        [
            ("marketing", MessageCategory.MARKETING),
            ("marketing_lite", MessageCategory.MARKETING),
            ("utility", MessageCategory.UTILITY),
            ("authentication", MessageCategory.AUTHENTICATION),
            ("authentication-international", MessageCategory.AUTHENTICATION_INTERNATIONAL),
            ("authentication_international", MessageCategory.AUTHENTICATION_INTERNATIONAL),
            ("AUTHENTICATION", MessageCategory.AUTHENTICATION),
            ("service", MessageCategory.SERVICE),
        ],
    )
    def test_knows_meta_s_categories(self, category: str, priced_as: MessageCategory) -> None:
        """Each of Meta's words has one category of the card; India offers all of them."""
        usage = collected(
            said(recipient_id="910000000000", pricing=REGULAR | {"category": category})
        )
        assert [record.category for record in usage.records] == [priced_as]

    @pytest.mark.parametrize(
        ("kind", "category"),
        [
            ("free_customer_service", "service"),
            ("free_customer_service", "utility"),
            ("free_entry_point", "marketing"),
            ("free_entry_point", "referral_conversion"),
            ("free_entry_point", "authentication-international"),  # not offered in Turkey
            ("free_of_a_new_kind", "utility"),
        ],
    )
    def test_free_is_meta_s_word(self, kind: str, category: str) -> None:
        """A free message becomes a record that costs nothing."""
        usage = collected(said(pricing={"billable": False, "type": kind, "category": category}))
        assert [record.billable for record in usage.records] == [False]
        assert [line.units for line in rate_many(usage.records, CARDS, ISTANBUL)] == [0]

    def test_the_status_with_pricing_makes_the_record(self) -> None:
        """Meta sends pricing with one of *delivered* and *read*; that one is charged."""
        later = {"timestamp": str(int(AT.timestamp()) + 60)}
        bare = {"pricing": None}
        (by_read,) = collected(said("delivered", **bare), said("read", **later)).records
        (by_delivery,) = collected(said("delivered"), said("read", **later, **bare)).records
        assert by_read.occurred_at - by_delivery.occurred_at == timedelta(seconds=60)
        assert by_read == attrs.evolve(by_delivery, occurred_at=by_read.occurred_at)

    def test_what_was_estimated_on_sending_is_not_charged(self) -> None:
        """Meta's category on delivery counts, and without one nothing is charged."""
        estimated = said("sent", pricing=REGULAR | {"category": "marketing"})
        (record,) = collected(estimated, said("delivered")).records
        assert record.category is MessageCategory.UTILITY
        usage = collected(estimated, said("read", pricing=None))
        assert [aside.reason for aside in usage.set_aside] == [SetAsideReason.NO_PRICING]

    @pytest.mark.parametrize(
        ("statuses", "reason", "detail"),
        [
            ([said(pricing=None)], SetAsideReason.NO_PRICING, ""),
            ([said(pricing={"category": "utility"})], SetAsideReason.NO_PRICING, ""),
            (
                [said(pricing=REGULAR | {"type": "premium"})],
                SetAsideReason.UNKNOWN_TYPE,
                "premium",
            ),
            (
                [said(pricing=REGULAR | {"subtype": "paid_exempt"})],
                SetAsideReason.UNKNOWN_TYPE,
                "regular paid_exempt",
            ),
            (
                [said(pricing=REGULAR | {"category": "group_marketing"})],
                SetAsideReason.UNKNOWN_CATEGORY,
                "group_marketing",
            ),
            ([said(pricing={"type": "regular"})], SetAsideReason.UNKNOWN_CATEGORY, ""),
            (
                [said(pricing=REGULAR | {"category": "authentication-international"})],
                SetAsideReason.NOT_OFFERED,
                "authentication_international in Turkey by meta-usd-2026-10-01",
            ),
            ([said(recipient_id=None)], SetAsideReason.UNKNOWN_MARKET, "text of 0 characters"),
            ([said(timestamp="1700000000")], SetAsideReason.NO_CARD, "2023-11-15"),
            ([said("played")], SetAsideReason.UNKNOWN_STATUS, "played"),
            (
                [said(), said("read", pricing=REGULAR | {"category": "marketing"})],
                SetAsideReason.CONTRADICTORY,
                "marketing, regular, utility",
            ),
            (
                [said(), said("read", pricing=REGULAR | {"type": "free_entry_point"})],
                SetAsideReason.CONTRADICTORY,
                "free_entry_point, regular, utility",
            ),
            (
                [said(pricing=REGULAR | {"billable": False})],
                SetAsideReason.CONTRADICTORY,
                "regular and billable false",
            ),
            (
                [said(pricing=REGULAR | {"type": "free_entry_point"})],
                SetAsideReason.CONTRADICTORY,
                "free_entry_point and billable true",
            ),
            (
                [said(pricing=REGULAR | {"category": "referral_conversion"})],
                SetAsideReason.CONTRADICTORY,
                "regular referral_conversion",
            ),
            (
                [said(), said(recipient_id="490000000000")],
                SetAsideReason.CONTRADICTORY,
                "more than one recipient",
            ),
        ],
    )
    def test_sets_aside_what_it_cannot_price(
        self, statuses: list[dict[str, Any]], reason: SetAsideReason, detail: str
    ) -> None:
        """Nothing is charged, nothing is lost, and the reason is said."""
        usage = collected(*statuses)
        assert usage.records == ()
        (aside,) = usage.set_aside
        assert (aside.message_id, aside.reason, aside.detail) == ("wamid.1", reason, detail)
        assert aside.reference == "106"
        assert NUMBER not in repr(usage)

    def test_one_message_of_two_business_numbers_is_contradictory(self) -> None:
        """A message is sent from one number."""
        statuses = parse_statuses(json.dumps(webhook(said()))) + parse_statuses(
            json.dumps(webhook(said("read"), phone_number_id="107"))
        )
        usage = collect_usage(statuses, cards=CARDS, zone=ISTANBUL)
        assert [aside.detail for aside in usage.set_aside] == ["more than one phone-number id"]

    @pytest.mark.parametrize(
        ("second", "market"), [(-1, "Rest of Asia Pacific"), (0, "Bangladesh")]
    )
    def test_the_local_date_divides_the_markets(self, second: int, market: str) -> None:
        """At local midnight the new card begins, and with it the new market."""
        midnight = datetime(2026, 9, 30, 21, tzinfo=UTC)
        at = str(int(midnight.timestamp()) + second)
        (record,) = collected(said(timestamp=at, recipient_id="8800000000000")).records
        assert record.market == market
        assert rate(record, CARDS, ISTANBUL).market == market

    def test_refuses_an_unknown_zone(self) -> None:
        """The zone decides the card, so a wrong one is refused."""
        with pytest.raises(InvalidInput, match="zone"):
            collect_usage((), cards=CARDS, zone="Mars/Olympus")

    @given(data=st.data())
    def test_order_and_repetition_change_nothing(self, data: st.DataObject) -> None:
        """Any order and any repetition of the same statuses gives the same usage."""
        base = data.draw(batches())
        again = data.draw(st.lists(st.sampled_from(base), max_size=6)) if base else []
        shuffled = data.draw(st.permutations(base + again))
        once = collect_usage(base, cards=CARDS, zone=ISTANBUL)
        more = collect_usage(shuffled, cards=CARDS, zone=ISTANBUL)
        assert attrs.evolve(more, repeated=once.repeated) == once
        assert more.repeated == once.repeated + len(again)

    @given(data=st.data())
    def test_batches_charge_the_same(self, data: st.DataObject) -> None:
        """Cut anywhere, a message with one priced status gives the same record, once."""
        drawn = data.draw(st.lists(st.tuples(st.sampled_from("abc"), words), max_size=10))
        priced: set[str] = set()
        statuses: list[MessageStatus] = []
        for message_id, word in drawn:
            first = word in {"delivered", "read"} and message_id not in priced
            if first:
                priced.add(message_id)
            pricing = REGULAR | {"category": "utility" if first else "marketing"}
            status = said(word, id=message_id, pricing=pricing if first or word == "sent" else None)
            statuses += parse_statuses(json.dumps(webhook(status)))
        statuses = data.draw(st.permutations(statuses))
        cut = data.draw(st.integers(0, len(statuses)))
        once = collect_usage(statuses, cards=CARDS, zone=ISTANBUL)
        parts = [
            record
            for batch in (statuses[:cut], statuses[cut:])
            for record in collect_usage(batch, cards=CARDS, zone=ISTANBUL).records
        ]
        assert {record.id for record in once.records} == priced
        assert sorted(parts, key=lambda one: one.id) == sorted(once.records, key=lambda one: one.id)

    @given(data=st.data())
    def test_every_message_is_accounted_for_once(self, data: st.DataObject) -> None:
        """Records, set aside, failed and only sent are all messages, and no message twice."""
        statuses = data.draw(batches())
        usage = collect_usage(statuses, cards=CARDS, zone=ISTANBUL)
        named = Counter(record.id for record in usage.records)
        named.update(aside.message_id for aside in usage.set_aside)
        messages = {status.message_id for status in statuses}
        assert set(named) <= messages
        assert set(named.values()) <= {1}
        assert len(named) + usage.failed + usage.only_sent == len(messages)
        arrived = {s.message_id for s in statuses if s.status in {"delivered", "read"}}
        assert {record.id for record in usage.records} <= arrived
        assert arrived <= set(named)

    @given(data=st.data())
    def test_every_record_can_be_rated(self, data: st.DataObject) -> None:
        """What is not set aside has a price, so a batch never fails half-way."""
        usage = collect_usage(data.draw(batches()), cards=CARDS, zone=ISTANBUL)
        lines = rate_many(usage.records, CARDS, ISTANBUL)
        for line in lines:
            assert (line.units > 0) is line.billable


words = st.sampled_from(["sent", "delivered", "read", "failed", "played"])


def batches() -> st.SearchStrategy[list[MessageStatus]]:
    """Draw statuses of a few messages, alike enough to meet and odd enough to disagree."""
    return st.lists(
        st.builds(
            MessageStatus,
            message_id=st.sampled_from(["a", "b", "c", "d"]),
            status=words,
            occurred_at=st.sampled_from(
                [
                    AT,
                    AT + timedelta(hours=1),
                    AT + timedelta(days=1),
                    datetime(2026, 9, 30, tzinfo=UTC),
                ]
            ),
            phone_number_id=st.sampled_from(["106", "106", "107"]),
            recipient=st.sampled_from([None, NUMBER, NUMBER, "490000000000", "nobody"]),
            pricing_type=st.sampled_from([None, "regular", "free_customer_service", "odd"]),
            pricing_category=st.sampled_from([None, "utility", "service", "marketing", "odd"]),
            pricing_billable=st.sampled_from([None, None, True, False]),
        ),
        max_size=10,
    )


def test_a_history_without_october_still_prices_july() -> None:
    """The host may pass a history of its own, as short as it likes."""
    july = RateCards(cards=CARDS.cards[:1])
    (record,) = collect_usage(
        parse_statuses(json.dumps(webhook(said()))), cards=july, zone=ISTANBUL
    ).records
    assert rate(record, july, ISTANBUL).card == "meta-usd-2026-07-01"
