"""Semantic functions from Python: their schemas, examples and settings on the wire; failures, metrics, runs, async, Ctrl-C."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

import corsac
from corsac import (
    ClassDefinition,
    ClassifyExample,
    ClassifyExampleCollection,
    DataFrame,
    JoinExample,
    JoinExampleCollection,
    KeyPoints,
    MapExample,
    MapExampleCollection,
    ModelAlias,
    OpenRouterLanguageModel,
    PredicateExample,
    PredicateExampleCollection,
    Profile,
    SemanticConfig,
    Session,
    SessionConfig,
    Simulator,
    col,
    count,
    lit,
    outcome,
    semantic,
)
from corsac import progress
from corsac.errors import CallError, QueryError, UsageError
from frames import KEY, listens_to_ctrl_c, session_over
from inside import Inside

TEXTS = ["It never came.", "I love it.", None, "It never came."]


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Part(BaseModel):
    name: str
    weight: Optional[float] = None


class Ticket(BaseModel):
    """What a ticket says."""

    product: str = Field(description="the product's name")
    stars: int | None = None
    urgent: bool
    kind: Literal["bug", "wish"]
    mood: Mood
    day: dt.date | None = None
    parts: list[Part]
    counts: dict[str, int] = Field(default_factory=dict)


@pytest.fixture
def frame(sim: Simulator) -> DataFrame:
    return session_over(sim).create_dataframe({"id": [1, 2, 3, 4], "text": TEXTS})


def asked(simulator: Simulator) -> str:
    return json.dumps([chat["body"]["messages"] for chat in simulator.chats()])


def test_every_function_asks(sim: Simulator) -> None:
    frame = session_over(sim, embeddings=True).create_dataframe({"id": [1, 2, 3, 4], "text": TEXTS})
    result = frame.select(
        "id",
        semantic.map("Shorten {{ t }}", t=col("text")).alias("map"),
        semantic.predicate("Is {{ t }} a complaint?", t=col("text")).alias("predicate"),
        semantic.classify("text", ["praise", "complaint"]).alias("classify"),
        semantic.analyze_sentiment("text").alias("sentiment"),
        semantic.summarize("text", KeyPoints(max_points=2)).alias("summary"),
        semantic.extract("text", "product string, stars int?").alias("extract"),
        semantic.embed("text").alias("embed"),
    ).collect("pylist")
    for row in result.data:
        if row["id"] == 3:
            assert all(value is None for name, value in row.items() if name != "id")
            continue
        assert isinstance(row["map"], str) and isinstance(row["summary"], str)
        assert isinstance(row["predicate"], bool)
        assert row["classify"] in ("praise", "complaint") and row["sentiment"] in ("positive", "negative", "neutral")
        assert set(row["extract"]) == {"product", "stars"}
        assert len(row["embed"]) > 100
    # equal inputs are asked once, NULL is not asked at all
    assert result.metrics.total_lm_metrics.num_requests == len(sim.chats()) + sim.seen()["by_route"].get("POST /embeddings", 0)
    assert len(sim.chats()) == 6 * 2
    assert result.metrics.cost == pytest.approx(float(str(sim.seen()["cost_dollars"])), rel=1e-6)
    assert result.run_id and len(result.metrics.operators) == 7


def test_pydantic_models_are_schemas(sim: Simulator, frame: DataFrame) -> None:
    extracted = frame.select(semantic.extract("text", Ticket).alias("t"))
    kinds = dict((field.name, repr(field.data_type)) for field in extracted.schema["t"].struct_fields)  # type: ignore[attr-defined]
    assert kinds["product"] == "string" and kinds["stars"] == "int64" and kinds["urgent"] == "boolean"
    assert kinds["parts"] == "list<struct<name: string, weight: float64>>"
    row = extracted.to_pylist()[0]["t"]
    assert row["kind"] in ("bug", "wish") and row["mood"] in ("good", "bad") and isinstance(row["urgent"], bool)
    assert row["stars"] is None or isinstance(row["stars"], int)
    (body,) = {json.dumps(chat["body"]["response_format"]["json_schema"]["schema"]) for chat in sim.chats()}
    assert "the product's name" in body
    filtered = extracted.filter(col("t.urgent") & (col("t.kind") == "bug")).select(col("t.product"))
    assert filtered.columns == ["product"]
    filtered.to_pylist()


def test_map_with_a_schema_is_a_struct(frame: DataFrame) -> None:
    rows = frame.select(semantic.map("A part for {{ t }}", t=col("text"), response_format=Part).alias("p")).to_pylist()
    assert set(rows[0]["p"]) == {"name", "weight"} and rows[2]["p"] is None


def test_what_is_no_schema_is_told(frame: DataFrame) -> None:
    with pytest.raises(UsageError, match="is one value"):
        semantic.extract("text", int)
    with pytest.raises((UsageError, QueryError)):
        frame.select(semantic.extract("text", "product strnig").alias("e"))
    with pytest.raises(UsageError, match=r"uses no column: write \{\{ t \}\} in it"):
        semantic.map("Shorten this", t=col("text"))
    with pytest.raises(UsageError, match=r"map needs the columns text, lang .*: text=col\('text'\), lang=col\('lang'\)"):
        semantic.map("Translate {{ text }}{% for l in lang %} {{ l }}{% endfor %}")
    with pytest.raises(UsageError, match="predicate asks for text, but is given t"):
        semantic.predicate("Is {{ text }} about t?", t=col("text"))
    with pytest.raises(UsageError, match="template cannot be read"):
        semantic.map("Shorten {{ t", t=col("text"))
    with pytest.raises(QueryError, match="other"):
        frame.select(semantic.map("Shorten {{ t }} and {{ other }}", t=col("text")).alias("m")).to_pylist()


def test_examples_are_shown(sim: Simulator, frame: DataFrame) -> None:
    labels = ClassifyExampleCollection([ClassifyExample(input="It burned down", output="complaint")])
    claims = PredicateExampleCollection().create_example(PredicateExample({"t": "Where is it"}, True))
    maps = MapExampleCollection([MapExample({"t": "A long story"}, "story")])
    frame.select(
        semantic.classify("text", [ClassDefinition("praise", "they like it"), ClassDefinition("complaint")], examples=labels).alias("a"),
        semantic.predicate("Is {{ t }} a question?", t=col("text"), examples=claims).alias("b"),
        semantic.map("Shorten {{ t }}", t=col("text"), examples=maps).alias("c"),
    ).to_pylist()
    said = asked(sim)
    for shown in ("It burned down", "they like it", "Where is it", "A long story"):
        assert shown in said


def test_settings_of_a_call_are_sent(sim: Simulator) -> None:
    models = {
        "small": OpenRouterLanguageModel("openai/gpt-4o-mini"),
        "large": OpenRouterLanguageModel("openai/gpt-4o", profiles={"warm": Profile(temperature=0.9), "cold": Profile()}, default_profile="cold"),
    }
    semantic_config = SemanticConfig(language_models=models, default_language_model="small")
    session = Session(SessionConfig(base_url=sim.base_url, api_key=KEY, semantic=semantic_config))
    frame = session.create_dataframe({"text": ["a"]})
    frame.select(semantic.map("1 {{ t }}", t=col("text")).alias("m")).to_pylist()
    frame.select(semantic.map("2 {{ t }}", t=col("text"), model_alias=ModelAlias("large", "warm")).alias("m")).to_pylist()
    frame.select(semantic.map("3 {{ t }}", t=col("text"), model_alias="large", temperature=0.3, max_output_tokens=77).alias("m")).to_pylist()
    bodies = [chat["body"] for chat in sim.chats()]
    assert [body["model"] for body in bodies] == ["openai/gpt-4o-mini", "openai/gpt-4o", "openai/gpt-4o"]
    assert [body["temperature"] for body in bodies] == [0.0, 0.9, 0.3]
    assert bodies[2]["max_tokens"] == 77


def test_reduce_over_groups(sim: Simulator) -> None:
    frame = session_over(sim).create_dataframe({"team": ["x", "x", "y"], "n": [2, 1, 3], "text": ["second", "first", "third"]})
    reduced = frame.group_by("team").agg(
        semantic.reduce("What does team {{ team }} say?", "text", order_by=["n"], group_context={"team": col("team")}).alias("gist"),
        count("*").alias("n"),
    )
    rows = reduced.order_by("team").to_pylist()
    assert [row["n"] for row in rows] == [2, 1] and all(isinstance(row["gist"], str) for row in rows)
    said = asked(sim)
    assert said.index("first") < said.index("second")
    assert "What does team x say" in said


def test_joins_and_clusters(sim: Simulator) -> None:
    session = session_over(sim, embeddings=True)
    left = session.create_dataframe({"id": [1, 2], "text": ["cats purr", "dogs bark"]})
    right = session.create_dataframe({"id": [10, 20], "about": ["cats", "dogs"]})
    pairs = left.semantic.join(
        right,
        "Is {{ left_on }} about {{ right_on }}?",
        left_on=col("text"),
        right_on=col("about"),
        examples=JoinExampleCollection([JoinExample("fish swim", "fish", True)]),
        strategy="cross",
    )
    assert pairs.columns == ["id", "text", "id_right", "about"]
    pairs.to_pylist()
    assert len(sim.chats()) == 4 and "fish swim" in asked(sim)
    near = left.semantic.sim_join(right, "text", "about", k=1, similarity_score_column="score")
    assert near.columns == ["id", "text", "id_right", "about", "score"]
    assert near.count() == 2
    labelled = left.union(left).semantic.with_cluster_labels("text", 2, centroid_column="middle").to_pylist()
    assert {row["cluster_label"] for row in labelled} == {0, 1}
    assert labelled[0]["cluster_label"] == labelled[2]["cluster_label"]


def test_one_bad_row_is_null_and_counted(simulate: Callable[..., Simulator]) -> None:
    sim = simulate({"rule": [{"contains": "It never came", "fault": "moderation_403"}]})
    call = semantic.map("Shorten {{ t }}", t=col("text"))
    frame = session_over(sim).create_dataframe({"text": ["It never came.", "I love it."]})
    result = frame.select(call.alias("m"), outcome(call).alias("o")).collect("pylist")
    assert [row["m"] is None for row in result.data] == [True, False]
    assert result.data[0]["o"]["error_kind"] == "moderated" and result.data[1]["o"]["model"] == "openai/gpt-4o-mini"
    assert result.metrics.failed_rows == 1
    (failure,) = result.metrics.failures
    assert (failure.kind, failure.rows, failure.row) == ("moderated", 1, 0)
    assert "1 rows failed (moderated)" in str(result.metrics)
    strict = session_over(sim, on_error="fail").create_dataframe({"text": ["It never came."]})
    with pytest.raises(CallError) as raised:
        strict.select(call.alias("m")).to_pylist()
    assert raised.value.kind == "moderated"


def test_nothing_is_asked_that_nobody_reads(sim: Simulator, frame: DataFrame) -> None:
    mapped = frame.with_column("m", semantic.map("Shorten {{ t }}", t=col("text")))
    assert mapped.count() == 4 and mapped.select("id").to_pydict() == {"id": [1, 2, 3, 4]}
    assert mapped.filter(col("id") > 10).to_pylist() == []
    assert sim.chats() == []
    mapped.limit(1).to_pylist()
    assert len(sim.chats()) == 1


def test_answers_are_remembered_and_lead_to_their_calls(sim: Simulator, frame: DataFrame, home: Path) -> None:
    mapped = frame.select(semantic.map("Shorten {{ t }}", t=col("text")).alias("m"))
    first = mapped.collect("pylist")
    again = mapped.collect("pylist")
    assert first.data == again.data and len(sim.chats()) == 2
    assert (again.metrics.from_memory, again.metrics.cost) == (2, 0.0)
    assert first.run_id != again.run_id
    lineage = mapped.lineage()
    (call,) = lineage.calls(1)
    assert call["answer"] == first.data[1]["m"] and "I love it" in call["input"]
    assert (home / "ledger.sqlite").exists()


def test_async_twins(sim: Simulator, frame: DataFrame, tmp_path: Path) -> None:
    mapped = frame.select(semantic.map("Shorten {{ t }}", t=col("text")).alias("m"))

    async def main() -> tuple[Any, ...]:
        together = await asyncio.gather(mapped.collect_async("pylist"), mapped.count_async(), mapped.to_pydict_async())
        written = await mapped.write.csv_async(tmp_path / "m.csv")
        return (*together, written)

    result, counted, columns, written = asyncio.run(main())
    assert counted == 4 and [row["m"] for row in result.data] == columns["m"] and written.num_output_rows == 4
    assert len(sim.chats()) == 2


WAITS = {
    "a frame": """
