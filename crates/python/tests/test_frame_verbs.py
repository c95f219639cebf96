"""Verbs and columns of lazy tables, without a model."""

from __future__ import annotations

import datetime as dt
import enum
from pathlib import Path
from typing import Any

import pytest

import corsac
from corsac import (
    DataFrame,
    Session,
    SessionConfig,
    arr,
    array,
    avg,
    coalesce,
    col,
    count,
    count_distinct,
    embedding,
    first,
    greatest,
    least,
    lit,
    markdown,
    null,
    stddev,
    struct,
    text,
    when,
)
from corsac import dt as moments
from corsac import json as js
from corsac.errors import QueryError, TableError, UsageError


@pytest.fixture
def session() -> Session:
    return Session(SessionConfig(engine="sim"))


@pytest.fixture
def people(session: Session) -> DataFrame:
    return session.create_dataframe(
        {
            "id": [1, 2, 3, 4],
            "name": ["Ada", "Bo", None, "Cleo"],
            "team": ["x", "y", "x", "y"],
            "tags": [["a", "b"], [], None, ["c"]],
            "at": [{"city": "Oslo", "n": 1}, {"city": "Rom", "n": 2}, None, {"city": None, "n": 4}],
        }
    )


def rows(frame: DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in frame.to_pylist()]


def column(frame: DataFrame, value: Any) -> list[Any]:
    return [row[0] for row in rows(frame.select(value.alias("value")))]


def test_columns_are_chosen_renamed_and_dropped(people: DataFrame) -> None:
    assert people.columns == ["id", "name", "team", "tags", "at"]
    assert people.select("id", col("name").alias("who")).columns == ["id", "who"]
    assert people.select("*").columns == people.columns
    assert people.drop("tags", "at").columns == ["id", "name", "team"]
    assert people.with_column_renamed("id", "key").columns[0] == "key"
    assert people.rename({"id": "a", "team": "b"}).columns == ["a", "name", "b", "tags", "at"]
    assert people.withColumn("id", col("id") + 1).columns == people.columns
    assert rows(people.with_columns({"twice": col("id") * 2, "one": 1}).select("twice", "one")) == [(2, 1), (4, 1), (6, 1), (8, 1)]


def test_names_are_readable(people: DataFrame) -> None:
    assert people.select(text.upper("name"), col("at.city"), col("at")["n"], col("tags")[0]).columns == ["upper(name)", "city", "n", "tags[0]"]
    assert people.agg(count("*"), avg("id")).columns == ["count", "avg(id)"]


def test_a_column_that_is_not_there_is_told_with_the_nearest(people: DataFrame) -> None:
    with pytest.raises(QueryError, match='no column "nmae". Did you mean "name"'):
        people.select("nmae")
    with pytest.raises(ValueError, match='two columns are called "id"'):
        people.select("id", "id")
    with pytest.raises(AttributeError, match="no such column"):
        _ = people.nmae
    assert people.NAME if "NAME" in people.columns else True
    # case alone is no difference
    assert column(people, col("NAME")) == ["Ada", "Bo", None, "Cleo"]


def test_rows_are_filtered(people: DataFrame) -> None:
    assert rows(people.filter((col("id") > 1) & ~col("name").is_null()).select("id")) == [(2,), (4,)]
    assert rows(people.where(people.team == "x").select("id")) == [(1,), (3,)]
    assert rows(people.filter(people["id"].is_in([1, 4]) | (people["id"] == 2)).select("id")) == [(1,), (2,), (4,)]
    with pytest.raises(TypeError, match="must be true or false"):
        people.filter(col("id") + 1)
    with pytest.raises(TypeError, match="neither true nor false"):
        people.filter(col("id") > 1 and col("id") < 3)


def test_operators(people: DataFrame) -> None:
    assert column(people, (1 + col("id")) * 2 - 1) == [3, 5, 7, 9]
    assert column(people, col("id") / 2) == [0.5, 1.0, 1.5, 2.0]
    assert column(people, 6 / col("id")) == [6.0, 3.0, 2.0, 1.5]
    assert column(people, col("id") % 2) == [1, 0, 1, 0]
    assert column(people, -col("id")) == [-1, -2, -3, -4]
    assert column(people, 2 < col("id")) == [False, False, True, True]
    assert column(people, col("id").between(2, 3)) == [False, True, True, False]
    assert column(people, col("id").cast("string")) == ["1", "2", "3", "4"]
    assert column(people, col("name").try_cast(int)) == [None] * 4
    assert column(people, col("name").equals_or_both_null(null("string"))) == [False, False, True, False]


