"""Views that persist: a lazy table under a name, in this session and in every later one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import corsac
from corsac import DataFrame, Session, Simulator, col, count, lit, semantic, when
from frames import session_over

VIEWS: dict[str, Callable[[DataFrame, DataFrame], DataFrame]] = {
    "rows in memory": lambda people, _: people.filter(col("age") > 30).select("id", (col("age") + 1).alias("older")),
    "a file": lambda _, cities: cities.group_by("land").agg(count("*").alias("n"), corsac.sum("people").alias("all")).order_by("land"),
    "a join": lambda people, cities: people.join(cities, left_on="city", right_on="name", how="left").select("id", "land").order_by("id"),
    "both in memory": lambda people, _: people.join(people.select(col("id").alias("other"), "city"), on="city").select("id", "other").order_by("id", "other"),
    "a condition": lambda people, _: people.select("id", when(col("age").is_null(), lit("unknown")).otherwise(lit("known")).alias("k")),
    "distinct and limit": lambda people, _: people.select("city").distinct().order_by("city").limit(2),
    "a limit of a limit": lambda people, _: people.order_by("id").limit(3).select("id", "city").limit(2),
    "a condition after a limit": lambda people, _: people.order_by("id").limit(3).filter(col("id") > 1).select("id"),
    "an order after a limit": lambda people, _: people.order_by("id").limit(2).order_by(col("id").desc()).select("id"),
    "a count of a limit": lambda people, _: people.order_by("id").limit(3).group_by("city").agg(count("*").alias("n")).order_by("city"),
    "a condition after distinct": lambda people, _: people.select("city").distinct().filter(col("city") == "Rome"),
    "a union": lambda people, cities: people.select(col("city").alias("name")).union(cities.select("name")).order_by("name"),
    "a question": lambda people, _: people.select("id", semantic.map("Where is {{ c }}?", c=col("city"), temperature=0.5).alias("m")).order_by("id"),
    "a label": lambda people, _: people.with_column("k", semantic.classify("city", ["big", "small"])).filter(col("k") == "big").select("id", "k"),
}


@pytest.mark.parametrize("what", VIEWS)
def test_a_view_is_there_in_the_next_session(sim: Simulator, tmp_path: Path, what: str) -> None:
    (tmp_path / "cities.csv").write_text("name,land,people\nRome,Italy,3\nMilan,Italy,1\nParis,France,2\n")

    def made(session: Session) -> DataFrame:
        people = session.create_dataframe({"id": [1, 2, 3, 4], "age": [30, 41, None, 35], "city": ["Rome", "Paris", "Rome", None]})
        return VIEWS[what](people, session.read.csv(tmp_path / "cities.csv"))

    session = session_over(sim)
    frame = made(session)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame.write.save_as_view("kept", "what it is for")
    assert sim.chats() == []
    assert session.catalog.list_views() == ["kept"]
    other = session_over(sim)
    assert other.catalog.does_view_exist("kept") and other.catalog.describe_view("kept").description == "what it is for"
    assert other.view("kept").columns == frame.columns
    # a view's rows have no order of their own
    assert sorted(map(repr, other.view("kept").to_pylist())) == sorted(map(repr, frame.to_pylist()))
    assert other.sql("SELECT count(*) AS n FROM kept").to_pylist() == [{"n": frame.count()}]
    # another plan under the same name takes its place
    frame.limit(1).write.save_as_view("kept")
    assert session_over(sim).view("kept").count() == 1
    assert other.catalog.drop_view("kept") and not session_over(sim).catalog.does_view_exist("kept")


def test_a_plan_that_is_no_sql_is_a_view_of_the_session(sim: Simulator) -> None:
    session = session_over(sim, embeddings=True)
    left, right = session.create_dataframe({"a": ["x"]}), session.create_dataframe({"b": ["y", "z"]})
    joined = left.semantic.sim_join(right, col("a"), col("b"), k=1)
    with pytest.warns(UserWarning, match="the view near lasts as long as the session"):
        joined.write.save_as_view("near")
    assert session.catalog.list_views() == ["near"] and session.view("near").columns == joined.columns
    assert session_over(sim).catalog.list_views() == []
