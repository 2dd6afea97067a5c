"""Catalog files: what is written reads back, and what is wrong is said all at once."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing import (
    MONTH,
    YEAR,
    Catalog,
    CatalogVersions,
    Family,
    InvalidCatalog,
    InvalidInput,
    Price,
    PriceReach,
    Product,
    sample_catalog,
)
from monochat_billing.adapters.catalog_files import (
    SHAPES,
    as_tables,
    catalog_schema,
    load_catalog,
    load_versions,
    read_catalog,
    read_versions,
    sample_text,
    write_catalog,
)
from monochat_billing.adapters.catalog_files.reading import FileFormat
from monochat_billing.change_rules import DEFAULT_RULES, AnchorRule, ChangeTiming, IntervalChange
from monochat_billing.plans import Direction, DirectionBasis
from monochat_billing.tax import Pricing
from tests.catalog_strategies import catalogs, histories
from tests.effort import one_in
from tests.scene import lira

CATALOGS = Path(__file__).parent / "catalogs"
FORMATS: tuple[FileFormat, ...] = ("toml", "json")

BROKEN = {
    "overlapping-dates": (
        "products.pro.prices: '120 TRY per MONTH' begins at 2027-01-01T00:00:00+00:00, while "
        "100 TRY per MONTH holds until 2027-03-01T00:00:00+00:00; let one end before the other "
        "begins, or leave the earlier one's end out"
    ),
    "missing-price": (
        "products.pro.prices: 'MONTH in USD' is missing; add that price, or drop USD from the "
        "catalog's currencies"
    ),
    "unknown-product-in-a-rule": (
        "rules[0].to_product: 'premium' is not in the catalog, so the rule 'to premium at once' "
        "cannot apply; use one of pro"
    ),
    "negative-price": ("products.pro.prices[0].amount: '-100' is negative; pass zero or more"),
    "too-many-decimals": (
        "products.pro.prices[0].amount: '99.999' has more than 2 decimals; write at most 2 "
        "decimals: TRY has no smaller unit"
    ),
    "two-plans-at-one-rank": (
        "products.rank: 1 stands twice: basic and pro share a place on the PLAN ladder, so a "
        "change between them leads nowhere; give each its own rank"
    ),
    "rule-that-never-matches": (
        "rules[1]: 'upgrade to pro waits' can never match; move it above the rules that match "
        "everything it does, or mend or drop it"
    ),
    "gap-in-tiers": (
        "products.pro.limits.contacts.overage.TRY: 601 leaves a gap after 500; begin this tier "
        "at 501"
    ),
    "wrong-currency": (
        "products.pro.prices: 'EUR' is not a currency of this catalog; use TRY, or add EUR to "
        "the catalog's currencies"
    ),
    "allowance-without-a-meter": (
        "products.pro.allowances[0].meter: None is missing; name one of the catalog's meters, so "
        "that something counts against it"
    ),
    "allowance-of-an-unknown-meter": (
        "products.pro.allowances: 'mesage' is not a meter of this catalog, so nothing would "
        "count against it; add it to the catalog's meters (message), or name one of them"
    ),
}
EVERYTHING = (
    "products.basic.limits.users",
    "products.pro.limits.contacts.overage.TRY",
    "products.pro.prices",
    "products.team.colour",
    "products.team.prices[0].amount",
    "products.team.prices[1].amount",
    "products.team.prices[3].interval",
    "products.team.prices[3].amount",
    "products.team.allowances[0].meter",
    "rules[0].timing",
    "products.rank",
    "products.pro.prices",
    "products.team.prices",
    "one_offs.pack.prices",
    "one_offs.pack.grant",
    "rules[0].to_product",
    "rules[1].from_product",
    "rules[3].proration",
    "rules[3]",
    "rules[4]",
)


def refused(text: str, file_format: FileFormat = "toml") -> list[str]:
    with pytest.raises(InvalidCatalog) as caught:
        read_versions(text, file_format)
    return [str(mistake) for mistake in caught.value.mistakes]


A_FIFTH = one_in(5)
"""Whole catalogs take long to draw."""


class TestBrokenCatalogs:
    """Each mistake has its path, its value and what to do."""

    @pytest.mark.parametrize("name", BROKEN)
    def test_says_what_a_person_can_act_on(self, name: str) -> None:
        """One mistake, one message; nothing follows from it that is not a mistake itself."""
        with pytest.raises(InvalidCatalog) as caught:
            load_catalog(CATALOGS / f"{name}.toml")
        assert [str(mistake) for mistake in caught.value.mistakes] == [BROKEN[name]]
        assert str(caught.value) == f"{name}.toml: 1 mistake\n  {BROKEN[name]}"

    def test_says_all_of_one_file_at_once(self) -> None:
        """Wrong values, wrong keys, and what does not hold between the parts."""
        with pytest.raises(InvalidCatalog) as caught:
            load_catalog(CATALOGS / "everything-at-once.toml")
        assert tuple(mistake.field for mistake in caught.value.mistakes) == EVERYTHING
        assert all(mistake.remedy for mistake in caught.value.mistakes)
        assert str(caught.value).startswith("everything-at-once.toml: 20 mistakes\n")

    def test_says_the_same_of_json(self) -> None:
        """The format makes no difference to what is wrong."""
        import tomllib

        for name, message in BROKEN.items():
            tables = tomllib.loads((CATALOGS / f"{name}.toml").read_text(encoding="utf-8"))
            assert refused(json.dumps(tables, default=str), "json") == [message]

    def test_every_file_there_is_broken(self) -> None:
        """None is forgotten."""
        names = {path.stem for path in CATALOGS.glob("*.toml")}
        assert names == {*BROKEN, "everything-at-once"}

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("format = 1", "id: None is missing"),
            ("", "format: None is missing; write format = 1"),
            ("format = 2", "format: 2 is another file format"),
            ("id = ", "file: 'Invalid value"),
            ('format = 1\nid = "a"\nversion = "1"\nzone = "Mars"', "zone: 'Mars' is no time zone"),
            ('currencies = ["XYZ"]', "currencies[0]: 'XYZ' is not a known currency"),
            ("currencies = 3", "currencies: 3 is no list of texts"),
            ("products = 3", "products: 3 is no list"),
            ("products = [3]", "products[0]: 3 is no product; write a table with keys"),
            ("versions = [3]", "versions[0]: 3 is no version"),
            ("note = 3", "note: 3 is no text"),
            ('direction_by = "PRICE"', "direction_by: 'PRICE' is unknown; use one of RANK"),
            ("effective = 2026-10-01T10:00:00", "has no time zone; write a day, or add an offset"),
            ('effective = "soon"', "effective: 'soon' is no instant"),
            ("effective = 9999-12-31T23:00:00-05:00", "leaves the calendar"),
            ("products = [{ id = 1.5 }]", "is a number that is not exact; write it in quotes"),
            ('products = [{ rank = "1" }]', "rank: '1' is no whole number"),
            ("products = [{ rank = true }]", "rank: True is no whole number"),
            ("products = [{ names = 3 }]", "names: 3 is no text by language"),
            ("products = [{ trial = 14 }]", "trial: 14 is no interval"),
            ('products = [{ trial = "-1 DAY" }]', "trial: '-1 DAY' is no interval"),
            ("products = [{ limits = 3 }]", "limits: 3 is no table"),
            ("products = [{ limits = { users = -1 } }]", "limits.users.most: -1 is no count"),
            ("products = [{ features = { a = 3 } }]", "features.a: 3 describes no feature"),
            ("products = [{ prices = [{ amount = [] }] }]", "amount: [] is no amount"),
            ('products = [{ prices = [{ amount = "1,5" }] }]', "currency: None is missing"),
            (
                'products = [{ prices = [{ currency = "TRY", amount = "1,5" }] }]',
                "amount: '1,5' is not a plain decimal number",
            ),
            ('rules = [{ from_free = "no" }]', "rules[0].from_free: 'no' is neither"),
            ('rules = [{ allows = ["NOW"] }]', "rules[0].allows: 'NOW' is unknown"),
            ('withdrawn = ["pro"]', "withdrawn: ['pro'] is a key that nothing reads"),
        ],
    )
    def test_names_the_place(self, text: str, said: str) -> None:
        """Whatever stands in the wrong place or is of the wrong kind."""
        assert any(said in mistake for mistake in refused(text)), refused(text)

    def test_a_key_twice_is_a_mistake_in_json_too(self) -> None:
        """A JSON parser would take the last one in silence."""
        assert "the key 'id' stands twice" in refused('{"id": "a", "id": "b"}', "json")[0]

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000], ids=["lists", "tables"])
    def test_depth_is_a_mistake_and_no_crash(self, text: str) -> None:
        """Nothing that a file holds ends the program."""
        assert len(refused(text, "json")) == 1

    def test_a_later_version_is_judged_like_the_first(self) -> None:
        """With its own path; what it inherits is not said again."""
        text = sample_text() + (
            '\n[[versions]]\nversion = "2"\neffective = 2027-01-01\nwithdrawn = ["gold"]\n'
            '[[versions.products]]\nid = "growth"\nfamily = "PLAN"\nrank = 2\n'
            'names = { en = "Growth" }\nprices = []\n'
        )
        said = refused(text)
        assert said[0].startswith("versions[0].withdrawn: 'gold' is not sold before")
        assert any(one.startswith("versions[0].products.rank: 2 stands twice") for one in said)
        assert any(
            one.startswith("versions[0].products.growth.prices: () is empty") for one in said
        )
        assert any(one.startswith("versions[0].products.growth.limits: 'users'") for one in said)

    def test_versions_that_do_not_follow(self) -> None:
        """Two of one instant are refused as such."""
        later = '\n[[versions]]\nversion = "2026-10-01"\neffective = 2027-01-01\n'
        assert "'2026-10-01' stands twice" in refused(sample_text() + later)[0]


class TestLoading:
    """From a file on disk."""

    def test_both_suffixes(self, tmp_path: Path) -> None:
        """The suffix names the format."""
        for file_format in FORMATS:
            path = tmp_path / f"ours.{file_format}"
            path.write_text(write_catalog(sample_catalog(), file_format), encoding="utf-8")
            assert load_catalog(path) == sample_catalog()
            assert load_versions(str(path)).versions == (sample_catalog(),)

    def test_several_files_of_one_catalog(self, tmp_path: Path) -> None:
        """Each holds versions; the mistakes of all files stand in one report."""
        first = sample_catalog()
        second = attrs.evolve(
            first, version="2027", effective_at=datetime(2026, 12, 31, 21, tzinfo=UTC)
        )
        for name, one in (("a.toml", first), ("b.json", second)):
            text = write_catalog(one, "json" if name.endswith("json") else "toml")
            (tmp_path / name).write_text(text, encoding="utf-8")
        found = load_versions(tmp_path / "b.json", tmp_path / "a.toml")
        assert found == CatalogVersions(versions=(first, second))
        (tmp_path / "a.toml").write_text("format = 1", encoding="utf-8")
        (tmp_path / "b.json").write_text("{}", encoding="utf-8")
        with pytest.raises(InvalidCatalog) as caught:
            load_versions(tmp_path / "a.toml", tmp_path / "b.json")
        fields = [mistake.field for mistake in caught.value.mistakes]
        assert "a.toml: id" in fields
        assert "b.json: format" in fields

    def test_what_is_no_catalog_file(self, tmp_path: Path) -> None:
        """Another suffix, another encoding, or more than one version."""
        (tmp_path / "ours.yaml").write_text("id: ours", encoding="utf-8")
        with pytest.raises(InvalidCatalog, match=r"name it \.toml or \.json"):
            load_catalog(tmp_path / "ours.yaml")
        (tmp_path / "ours.toml").write_bytes("note = 'Ücretsiz'".encode("latin-1"))
        with pytest.raises(InvalidCatalog, match="save it as UTF-8"):
            load_catalog(tmp_path / "ours.toml")
        later = '\n[[versions]]\nversion = "2"\neffective = 2027-01-01\n'
        with pytest.raises(InvalidCatalog, match="read it with read_versions"):
            read_catalog(sample_text() + later)

    def test_a_huge_file_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is a limit on everything."""
        monkeypatch.setattr("monochat_billing.adapters.catalog_files.reading.MAX_BYTES", 10)
        path = tmp_path / "ours.toml"
        path.write_text(sample_text(), encoding="utf-8")
        with pytest.raises(InvalidCatalog, match="bytes are too many; stay below 10"):
            load_catalog(path)