def test_texts(people: DataFrame) -> None:
    name = col("name")
    assert column(people, name.like("%o")) == [False, True, None, True]
    assert column(people, name.ilike("a%")) == [True, False, None, False]
    assert column(people, name.rlike("^[AB]")) == [True, True, None, False]
    assert column(people, name.contains("o")) == [False, True, None, True]
    assert column(people, name.contains_any(["AD", "cl"])) == [True, False, None, True]
    assert column(people, name.starts_with("C")) == [False, False, None, True]
    assert column(people, name.ends_with("a")) == [True, False, None, False]
    assert column(people, name.fill_null("nobody")) == ["Ada", "Bo", "nobody", "Cleo"]
    assert column(people, coalesce(name, lit("?"))) == ["Ada", "Bo", "?", "Cleo"]
    assert column(people, text.concat_ws("-", "team", "name")) == ["x-Ada", "y-Bo", None, "y-Cleo"]
    assert column(people, text.replace("name", "o", "0")) == ["Ada", "B0", None, "Cle0"]
    assert column(people, text.length("name")) == [3, 2, None, 4]
    assert column(people, text.regexp_replace("name", "[ao]", "_")) == ["Ad_", "B_", None, "Cle_"]
    assert column(people, text.jinja("{{ who }}!", who=name)) == ["Ada!", "Bo!", None, "Cleo!"]
    assert column(people, text.jinja("{{ who }}!", strict=False, who=name)) == ["Ada!", "Bo!", "!", "Cleo!"]
    assert column(people, text.split("name", "e")) == [["Ada"], ["Bo"], None, ["Cl", "o"]]
    assert column(people, text.compute_fuzzy_ratio("name", col("name"))) == [100.0, 100.0, None, 100.0]


def test_structs_and_lists(people: DataFrame) -> None:
    assert column(people, col("at.city")) == ["Oslo", "Rom", None, None]
    assert column(people, col("at").n) == [1, 2, None, 4]
    assert column(people, col("tags")[0]) == ["a", None, None, "c"]
    assert column(people, col("tags")[-1]) == ["b", None, None, "c"]
    assert column(people, arr.size("tags"))[::3] == [2, 1]
    assert column(people, arr.contains("tags", "a")) [0] is True
    assert column(people, arr.slice("tags", 1, 1))[0] == ["a"]
    assert column(people, arr.slice("tags", -2, 2))[0] == ["a", "b"]
    assert column(people, array("id", "id"))[0] == [1, 1]
    assert column(people, struct("id", col("name").alias("n")))[0] == {"id": 1, "n": "Ada"}
    assert rows(people.select("id", "at").unnest("at")) == [(1, "Oslo", 1), (2, "Rom", 2), (3, None, None), (4, None, 4)]
    with pytest.raises(TypeError, match="unnest takes structs apart"):
        people.unnest("id")


def test_lists_are_taken_apart(people: DataFrame) -> None:
    tags = people.select("id", "tags")
    assert rows(tags.explode("tags")) == [(1, "a"), (1, "b"), (4, "c")]
    assert rows(tags.explode_outer("tags")) == [(1, "a"), (1, "b"), (2, None), (3, None), (4, "c")]
    assert tags.posexplode("tags").columns == ["id", "col", "pos"]
    assert rows(tags.posexplode("tags")) == [(1, "a", 0), (1, "b", 1), (4, "c", 0)]
    assert rows(tags.explode_with_index("tags", "at", "tag", keep_null_and_empty=True)) == [
        (1, "a", 0),
        (1, "b", 1),
        (2, None, None),
        (3, None, None),
        (4, "c", 0),
    ]
    with pytest.raises(TypeError, match="explode takes lists apart"):
        people.explode("name")


def test_conditions(people: DataFrame) -> None:
    size = when(col("id") < 2, "small").when(col("id") < 4, "medium").otherwise("large")
    assert column(people, size) == ["small", "medium", "medium", "large"]
    assert column(people, when(col("id") < 2, 1)) == [1, None, None, None]
    assert column(people, greatest("id", lit(3))) == [3, 3, 3, 4]
    assert column(people, least(col("id"), lit(3))) == [1, 2, 3, 3]
    with pytest.raises(UsageError, match="follows when"):
        col("id").otherwise(1)


def test_groups(people: DataFrame) -> None:
    grouped = people.group_by("team").agg(count("*").alias("n"), count("name").alias("named"), corsac.sum("id").alias("ids"))
    assert rows(grouped.order_by("team")) == [("x", 2, 1, 4), ("y", 2, 2, 6)]
    assert rows(people.group_by("team").agg({"id": "max"}).order_by("team")) == [("x", 3), ("y", 4)]
    computed = people.group_by((col("id") % 2).alias("odd")).agg(first("name", order_by="id").alias("who"))
    assert rows(computed.order_by("odd")) == [(0, "Bo"), (1, "Ada")]
    assert rows(people.agg(count_distinct("team").alias("teams"), (avg("id") * 2).alias("twice"), stddev("id").alias("s")))[0][:2] == (2, 5.0)
    assert rows(people.group_by("team").count().order_by("team")) == [("x", 2), ("y", 2)]
    with pytest.raises(UsageError, match="is no aggregate"):
        people.agg({"id": "explode"})