frame = inside.session().create_dataframe({"t": ["a"]}).select(corsac.semantic.map("{{ t }}", t=corsac.col("t")).alias("m"))
assert frame.to_pylist()[0]["m"]
""",
    "a count": """
frame = inside.session().create_dataframe({"t": ["a"]}).filter(corsac.semantic.map("{{ t }}", t=corsac.col("t")).is_not_null())
assert frame.count() == 1
""",
    "a program": """
engine = dict(model="inside", engine="openai", base_url=inside.base_url, api_key="none")
assert corsac.Predict("question -> answer", lm=corsac.LM(**engine), adapter="chat")(question="Why?").answer == "short"
""",
    "DSPy": """
import corsac.dspy, dspy
dspy.configure(lm=corsac.dspy.LM("inside", engine="openai", api_base=inside.base_url, api_key="none"))
assert dspy.Predict("question -> answer")(question="Why?").answer == "short"
""",
    "a stream": """
import corsac.dspy, dspy
lm = corsac.dspy.LM("inside", engine="openai", api_base=inside.base_url, api_key="none")
request = dspy.lm15.Request(model="inside", messages=(dspy.lm15.Message.user("Why?"),))
assert list(lm.engine.stream(request))
""",
}


@pytest.mark.parametrize("what", WAITS)
def test_the_interpreter_is_free_while_it_waits(home: Path, what: str) -> None:
    """Who answers runs in the same interpreter: to wait with its lock held would be to wait forever."""
    program = f"import corsac\nfrom inside import Inside\ninside = Inside(released=True)\n{WAITS[what]}\nprint('answered')"
    environment = {**os.environ, "CORSAC_HOME": str(home), "PYTHONPATH": str(Path(__file__).parent)}
    # the limit is no measure: it ends what hangs
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["answered"], done.stderr


def test_ctrl_c_stops_a_query(home: Path) -> None:
    inside = Inside()
    program = f"""