class TestWhatAFileSays:
    """Defaults, days and later versions."""

    def test_the_shipped_sample_is_the_sample(self) -> None:
        """One catalog, built in Python and read from the file; both say that it is invented."""
        assert read_catalog(sample_text()) == sample_catalog()
        assert "INVENTED" in sample_text()
        sample = sample_catalog()
        texts = [one.names for one in sample.products] + [one.names for one in sample.one_offs]
        texts += [one.descriptions for one in sample.products]
        texts += [one.descriptions for one in sample.one_offs]
        assert all(set(one) == {"en", "tr"} for one in texts)

    def test_a_day_begins_in_the_catalog_s_zone(self) -> None:
        """Midnight in Istanbul is nine in the evening in UTC."""
        text = sample_text().replace(
            'amount = "1499" },',
            'amount = "1499" }, { interval = "MONTH", currency = "TRY", amount = 1799, '
            'from = 2027-01-01, reach = "FROM_DATE", reaches = "2027-02-01T00:00:00+00:00" },',
        )
        growth = read_catalog(text).product("growth")
        price = growth.price(MONTH, "TRY", datetime(2026, 12, 31, 21, tzinfo=UTC))
        assert price == Price(
            interval=MONTH,
            amount=lira("1799"),
            effective_at=datetime(2026, 12, 31, 21, tzinfo=UTC),
            reach=PriceReach.FROM_DATE,
            reaches_at=datetime(2027, 2, 1, tzinfo=UTC),
        )

    def test_tax_is_said_once_or_for_a_price(self) -> None:
        """The catalog's word holds for every price that does not say its own."""
        text = sample_text().replace(
            'id = "monochat-sample"', 'id = "ours"\npricing = "EXCLUSIVE"\ntax_class = "reduced"'
        )
        if "[tax]" not in text and "\ntax = " not in text:
            text = text.replace(
                'version = "2026', 'tax = { table = "KDV", country = "TR" }\nversion = "2026', 1
            )
        text = text.replace('amount = "1499" }', 'amount = "1499", pricing = "INCLUSIVE" }')
        growth = read_catalog(text).product("growth")
        month, year = growth.price(MONTH, "TRY"), growth.price(YEAR, "TRY")
        assert (month.pricing, month.tax_class) == (Pricing.INCLUSIVE, "reduced")
        assert (year.pricing, year.tax_class) == (Pricing.EXCLUSIVE, "reduced")

    def test_a_later_version_says_only_what_changes(self) -> None:
        """The rest stays, word for word."""
        text = sample_text() + (
            '\n[[versions]]\nversion = "2027"\neffective = 2027-01-01\nnote = "Invented, too."\n'
            'withdrawn = ["basic", "messages-5k"]\n'
        )
        first, second = read_versions(text).versions
        assert first == sample_catalog()
        assert [one.id for one in second.products] == [one.id for one in first.products][1:]
        assert [one.id for one in second.one_offs] == ["messages-25k"]
        assert second.note == "Invented, too."
        assert second.product("growth") is first.product("growth")
        assert as_tables(CatalogVersions(versions=(first, second)))["versions"] == [
            {
                "version": "2027",
                "effective": second.effective_at and datetime(2027, 1, 1, tzinfo=UTC).date(),
                "note": "Invented, too.",
                "withdrawn": ["basic", "messages-5k"],
            }
        ]

    def test_versions_in_two_zones_need_two_files(self) -> None:
        """A file has one zone in which its days begin."""
        first = sample_catalog()
        start = datetime(2027, 1, 1, tzinfo=UTC)
        second = attrs.evolve(first, version="2", effective_at=start, zone="UTC")
        with pytest.raises(InvalidInput, match="differs between versions"):
            write_catalog(CatalogVersions(versions=(first, second)))

    def test_versions_in_another_order_of_products(self) -> None:
        """A file can say that too."""
        first = sample_catalog()
        start = datetime(2027, 1, 1, tzinfo=UTC)
        second = attrs.evolve(
            first,
            version="2",
            effective_at=start,
            products=first.products[::-1],
            rules=(attrs.evolve(DEFAULT_RULES[-1], name="any", proration="by-second"),),
        )
        both = CatalogVersions(versions=(first, second))
        for file_format in FORMATS:
            assert read_versions(write_catalog(both, file_format), file_format) == both