def test_order_limit_distinct_union(people: DataFrame) -> None:
    ids = people.select("id", "team")
    assert rows(ids.order_by(col("id").desc()).limit(2)) == [(4, "y"), (3, "x")]
    assert rows(ids.sort(["team", "id"], ascending=[False, True])) == [(2, "y"), (4, "y"), (1, "x"), (3, "x")]
    assert [name for (name,) in rows(people.select("name").order_by("name"))] == [None, "Ada", "Bo", "Cleo"]
    assert [name for (name,) in rows(people.select("name").order_by(col("name").asc_nulls_last()))] == ["Ada", "Bo", "Cleo", None]
    assert sorted(rows(people.select("team").distinct())) == [("x",), ("y",)]
    assert people.drop_duplicates(["team"]).count() == 2
    assert people.union(people).count() == 8
    assert ids.union(ids).columns == ["id", "team"]
    with pytest.raises(ValueError, match="as many columns"):
        ids.union(people)


def test_joins(session: Session, people: DataFrame) -> None:
    teams = session.create_dataframe({"team": ["x", "z"], "id": [10, 30]})
    left = people.select("id", "team")
    assert rows(left.join(teams, on="team").order_by("id")) == [(1, "x", 10), (3, "x", 10)]
    assert left.join(teams, on="team").columns == ["id", "team", "id_right"]
    assert rows(left.join(teams, on="team", how="full").order_by("team", ascending=True))[-1] == (None, "z", 30)
    assert rows(left.join(teams, on="team", how="right").order_by("id_right"))[-1] == (None, "z", 30)
    assert rows(left.join(teams, on="team", how="left").filter(col("id_right").is_null()).select("id")) == [(2,), (4,)]
    assert rows(left.join(teams, on="team", how="anti").order_by("id")) == [(2, "y"), (4, "y")]
    assert left.join(teams, how="cross").count() == 8
    other = teams.select(col("team").alias("kind"), col("id").alias("n"))
    assert rows(left.join(other, left_on="team", right_on="kind").order_by("id")) == [(1, "x", 10), (3, "x", 10)]
    assert left.join(left, on="id").count() == 4
    with pytest.raises(ValueError, match='no column "nope" to join on'):
        left.join(teams, on="nope")
    with pytest.raises(UsageError, match="join needs columns"):
        left.join(teams)


def test_structs_survive_joins(people: DataFrame) -> None:
    joined = people.select("id", "at").join(people.select("id", "team"), on="id")
    assert rows(joined.select("id", col("at.city"), "team").order_by("id"))[0] == (1, "Oslo", "x")


def test_other_functions(session: Session) -> None:
    frame = session.create_dataframe(
        {
            "json": ['{"a": [1, 2], "b": "x"}', None],
            "md": ["# One\n\ntext\n\n```sql\nSELECT 1\n```", None],
            "v": [[1.0, 0.0], [0.0, 2.0]],
            "day": [dt.date(2024, 5, 1), None],
            "moment": [dt.datetime(2024, 5, 1, 13, 14, 15, 123000), None],
        }
    )
    assert column(frame, js.jq("json", ".a[]"))[0] == ["1", "2"]
    assert column(frame, js.get_type("json")) == ["object", None]
    assert column(frame, js.contains("json", '{"b": "x"}')) == [True, None]
    assert column(frame, markdown.get_code_blocks("md", "sql"))[0][0]["code"].strip() == "SELECT 1"
    assert column(frame, embedding.compute_similarity("v", [1.0, 0.0])) == [pytest.approx(1.0), pytest.approx(0.0)]
    assert column(frame, embedding.normalize("v"))[1] == [0.0, pytest.approx(1.0)]
    moment = {
        "year": 2024, "month": 5, "day": 1, "hour": 13, "minute": 14, "second": 15, "millisecond": 123
    }
    for part, value in moment.items():
        assert column(frame, getattr(moments, part)("moment"))[0] == value, part
    assert column(frame, moments.date_add("day", 2).cast("date"))[0] == dt.date(2024, 5, 3)
    assert column(frame, moments.date_sub("day", 1).cast("date"))[0] == dt.date(2024, 4, 30)
    assert column(frame, moments.timestamp_add("moment", 2, "hour"))[0].hour == 15
    assert column(frame, moments.date_format("moment", "yyyy-MM-dd HH:mm"))[0] == "2024-05-01 13:14"
    assert column(frame, moments.datediff(lit(dt.date(2024, 5, 11)), "day"))[0] == 10
    assert column(frame, moments.date_trunc("moment", "month"))[0] == dt.datetime(2024, 5, 1)
    assert column(frame, moments.to_date(lit("01.05.2024"), "dd.MM.yyyy"))[0] == dt.date(2024, 5, 1)
    assert column(frame, moments.to_utc_timestamp("moment", "Europe/Paris"))[0].hour == 11
    assert column(frame, moments.from_utc_timestamp("moment", "Europe/Paris"))[0].hour == 15
    with pytest.raises(ValueError, match="is not known"):
        moments.date_format("moment", "QQ")