import corsac
from corsac import *
model = OpenAICompatibleLanguageModel("inside", base_url={inside.base_url!r}, api_key="none")
try:
    Session(SessionConfig(language_model=model)).create_dataframe({{"t": ["a"]}}).select(
        corsac.semantic.map("{{{{ t }}}}", t=col("t")).alias("m")
    ).to_pylist()
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    environment = {**os.environ, "CORSAC_HOME": str(home)}
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=listens_to_ctrl_c)
    try:
        assert inside.asked.wait(60)
        child.send_signal(signal.SIGINT)
        assert child.stdout is not None and child.stdout.readline() == "stopped\n"
    finally:
        child.kill()
        child.wait()
        inside.close()


def test_a_budget_ends_a_run_and_keeps_what_it_has(sim: Simulator) -> None:
    session = session_over(sim, budget="0.002")
    frame = session.create_dataframe({"text": [f"a text of its own, number {number}" for number in range(400)]})
    result = frame.select(semantic.map("Say in ten words what this is about: {{ t }}", t=col("text")).alias("m")).collect("pylist")
    assert len(result) == 400
    assert 0 < result.metrics.cost <= 0.002
    assert {failure.kind for failure in result.metrics.failures} == {"budget_reached"}
    assert sum(row["m"] is not None for row in result.data) == result.metrics.answered


