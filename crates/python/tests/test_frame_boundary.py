"""Data in and out: every type of Arrow, nulls, empty tables, what is not UTF-8, large values, dictionaries, nested data."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corsac import DataFrame, Schema, Session, SessionConfig, col
from corsac._corsac import arrow_import, arrow_rows
from corsac.errors import UsageError

UTC = dt.timezone.utc


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(SessionConfig(engine="sim"))


quickly = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

# what Python can hold of each type
SCALARS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "bool": (pa.bool_(), st.booleans()),
    "int8": (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    "int16": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "int32": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "uint8": (pa.uint8(), st.integers(0, 2**8 - 1)),
    "uint16": (pa.uint16(), st.integers(0, 2**16 - 1)),
    "uint32": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "float32": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "float64": (pa.float64(), st.floats(allow_nan=False)),
    "string": (pa.string(), st.text(max_size=20)),
    "large_string": (pa.large_string(), st.text(max_size=20)),
    "string_view": (pa.string_view(), st.text(max_size=40)),
    "binary": (pa.binary(), st.binary(max_size=20)),
    "large_binary": (pa.large_binary(), st.binary(max_size=20)),
    "binary_view": (pa.binary_view(), st.binary(max_size=40)),
    "fixed_binary": (pa.binary(4), st.binary(min_size=4, max_size=4)),
    "date32": (pa.date32(), st.dates()),
    "date64": (pa.date64(), st.dates()),
    "time32": (pa.time32("ms"), st.times().map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    "time64": (pa.time64("us"), st.times()),
    "timestamp": (pa.timestamp("us"), st.datetimes()),
    "timestamp_ms": (pa.timestamp("ms"), st.datetimes().map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    "timestamp_utc": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
    "duration": (pa.duration("us"), st.timedeltas(dt.timedelta(days=-90000), dt.timedelta(days=90000))),
    "decimal": (pa.decimal128(20, 4), st.decimals(-(10**15), 10**15, places=4)),
    "decimal256": (pa.decimal256(50, 2), st.decimals(-(10**30), 10**30, places=2)),
    "null": (pa.null(), st.none()),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), st.text(max_size=5)),
}


def nested(kind: pa.DataType, values: st.SearchStrategy[Any]) -> list[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    optional = st.none() | values
    return [
        (pa.list_(kind), st.lists(optional, max_size=3)),
        (pa.large_list(kind), st.lists(optional, max_size=3)),
        (pa.list_(kind, 2), st.lists(optional, min_size=2, max_size=2)),
        (pa.struct([("a", kind), ("b", pa.int64())]), st.fixed_dictionaries({"a": optional, "b": st.none() | st.integers(0, 9)})),
    ]


def through(session: Session, table: pa.Table) -> pa.Table:
    frame = session.create_dataframe(table)
    assert frame.columns == table.column_names
    return frame.to_arrow()


@pytest.mark.parametrize("name", SCALARS)
@quickly
@given(data=st.data())
def test_every_type_comes_back_as_it_went(session: Session, name: str, data: st.DataObject) -> None:
    kind, values = SCALARS[name]
    items = data.draw(st.lists(st.none() | values, max_size=8))
    table = pa.table({"x": pa.array(items, type=kind)})
    assert through(session, table).equals(table)
    # and as Python's own values
    assert session.create_dataframe(table).to_pydict() == table.to_pydict()


@pytest.mark.parametrize("name", ["int64", "string", "timestamp", "decimal", "binary"])
@quickly
@given(data=st.data())
def test_nested_types_come_back_as_they_went(session: Session, name: str, data: st.DataObject) -> None:
    kind, values = data.draw(st.sampled_from(nested(*SCALARS[name])))
    items = data.draw(st.lists(st.none() | values, max_size=6))
    table = pa.table({"x": pa.array(items, type=kind)})
    assert through(session, table).equals(table)
    assert session.create_dataframe(table).to_pylist() == table.to_pylist()


def test_maps_and_run_ends_and_intervals(session: Session) -> None:
    maps = pa.table({"m": pa.array([[("a", 1), ("b", None)], None, []], type=pa.map_(pa.string(), pa.int64()))})
    assert through(session, maps).equals(maps)
    assert session.create_dataframe(maps).to_pydict() == {"m": [{"a": 1, "b": None}, None, {}]}
    ends = pa.table({"r": pa.RunEndEncodedArray.from_arrays([2, 3], ["x", "y"])})
    assert arrow_import(ends).to_pydict() == {"r": ["x", "x", "y"]}
    interval = pa.table({"i": pa.array([(1, 2, 3), None], type=pa.month_day_nano_interval())})
    assert session.create_dataframe(interval).to_pydict() == {"i": [(1, 2, 3), None]}
    half = pa.table({"h": pa.array([1.5, None], type=pa.float16())})
    assert session.create_dataframe(half).to_pydict() == {"h": [1.5, None]}


def test_slices_and_chunks(session: Session) -> None:
    whole = pa.table({"x": pa.chunked_array([["a", "b", None], ["c"], []], type=pa.string()), "l": pa.chunked_array([[[1], [], [2, 3]], [None]])})
    part = whole.slice(1, 2)
    assert session.create_dataframe(part).to_pylist() == part.to_pylist()
    assert session.create_dataframe(whole).to_pylist() == whole.to_pylist()


def test_nothing_is_copied_on_the_way_in() -> None:
    column = pa.array(range(1000), type=pa.int64())
    address = column.buffers()[1].address
    out = pa.table(arrow_import(pa.table({"x": column})))
    assert out.column("x").chunk(0).buffers()[1].address == address


def test_empty_tables(session: Session) -> None:
    empty = pa.table({"x": pa.array([], type=pa.int64()), "s": pa.array([], type=pa.string())})
    assert session.create_dataframe(empty).to_arrow().schema.equals(empty.schema)
    assert session.create_dataframe(empty).to_pydict() == {"x": [], "s": []}
    assert session.create_dataframe([]).count() == 0
    assert session.create_dataframe({"x": []}).to_pylist() == []
    assert session.create_dataframe(pl.DataFrame({"x": pl.Series([], dtype=pl.Int32)})).to_polars().schema == {"x": pl.Int32}


def test_texts_that_are_not_utf8_are_told_and_never_read(session: Session) -> None:
    raw = pa.array([b"fine", b"\xff\xfe"], type=pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    with pytest.raises(ValueError, match=r"column \"x\" cannot be read: .*(?i:utf)"):
        session.create_dataframe(pa.table({"x": broken}))
    assert session.create_dataframe(pa.table({"x": raw})).to_pydict() == {"x": [b"fine", b"\xff\xfe"]}


def test_lone_surrogates_are_written_so_that_others_can_read_them(session: Session) -> None:
    (value,) = session.create_dataframe({"x": ["a\ud800b"]}).to_pydict()["x"]
    assert value.startswith("a") and value.endswith("b")
    value.encode("utf-8")


def test_large_texts(session: Session) -> None:
    large = "é" * 3_000_000
    assert session.create_dataframe({"x": [large, None]}).to_pydict() == {"x": [large, None]}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=10)
    | st.binary(max_size=10)
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@quickly
@given(value=PLAIN, rows=st.integers(1, 3))
def test_pythons_values_come_back(value: Any, rows: int) -> None:
    try:
        table = arrow_rows([("x", [value, None] * rows)], {})
    except TypeError as error:
        # a list of things that no column holds together
        assert "holds" in str(error) or "list" in str(error)
        return
    back = table.to_pydict()["x"]
    assert back == widened([value, None] * rows, back)


def widened(values: list[Any], like: list[Any]) -> list[Any]:
    """Numbers and dates become the type that holds their neighbours."""

    def one(value: Any, other: Any) -> Any:
        if isinstance(value, list) and isinstance(other, list):
            return [one(a, b) for a, b in zip(value, other, strict=True)]
        if isinstance(other, float) and isinstance(value, int):
            return float(value)
        if isinstance(other, dt.datetime) and type(value) is dt.date:
            return dt.datetime.combine(value, dt.time())
        return value

    return [one(value, other) for value, other in zip(values, like, strict=True)]


@quickly
@given(st.lists(st.fixed_dictionaries({"a": st.integers(0, 9)}, optional={"b": st.text(max_size=3)}), max_size=6))
def test_rows_as_dicts(rows: list[dict[str, Any]]) -> None:
    session = Session(SessionConfig(engine="sim"))
    back = session.create_dataframe(rows).to_pylist()
    names = {name for row in rows for name in row}
    assert back == [{name: row.get(name) for name in ("a", "b") if name in names} for row in rows]


def test_values_of_other_types_are_told() -> None:
    for values, told in [
        ([1, "a"], "holds int and str"),
        ([object()], "object is no table's"),
        ([{1: 2}], "keys of a dict must be texts"),
        ([2**200], "more than 38 digits"),
        ([dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=UTC)], "datetime and datetime with a time zone"),
    ]:
        with pytest.raises((TypeError, ValueError), match=told):
            arrow_rows([("x", values)], {})


def test_special_values() -> None:
    table = arrow_rows(
        [
            ("big", [2**63, 1]),
            ("bigger", [-(2**100), 2**100]),
            ("money", [decimal.Decimal("1.50"), decimal.Decimal("-3")]),
            ("nan", [math.inf, None]),
            ("zoned", [dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))), None]),
            ("span", [dt.timedelta(days=-1, microseconds=1), None]),
        ],
        {},
    )
    back = table.to_pydict()
    assert back["big"] == [2**63, 1]
    assert back["bigger"] == [-(2**100), 2**100]
    assert back["money"] == [decimal.Decimal("1.50"), decimal.Decimal("-3.00")]
    assert back["nan"] == [math.inf, None]
    assert back["zoned"] == [dt.datetime(2024, 1, 1, 10, tzinfo=UTC), None]
    assert back["span"] == [dt.timedelta(days=-1, microseconds=1), None]


def test_polars_and_pandas(session: Session) -> None:
    frame = pl.DataFrame(
        {
            "i": [1, None],
            "s": ["a", None],
            "c": pl.Series(["x", "y"], dtype=pl.Categorical),
            "d": [dt.date(2024, 1, 1), None],
            "l": [[1, 2], None],
            "t": [{"a": 1}, None],
        }
    )
    back = session.create_dataframe(frame).to_polars()
    assert back.to_dicts() == frame.to_dicts()
    table = pd.DataFrame({"i": [1, 2], "s": ["a", None], "f": [1.5, float("nan")], "when": pd.to_datetime(["2024-01-01", None])})
    back_table = session.create_dataframe(table).to_pandas()
    assert back_table["i"].tolist() == [1, 2]
    assert back_table["s"].isna().tolist() == [False, True]
    assert back_table["when"].isna().tolist() == [False, True]
    with pytest.raises(UsageError, match="two columns are called"):
        session.create_dataframe(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    assert session.create_dataframe(frame.select("i")).with_column("j", pl.Series([5, 6])).to_pydict() == {"i": [1, None], "j": [5, 6]}


def test_what_is_no_table_is_told(session: Session) -> None:
    for data in (5, "text", b"bytes", None, object()):
        with pytest.raises(UsageError):
            session.create_dataframe(data)
    with pytest.raises(UsageError, match="row 0 is int"):
        session.create_dataframe([1])
    with pytest.raises(ValueError, match="has 1 values"):
        session.create_dataframe({"a": [1, 2], "b": [1]})
    with pytest.raises(ValueError, match="two columns are called"):
        session.create_dataframe(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))


def test_types_can_be_said(session: Session) -> None:
    frame = session.create_dataframe({"a": [1, 2], "b": [None, None]}, schema={"a": "float64", "b": "string"})
    assert [repr(field.data_type) for field in frame.schema] == ["float64", "string"]
    made = session.create_dataframe(pa.table({"a": ["1", "2"]}), schema={"a": int})
    assert made.to_pydict() == {"a": [1, 2]}
    assert isinstance(made.schema, Schema)
    with pytest.raises(ValueError, match="cannot be"):
        session.create_dataframe({"a": ["x"]}, schema={"a": "int64"})


def test_results_are_read_by_others_without_pyarrow(session: Session) -> None:
    result = session.create_dataframe({"a": [1, None], "b": ["x", "y"]}).filter(col("b") == "x").collect("pydict")
    assert pl.DataFrame(result).to_dicts() == [{"a": 1, "b": "x"}]
    frame = session.create_dataframe({"a": [1]})
    assert pa.table(frame).to_pylist() == [{"a": 1}]
    assert isinstance(session.create_dataframe(result), DataFrame)
