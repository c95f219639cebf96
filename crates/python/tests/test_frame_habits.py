"""What people who come from other DataFrames take for granted: classes of errors, casts, JSON, joins, functions of their own."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

import corsac
import pytest
from corsac import (
    ArrayType,
    BooleanType,
    DataFrame,
    IntegerType,
    JsonType,
    Session,
    SessionConfig,
    StringType,
    StructField,
    StructType,
    arr,
    async_udf,
    avg,
    col,
    count_distinct,
    desc,
    json,
    lit,
    semantic,
    text,
    udf,
)
from corsac import errors
from corsac.types import (
    ClassifyExample,
    ClassifyExampleCollection,
    DateType,
    DoubleType,
    KeyPoints,
    MapExample,
    MapExampleCollection,
    Paragraph,
    PredicateExample,
    PredicateExampleCollection,
    Schema,
    TimestampType,
)
from corsac.types import ColumnField as Field


@pytest.fixture
def session() -> Session:
    return Session(SessionConfig(engine="sim"))


@pytest.fixture
def letters(session: Session) -> DataFrame:
    return session.create_dataframe({"n": [1, 2, None], "t": ["one", "2", None]})


def values(frame: DataFrame, value: Any) -> list[Any]:
    return [row["value"] for row in frame.select(value.alias("value")).to_pylist()]


# errors


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda frame: frame.select("nobody"), errors.ColumnNotFoundError),
        (lambda frame: frame["nobody"], KeyError),
        (lambda frame: frame.drop("nobody"), errors.PlanError),
        (lambda frame: frame.drop("n", "t"), errors.ValidationError),
        (lambda frame: frame.select("n", "n"), errors.PlanError),
        (lambda frame: frame.select(text.upper("n")), errors.TypeMismatchError),
        (lambda frame: frame.select(col("n") + "a"), errors.TypeMismatchError),
        (lambda frame: frame.select(arr.size("t")), errors.TypeMismatchError),
        (lambda frame: frame.filter(col("n")), errors.TypeMismatchError),
        (lambda frame: frame.explode("n"), errors.TypeMismatchError),
        (lambda frame: frame.unnest("n"), errors.TypeMismatchError),
        (lambda frame: frame.group_by("t").agg(avg("t")), errors.TypeMismatchError),
        (lambda frame: frame.group_by("t").agg(), errors.ValidationError),
        (lambda frame: frame.union(frame.select("n")), errors.PlanError),
        (lambda frame: frame.select("n").union(frame.select("t")), errors.TypeMismatchError),
        (lambda frame: frame.join(frame, on="nobody"), errors.ColumnNotFoundError),
        (lambda frame: frame.join(frame), errors.ValidationError),
        (lambda frame: frame.select(text.split_part("t", ",", 0)).to_pylist(), errors.ValidationError),
        (lambda frame: frame.select(text.regexp_count("t", "[")).to_pylist(), errors.ValidationError),
        (lambda frame: text.compute_fuzzy_ratio("t", "x", method="guess"), errors.ValidationError),  # type: ignore[arg-type]
        (lambda frame: text.character_chunk("t", 5, 100), errors.ValidationError),
        (lambda frame: corsac.dt.date_trunc("n", "eon"), errors.ValidationError),  # type: ignore[arg-type]
        (lambda frame: frame.select(text.jinja("{{ n }} {{ other }}", n=col("n"))), errors.ValidationError),
        (lambda frame: frame.select(text.jinja("{{ other }}", n=col("n"))), errors.ValidationError),
        (lambda frame: lit([1, "x"]), errors.TypeMismatchError),
        (lambda frame: col(1), errors.TypeMismatchError),  # type: ignore[arg-type]
        (lambda frame: frame.group_by(1), errors.TypeMismatchError),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_with_a_program_is_told_by_its_class(
    letters: DataFrame, wrong: Callable[[DataFrame], Any], expected: type[Exception]
) -> None:
    with pytest.raises(expected) as raised:
        wrong(letters)
    if expected is not KeyError:
        assert isinstance(raised.value, (errors.ValidationError, errors.CorsacError))
        assert isinstance(raised.value, ValueError)


def test_an_error_of_a_column_reads_as_a_sentence(letters: DataFrame) -> None:
    with pytest.raises(errors.ColumnNotFoundError) as raised:
        letters.select("m")
    assert str(raised.value) == 'there is no column "m". The columns are: n, t'


def test_tables_that_are_not_there_and_tables_that_are(session: Session, letters: DataFrame) -> None:
    catalog = session.catalog
    with pytest.raises(errors.TableNotFoundError):
        catalog.describe_table("nobody")
    with pytest.raises(errors.TableNotFoundError):
        catalog.drop_table("nobody", ignore_if_not_exists=False)
    with pytest.raises(errors.TableNotFoundError):
        session.view("nobody")
    with pytest.raises(errors.CatalogError):
        session.table("nobody")
    letters.write.save_as_table("kept")
    with pytest.raises(errors.TableAlreadyExistsError):
        letters.write.save_as_table("kept")
    with pytest.raises(errors.TableAlreadyExistsError):
        catalog.create_table("kept", letters.schema, ignore_if_exists=False)
    assert catalog.create_table("kept", letters.schema) is False


def test_names_in_the_catalog_may_be_whole_and_in_any_case(session: Session, letters: DataFrame) -> None:
    letters.write.save_as_table("kept")
    letters.write.save_as_view("seen", description="letters")
    catalog = session.catalog
    assert catalog.does_table_exist("corsac.kept") and catalog.does_table_exist("CORSAC.KEPT")
    assert not catalog.does_table_exist("other.kept")
    assert catalog.does_view_exist("corsac.Seen") and catalog.describe_view("corsac.seen").description == "letters"
    assert session.table("corsac.kept").count() == 3 and session.view("SEEN").count() == 3
    assert catalog.drop_table("corsac.kept") is True and catalog.drop_view("corsac.seen") is True
    assert "kept" not in catalog.list_tables() and "seen" not in catalog.list_views()


def test_a_stopped_session_is_over(letters: DataFrame) -> None:
    config = SessionConfig(engine="sim", app_name="stopped and had again")
    session = Session.get_or_create(config)
    frame = session.create_dataframe({"n": [1]})
    session.stop()
    for wrong in (frame.to_pylist, frame.count, lambda: session.create_dataframe({"n": [1]}), lambda: session.sql("SELECT 1")):
        with pytest.raises(errors.SessionError, match="get_or_create"):
            wrong()
    again = Session.get_or_create(config)
    assert again is not session and again.create_dataframe({"n": [1]}).count() == 1
    again.stop()


def test_there_is_one_catalog_and_one_database(session: Session) -> None:
    catalog = session.catalog
    assert catalog.create_database("corsac") is False
    assert catalog.drop_database("another") is False
    with pytest.raises(errors.CatalogError, match="another home"):
        catalog.create_database("another")
    with pytest.raises(errors.DatabaseAlreadyExistsError):
        catalog.create_database("corsac", ignore_if_exists=False)
    with pytest.raises(errors.DatabaseNotFoundError):
        catalog.set_current_database("another")
    with pytest.raises(errors.CatalogNotFoundError):
        catalog.drop_catalog("another", ignore_if_not_exists=False)


def test_a_file_that_is_there_is_not_replaced_unasked(letters: DataFrame) -> None:
    letters.write.csv("kept.csv")
    for expected in (FileExistsError, errors.PlanError, errors.WriteError):
        with pytest.raises(expected):
            letters.write.csv("kept.csv", mode="error")


def test_files_with_different_columns(session: Session) -> None:
    session.create_dataframe({"id": [1], "key": [7]}).write.csv("a.csv")
    session.create_dataframe({"id": [2], "key": ["x"], "more": [True]}).write.csv("b.csv")
    merged = session.read.csv(["a.csv", "b.csv"], merge_schemas=True)
    assert merged.sort("id").to_pydict() == {"id": [1, 2], "key": ["7", "x"], "more": [None, True]}
    assert session.read.csv(["a.csv", "b.csv"]).columns == ["id", "key"]
    with pytest.raises(errors.PlanError, match="merge_schemas=True"):
        session.read.csv(["b.csv", "a.csv"])
    with pytest.raises(errors.PlanError):
        session.read.csv("nobody.csv")
    with pytest.raises(errors.ValidationError, match="no lists and structs"):
        session.read.csv("a.csv", schema=Schema([Field("id", ArrayType(IntegerType)), Field("key", StringType)]))


# types and casts


def test_a_cast_gives_null_for_what_it_cannot_read(letters: DataFrame) -> None:
    assert values(letters, col("t").cast(IntegerType)) == [None, 2, None]
    with pytest.raises(errors.ExecutionError):
        values(letters, col("t").cast(IntegerType, strict=True))


def test_types_are_equal_by_what_they_hold(session: Session) -> None:
    moment = datetime.datetime(2024, 5, 1, 12)
    frame = session.create_dataframe({"a": [1], "b": [1.5], "c": [moment], "d": [moment.date()], "e": [["x"]], "f": [{"g": True}]})
    assert frame.schema.column_fields == [
        Field("a", IntegerType),
        Field("b", DoubleType),
        Field("c", TimestampType),
        Field("d", DateType),
        Field("e", ArrayType(StringType)),
        Field("f", StructType([StructField("g", BooleanType)])),
    ]
    assert frame.select(text.length(lit("four")).alias("n")).schema["n"] == IntegerType
    assert IntegerType != StringType and hash(IntegerType) != hash(StringType)


def test_a_schema_says_the_columns_and_their_order(session: Session) -> None:
    schema = Schema([Field("age", IntegerType), Field("name", StringType)])
    frame = session.create_dataframe({"name": ["Ada"], "age": ["36"]}, schema=schema)
    assert frame.to_pylist() == [{"age": 36, "name": "Ada"}] and frame.columns == ["age", "name"]
    with pytest.raises(errors.ValidationError, match="the schema names the columns age, name"):
        session.create_dataframe({"age": [1]}, schema=schema)


def test_json_casts_to_what_it_says(session: Session) -> None:
    talk = '{"who": "Ada", "parts": [{"at": 1.5, "said": "hi"}, {"at": 2, "said": null}], "n": 3, "ok": true}'
    frame = session.create_dataframe({"j": [talk, "no json", None]}).select(col("j").cast(JsonType).alias("j"))
    assert frame.select(col("j").is_null().alias("none")).to_pydict() == {"none": [False, True, True]}
    first = frame.limit(1)
    found = first.select(
        json.jq(col("j"), ".who").get_item(0).cast(StringType).alias("who"),
        json.jq(col("j"), ".n")[0].cast(IntegerType).alias("n"),
        json.jq(col("j"), ".ok")[0].cast(BooleanType).alias("ok"),
        json.jq(col("j"), "[.parts[].at]")[0].cast(ArrayType(DoubleType)).alias("at"),
    )
    assert found.to_pylist() == [{"who": "Ada", "n": 3, "ok": True, "at": [1.5, 2.0]}]
    said = first.select(json.jq(col("j"), ".parts[].said").alias("said")).explode("said").filter(lit(True))
    assert said.schema["said"] == JsonType
    assert values(said, col("said").cast(StringType)) == ["hi", None]
    whole = col("j").cast(StructType([StructField("who", StringType), StructField("n", IntegerType), StructField("x", StringType)]))
    assert values(first, whole) == [{"who": "Ada", "n": 3, "x": None}]
    renamed = first.with_column_renamed("j", "k").with_column("twice", col("k"))
    assert values(renamed, json.jq("twice", ".who")[0].cast(StringType)) == ["Ada"]


def test_any_value_casts_to_json(session: Session) -> None:
    frame = session.create_dataframe({"s": [{"a": 1, "b": [None, "x"]}], "n": [1.5], "t": ["plain"]})
    assert values(frame, col("s").cast(JsonType)) == ['{"a":1,"b":[null,"x"]}']
    assert values(frame, col("n").cast(JsonType)) == ["1.5"]
    assert values(frame, col("t").cast(JsonType)) == [None]


# verbs


def test_null_comes_first_in_every_order_unless_told(session: Session) -> None:
    frame = session.create_dataframe({"n": [1, None, 2]})
    assert values(frame.sort("n"), col("n")) == [None, 1, 2]
    assert values(frame.sort(desc("n")), col("n")) == [None, 2, 1]
    assert values(frame.sort("n", ascending=False), col("n")) == [None, 2, 1]
    assert values(frame.sort(col("n").desc_nulls_last()), col("n")) == [2, 1, None]


def test_a_join_has_its_key_once(session: Session) -> None:
    left = session.create_dataframe({"id": [1, 2], "a": ["x", "y"]})
    right = session.create_dataframe({"key": [2, 3], "b": ["p", "q"]})
    assert left.join(right, left_on="id", right_on="key").columns == ["id", "a", "b"]
    kept = left.join(right, left_on="id", right_on="key", how="right")
    assert kept.columns == ["a", "key", "b"] and sorted(values(kept, col("key"))) == [2, 3]
    assert left.join(right, left_on="id", right_on="key", how="full").columns == ["id", "a", "key", "b"]
    assert left.join(right, left_on=col("id") + 1, right_on="key").columns == ["id", "a", "key", "b"]


def test_a_union_goes_by_names(session: Session) -> None:
    frame = session.create_dataframe({"a": [1], "b": ["x"]}).union(session.create_dataframe({"b": ["y"], "a": [2]}))
    assert frame.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_small_habits(letters: DataFrame) -> None:
    assert letters.select().columns == letters.columns
    assert letters.limit(-1).count() == 0
    assert letters.with_column_renamed("nobody", "x").columns == letters.columns
    assert letters.select(col("n") + 1, lit("x")).columns == ["(n + lit(1))", "lit(x)"]
    assert letters.drop_duplicates("t").count() == 3
    assert letters.agg(count_distinct("n", "t").alias("n")).to_pydict() == {"n": [2]}


def test_texts(session: Session) -> None:
    frame = session.create_dataframe({"t": [" kitten\t\n", None]})
    assert values(frame, text.trim("t")) == ["kitten", None]
    assert values(frame, text.ltrim("t")) == ["kitten\t\n", None]
    assert values(frame, text.rtrim("t")) == [" kitten", None]
    assert values(frame, text.compute_fuzzy_ratio(text.trim("t"), "kitten")) == [100.0, None]
    assert values(frame, text.regexp_extract("t", "(q)", 1)) == ["", None]
    assert values(frame, text.regexp_instr("t", "(k)(it)", 2)) == [3, None]
    assert values(frame, text.extract("t", "${a}:${b:csv}")) == [{"a": None, "b": None}] * 2
    assert values(frame, text.concat("t", lit("!"))) == [" kitten\t\n!", None]
    assert values(frame, text.concat_ws("-", "t", lit("!"))) == [" kitten\t\n-!", None]


# functions of one's own


def test_a_function_of_ones_own(letters: DataFrame) -> None:
    @udf(return_type=StringType)
    def shown(number: Any, word: Any) -> str:
        return f"{number}/{word}"

    assert values(letters, shown("n", col("t"))) == ["1/one", "2/2", "None/None"]
    assert letters.select(shown("n", "t")).columns == ["shown(n, t)"]
    twice = udf(lambda number: None if number is None else number * 2, return_type=IntegerType)
    assert values(letters.filter(twice("n") > 2), twice(twice(col("n")))) == [8]
    pair = udf(lambda word: {"word": word, "parts": list(word or "")}, return_type=StructType(
        [StructField("word", StringType), StructField("parts", ArrayType(StringType))]
    ))
    assert values(letters.limit(1), pair("t")) == [{"word": "one", "parts": ["o", "n", "e"]}]
    assert letters.agg(corsac.sum(twice("n")).alias("n")).to_pydict() == {"n": [6]}


def test_what_a_function_of_ones_own_raises_ends_the_query(letters: DataFrame) -> None:
    broken = udf(lambda number: 1 // (number - 2), return_type=IntegerType)
    with pytest.raises(errors.ExecutionError, match=r"ZeroDivisionError: .*, for \(?2"):
        values(letters.filter(col("n") == 2), broken("n"))
    wrong = udf(lambda number: "many", return_type=IntegerType)
    with pytest.raises(errors.ExecutionError, match="its values are no Int64"):
        values(letters, wrong("n"))


def test_rows_of_an_asynchronous_function_are_awaited_together(session: Session) -> None:
    under_way, most, tries = 0, 0, {"flaky": 0}

    @async_udf(return_type=IntegerType, max_concurrency=3, num_retries=1)
    async def slow(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(5):
            await asyncio.sleep(0)
        under_way -= 1
        if number == 4:
            tries["flaky"] += 1
            if tries["flaky"] == 1:
                raise ValueError("once")
        if number == 5:
            raise ValueError("always")
        return number * 10

    frame = session.create_dataframe({"n": [1, 2, 3, 4, 5]})
    assert values(frame, slow("n")) == [10, 20, 30, 40, None]
    assert most == 3 and tries["flaky"] == 2
    with pytest.raises(errors.ValidationError, match="async def"):
        async_udf(lambda number: number, return_type=IntegerType)  # type: ignore[arg-type, return-value]


# calls are looked at where they are written


@pytest.mark.parametrize(
    "wrong",
    [
        lambda frame: frame.select(semantic.map("Say {{ t }} {{ u }}", t=col("t"))),
        lambda frame: frame.select(semantic.map("Say {{ t", t=col("t"))),
        lambda frame: frame.select(semantic.map("", t=col("t"))),
        lambda frame: frame.select(semantic.map("Say {{ t }}", t=col("t"), temperature=3)),
        lambda frame: frame.select(semantic.map("Say {{ t }}", t=col("t"), max_output_tokens=0)),
        lambda frame: frame.select(semantic.map("Say {{ t }}", t=col("t"), request_timeout=0)),
        lambda frame: frame.filter(semantic.predicate("Is {{ u }} so?", t=col("t"))),
        lambda frame: frame.select(semantic.classify("t", ["a"])),
        lambda frame: frame.select(semantic.classify("t", ["a", "a"])),
        lambda frame: frame.select(semantic.classify("t", "ab")),
        lambda frame: frame.select(semantic.summarize("t", format="short")),
        lambda frame: frame.semantic.join(frame, "Is {{ left_on }} so?", col("t"), col("t")),
        lambda frame: frame.semantic.sim_join(frame, "t", "t", k=0),
        lambda frame: KeyPoints(max_points=0),
        lambda frame: Paragraph(max_words=0),
    ],
)
def test_a_call_is_looked_at_where_it_is_written(letters: DataFrame, wrong: Callable[[DataFrame], Any]) -> None:
    with pytest.raises(errors.ValidationError):
        wrong(letters)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MapExampleCollection([MapExample({"t": "a"}, "b"), MapExample({"u": "a"}, "b")]),
        lambda: MapExampleCollection([MapExample({"t": "a"}, "b"), MapExample({"t": 1}, "b")]),
        lambda: MapExampleCollection([MapExample({"t": None}, "b")]),
        lambda: MapExample({"t": "a"}, 3),
        lambda: PredicateExample({"t": "a"}, "perhaps"),  # type: ignore[arg-type]
        lambda: PredicateExampleCollection([MapExample({"t": "a"}, "b")]),
        lambda: semantic.classify(
            "t", ["a", "b"], examples=ClassifyExampleCollection([ClassifyExample(input="x", output="c")])
        ),
    ],
)
def test_examples_go_together(wrong: Callable[[], Any]) -> None:
    with pytest.raises(errors.InvalidExampleCollectionError):
        wrong()


def test_examples_with_fields_are_shown_in_the_question(session: Session) -> None:
    from pydantic import BaseModel

    class Town(BaseModel):
        name: str
        country: str

    examples = MapExampleCollection([MapExample({"t": "{{ Oslo }} {% endraw %}"}, Town(name="Oslo", country="Norway"))])
    frame = session.create_dataframe({"t": ["Rome"]})
    asked = frame.select(semantic.map("Which town is {{ t }}?", t=col("t"), response_format=Town, examples=examples).alias("town"))
    assert asked.schema["town"] == StructType([StructField("name", StringType), StructField("country", StringType)])
    found = asked.to_pylist()[0]["town"]
    assert set(found) == {"name", "country"}
    plain = MapExampleCollection([MapExample({"t": "Oslo"}, "a town")])
    with pytest.raises(errors.InvalidExampleCollectionError):
        semantic.map("{{ t }}", t=col("t"), response_format=Town, examples=plain)
    with pytest.raises(errors.InvalidExampleCollectionError):
        semantic.map("{{ t }}", t=col("t"), examples=examples)


def test_the_paths_of_other_frames_lead_here() -> None:
    from corsac.api.column import Column
    from corsac.api.dataframe import DataFrame as Frame
    from corsac.api.functions import col as column
    from corsac.api.functions import text as texts
    from corsac.api.session import Session as Opened
    from corsac.core.error import TypeMismatchError
    from corsac.core.types import ArrayType as Lists

    assert (Column, Frame, column, texts, Opened) == (corsac.Column, corsac.DataFrame, corsac.col, corsac.text, corsac.Session)
    assert (TypeMismatchError, Lists) == (corsac.TypeMismatchError, corsac.ArrayType)
    with pytest.raises(AttributeError, match="OpenRouterLanguageModel"):
        _ = corsac.AnthropicLanguageModel