def test_plans_are_shown_and_nothing_is_asked(sim: Simulator, frame: DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    frame.filter(col("id") > 1).select(semantic.classify("text", ["a", "b"]).alias("c")).explain()
    assert "semantic_classify" in capsys.readouterr().out
    assert sim.chats() == []


def test_progress_is_told() -> None:
    inside = Inside()
    told: list[dict[str, Any]] = []

    def tell(figures: dict[str, Any]) -> None:
        told.append(figures)
        if figures["in_flight"] == 2:
            inside.release.set()

    frame = inside.session().create_dataframe({"text": ["a", "b"]}).select(semantic.map("{{ t }}", t=col("text")).alias("m"))
    rows, figures = frame._frame.collect(tell)
    inside.close()
    assert len(rows) == 2 and figures["rows"] == 2
    assert told[-1]["in_flight"] == 2
    assert "2 under way" in progress.line(told[-1], 1.0)


class Cell:
    """What a notebook shows, in place of IPython's display."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def __call__(self, shown: dict[str, str], *, raw: bool, display_id: bool) -> Cell:
        assert raw and display_id and not self.shown
        return self.update(shown, raw=raw)

    def update(self, shown: dict[str, str], *, raw: bool) -> Cell:
        assert raw
        self.shown.append(shown)
        return self


def test_a_notebook_shows_how_far_it_is_in_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Inside()
    cell = Cell()
    shell = type("ZMQInteractiveShell", (), {})()
    notebook, shows = types.ModuleType("IPython"), types.ModuleType("IPython.display")

    def display(*said: Any, **how: Any) -> Cell:
        inside.release.set()
        return cell(*said, **how)

    notebook.get_ipython = lambda: shell  # type: ignore[attr-defined]
    shows.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", shows)
    frame = inside.session().create_dataframe({"text": ["a", "b"]}).select(semantic.map("{{ t }}", t=col("text")).alias("m"))
    result = frame.collect()
    inside.close()
    first, last = cell.shown[0], cell.shown[-1]
    assert "under way" in first["text/html"] and first["text/plain"] == ""
    # nothing of it is left when the rows are there
    assert last == {"text/plain": "", "text/html": ""}
    assert len(result) == 2 and "<table" in frame._repr_html_()
    # a terminal's session of IPython is none
    monkeypatch.setattr(notebook, "get_ipython", lambda: type("TerminalInteractiveShell", (), {})())
    assert not isinstance(progress.watcher(), progress._Notebook)


def test_usage_of_a_session(sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    session = session_over(sim)
    session.create_dataframe({"t": ["a"]}).select(semantic.map("{{ t }}", t=col("t")).alias("m"), lit(1).alias("n")).to_pylist()
    assert session.usage()["requests"] == 1
    session.stop()
    assert "1 answers, 1 requests" in capsys.readouterr().err
    assert corsac.__version__