class Mood(enum.Enum):
    GOOD = "good"


def test_sql_over_frames_files_and_the_catalog(session: Session, people: DataFrame, tmp_path: Path) -> None:
    counted = session.sql("SELECT team, count(*) AS n FROM {people} GROUP BY team ORDER BY team", people=people)
    assert rows(counted) == [("x", 2), ("y", 2)]
    path = tmp_path / "people.csv"
    people.select("id", "name").write.csv(path)
    assert rows(session.sql(f"SELECT max(id) AS m FROM '{path}'")) == [(4,)]
    people.select("id", "name").write.save_as_table("folk")
    assert session.catalog.does_table_exist("folk")
    assert session.table("folk").count() == 4
    with pytest.raises(Exception, match="folk"):
        people.select("id").write.save_as_table("folk")
    people.select("id", "name").write.save_as_table("folk", mode="append")
    assert session.table("folk").count() == 8
    session.catalog.set_table_description("folk", "it's people")
    assert session.catalog.describe_table("folk").description == "it's people"
    people.select("id").write.save_as_view("ids", "their numbers")
    assert session.view("ids").count() == 4
    assert rows(session.sql("SELECT sum(id) AS s FROM ids")) == [(10,)]
    assert "ids" in session.catalog.list_views()
    assert session.catalog.drop_table("folk") and session.catalog.drop_view("ids")
    assert not session.catalog.does_table_exist("folk")
    with pytest.raises((QueryError, TableError)):
        session.table("folk")
    with pytest.raises(QueryError):
        session.sql("DROP TABLE folk")


def test_files_are_written_and_read(session: Session, people: DataFrame, tmp_path: Path) -> None:
    flat = people.select("id", "name")
    for name in ("rows.csv", "rows.parquet", "rows.jsonl", "rows.json"):
        path = tmp_path / name
        kind = path.suffix[1:]
        written = getattr(flat.write, "json" if kind.startswith("json") else kind)(path)
        assert written.num_output_rows == 4
        read = getattr(session.read, "json" if kind.startswith("json") else kind)(path)
        assert rows(read) == rows(flat), name
        with pytest.raises(FileExistsError):
            getattr(flat.write, "json" if kind.startswith("json") else kind)(path, mode="error")
        assert getattr(flat.write, "json" if kind.startswith("json") else kind)(path, mode="ignore").num_output_rows == 0
    assert session.read.csv([tmp_path / "rows.csv", tmp_path / "rows.csv"]).count() == 8
    assert session.read.csv(tmp_path / "rows.csv", schema={"id": "string"}).to_pydict()["id"] == ["1", "2", "3", "4"]
    with pytest.raises(TableError, match="nowhere"):
        session.read.csv(tmp_path / "nowhere.csv")


def test_documents(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "notes" / "deep"
    folder.mkdir(parents=True)
    (tmp_path / "notes" / "a.md").write_text("# A")
    (folder / "b.md").write_text("# B")
    read = session.read.docs(tmp_path / "notes", content_type="markdown")
    assert [row["content"] for row in read.to_pylist()] == ["# A"]
    everywhere = session.read.docs(tmp_path / "notes", content_type="markdown", recursive=True)
    assert sorted(row["content"] for row in everywhere.to_pylist()) == ["# A", "# B"]
    without = session.read.docs(tmp_path / "notes", content_type="markdown", recursive=True, exclude="deep")
    assert [row["content"] for row in without.to_pylist()] == ["# A"]


def test_nothing_runs_before_it_is_wanted(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = session.create_dataframe({"n": [0]}).select((lit(1) % col("n")).alias("m"))
    assert frame.columns == ["m"]
    assert "DataFrame[m: Int64]" in repr(frame)
    frame.explain()
    assert "m" in capsys.readouterr().out
    assert "<table>" in frame._repr_html_()
    with pytest.raises(corsac.CorsacError, match="(?i)zero"):
        frame.to_pylist()


def test_tables_look_like_tables(people: DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    people.select("id", "name").show(2)
    assert capsys.readouterr().out.splitlines() == ["| id | name |", "|----|------|", "| 1  | Ada  |", "| 2  | Bo   |"]
    html = people.select(lit("<b>").alias("x")).collect("pylist")._repr_html_()
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert repr(people.schema["at"]) == "struct<city: string, n: int64>"