class TestRoundTrips:
    """What is written reads back as an equal value."""

    @A_FIFTH
    @given(catalogs(), st.sampled_from(FORMATS))
    def test_a_catalog_survives(self, catalog: Catalog, file_format: FileFormat) -> None:
        """Whatever a catalog holds, in either format."""
        assert read_catalog(write_catalog(catalog, file_format), file_format) == catalog

    @A_FIFTH
    @given(histories(), st.sampled_from(FORMATS))
    def test_versions_survive(self, versions: CatalogVersions, file_format: FileFormat) -> None:
        """All of them, although later ones say only what changes."""
        assert read_versions(write_catalog(versions, file_format), file_format) == versions

    @A_FIFTH
    @given(catalogs())
    def test_what_is_written_fits_the_schema(self, catalog: Catalog) -> None:
        """The published schema accepts every file that the library writes."""
        tables = json.loads(write_catalog(catalog, "json"))
        assert list(schema_errors(catalog_schema(), tables)) == []


def schema_errors(root: dict[str, Any], value: Any) -> list[str]:  # noqa: ANN401, C901 - a validator
    """Judge a value by the part of JSON Schema that the published one uses."""

    def judge(schema: dict[str, Any], one: Any, path: str) -> list[str]:  # noqa: ANN401, C901, PLR0912
        if "$ref" in schema:
            return judge(root["$defs"][schema["$ref"].rpartition("/")[2]], one, path)
        if "anyOf" in schema:
            tries = [judge(option, one, path) for option in schema["anyOf"]]
            return [] if [] in tries else [f"{path}: fits no option"]
        if "const" in schema:
            fits = type(one) is type(schema["const"]) and one == schema["const"]
            return [] if fits else [f"{path}: is not {schema['const']}"]
        if "enum" in schema:
            return [] if one in schema["enum"] else [f"{path}: is not in {schema['enum']}"]
        kinds = {
            "object": dict,
            "array": list,
            "string": str,
            "integer": int,
            "boolean": bool,
        }
        if type(one) is not kinds[schema["type"]]:
            return [f"{path}: is no {schema['type']}"]
        errors = []
        if isinstance(one, dict):
            names = schema.get("properties", {})
            errors += [
                f"{path}: {key} is missing" for key in schema.get("required", ()) if key not in one
            ]
            errors += [f"{path}: too few"] * (len(one) < schema.get("minProperties", 0))
            for key, inner in one.items():
                more = schema.get("additionalProperties")
                if key in names:
                    errors += judge(names[key], inner, f"{path}.{key}")
                elif more is False:
                    errors.append(f"{path}: {key} is unknown")
                else:
                    assert isinstance(more, dict)
                    errors += judge(more, inner, f"{path}.{key}")
        elif isinstance(one, list):
            errors += [f"{path}: too short"] * (len(one) < schema.get("minItems", 0))
            for place, inner in enumerate(one):
                errors += judge(schema["items"], inner, f"{path}[{place}]")
        elif isinstance(one, str) and not re.search(schema.get("pattern", ""), one):
            errors.append(f"{path}: does not match")
        elif type(one) is int and one < schema.get("minimum", one):
            errors.append(f"{path}: is too small")
        return errors

    return judge(root, value, "$")


