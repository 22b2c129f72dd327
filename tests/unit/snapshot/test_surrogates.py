"""Surrogates keep what the planner compares: equality and order."""

from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.snapshot.surrogates import Family, family_by_look, family_of, surrogates

INTEGERS = st.one_of(st.integers(-40000, 40000), st.integers(-(2**63) + 1, 2**63 - 1))
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))


def mapped(family, texts):
    change = surrogates({family: texts})
    return {text: change(family, text) for text in texts}


def ascending(pairs):
    ordered = sorted(pairs)
    return all(a[1] < b[1] for a, b in pairwise(ordered) if a[0] < b[0])


@given(st.sets(st.one_of(INTEGERS.map(Decimal), DECIMALS), min_size=1, max_size=60))
def test_numbers_keep_sign_order_wholeness_and_range(numbers):
    made = mapped(Family.NUMBER, [str(n) for n in numbers])
    pairs = [(Decimal(old), Decimal(new)) for old, new in made.items()]
    assert ascending(pairs)
    for old, new in pairs:
        assert (old > 0) == (new > 0) and (old == 0) == (new == 0)
        if old == int(old):
            assert new == int(new)
            assert all(abs(new) < limit for limit in (2**15, 2**31, 2**63) if abs(old) < limit)


@given(st.sets(st.one_of(st.dates(date(1900, 1, 1), date(2100, 1, 1)), MOMENTS), min_size=1, max_size=60))
def test_times_keep_order_and_stay_in_their_months(times):
    texts = {str(t): datetime.fromisoformat(str(t)) for t in times}
    made = mapped(Family.TIME, list(texts))
    pairs = [(texts[old], datetime.fromisoformat(new)) for old, new in made.items()]
    assert ascending(pairs)
    assert min(n for _, n in pairs).date() == min(o for o, _ in pairs).date().replace(day=1)
    assert max(n for _, n in pairs).strftime("%Y%m") <= max(o for o, _ in pairs).strftime("%Y%m")


@given(st.sets(st.text(min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=60))
def test_texts_differ_and_reveal_nothing(texts):
    made = mapped(Family.TEXT, texts)
    assert len(set(made.values())) == len(texts)
    assert len({len(new) for new in made.values()}) == 1


def test_texts_of_one_case_keep_their_order():
    made = mapped(Family.TEXT, ["berlin", "amsterdam", "zürich", "paris"])
    assert ascending(list(made.items()))


@given(st.sets(st.uuids(), min_size=1, max_size=40))
def test_uuids_keep_order(uuids):
    assert ascending(list(mapped(Family.UUID, [str(u) for u in uuids]).items()))


def test_equal_numbers_in_other_spellings_stay_equal():
    made = mapped(Family.NUMBER, ["1", "1.0", "01", "2"])
    assert Decimal(made["1"]) == Decimal(made["1.0"]) == Decimal(made["01"]) < Decimal(made["2"])


def test_a_full_range_keeps_its_numbers():
    made = mapped(Family.NUMBER, [str(n) for n in range(1, 2**15)])
    assert made["17"] == "17"


def test_what_is_no_value_of_its_family_stays():
    change = surrogates({Family.TIME: ["infinity", "2024-13-77"], Family.NUMBER: ["NaN"]})
    assert change(Family.TIME, "infinity") == "infinity"
    assert change(Family.NUMBER, "NaN") == "NaN"


def test_families():
    assert family_of("int8") is Family.NUMBER and family_of("jsonb") is None
    looks = {
        "17": Family.NUMBER,
        "-1.5e3": Family.NUMBER,
        "2024-02-03": Family.TIME,
        "abc": Family.TEXT,
        "17 a": Family.TEXT,
    }
    assert {text: family_by_look(text) for text in looks} == looks