class TestTheSchema:
    """The published JSON Schema is that of the reader."""

    def test_has_the_reader_s_keys(self) -> None:
        """Every table, every key, and which of them are required."""
        schema = catalog_schema()
        found = {"catalog": schema} | {
            name: schema["$defs"][name] for name in SHAPES if name != "catalog"
        }
        for name, keys in SHAPES.items():
            assert list(found[name]["properties"]) == list(keys), name
            assert found[name]["required"] == [key for key, need in keys.items() if need], name
            assert found[name]["additionalProperties"] is False

    @pytest.mark.parametrize(
        ("place", "kind"),
        [
            ("rule.properties.anchor", AnchorRule),
            ("rule.properties.direction", Direction),
            ("rule.properties.interval_change", IntervalChange),
            ("price.properties.reach", PriceReach),
            ("timing", ChangeTiming),
            ("family", Family),
            ("pricing", Pricing),
            ("version.properties.direction_by", DirectionBasis),
        ],
    )
    def test_has_the_library_s_words(self, place: str, kind: Any) -> None:  # noqa: ANN401
        """Each enumeration word for word."""
        found = catalog_schema()["$defs"]
        for name in place.split("."):
            found = found[name]
        assert found["enum"] == list(kind)

    def test_every_reference_leads_somewhere(self) -> None:
        """And every definition is used."""
        text = json.dumps(catalog_schema())
        used = set(re.findall(r'"#/\$defs/(\w+)"', text))
        assert used == set(catalog_schema()["$defs"])

    @pytest.mark.parametrize(
        "name",
        ["negative-price", "allowance-without-a-meter"],
    )
    def test_sees_what_a_schema_can_see(self, name: str) -> None:
        """A file that is wrong in its form fails, so that an editor can show it."""
        import tomllib

        tables = tomllib.loads((CATALOGS / f"{name}.toml").read_text(encoding="utf-8"))
        assert schema_errors(catalog_schema(), tables)

    def test_accepts_the_shipped_sample(self) -> None:
        """As it is."""
        import tomllib

        assert schema_errors(catalog_schema(), tomllib.loads(sample_text())) == []


class TestProductsThatAreHeldOften:
    """A recurring add-on has a quantity."""

    def test_reads_and_writes_it(self) -> None:
        """Any number, from a least one."""
        seat = Product(
            id="seat",
            family=Family.ADD_ON,
            names={"en": "Seat"},
            prices=(Price(interval=MONTH, amount=lira("99")),),
            least_quantity=2,
            most_quantity=None,
            trial=MONTH,
        )
        ours = Catalog(id="ours", version="1", products=(seat,))
        tables = as_tables(ours)["products"][0]
        assert (tables["least_quantity"], tables["most_quantity"]) == (2, "any")
        assert "rank" not in tables
        assert read_catalog(write_catalog(ours)) == ours
