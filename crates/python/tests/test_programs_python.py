"""Programs without DSPy: signatures, modules, evaluation, search, files, over the simulator."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

import corsac
from corsac import ChainOfThought, InputField, OutputField, Predict, Prediction, Signature, Simulator

KEY = "sk-or-v1-a-key-for-tests"
Start = Callable[..., Simulator]
FIRST = "openai/gpt-4o-mini"


class Team(enum.Enum):
    BILLING = "billing"
    PRODUCT = "product"


@dataclasses.dataclass
class Person:
    name: str
    age: int | None = None


class Triage(Signature):
    """Decide who must look at a support ticket."""

    body: str = InputField(desc="as it came in")
    team: Team = OutputField()
    urgent: bool = OutputField()
    score: float = OutputField(ge=0, le=1)
    due: datetime.date = OutputField()
    tags: list[str] = OutputField(max_length=3)
    label: Literal["a", "b"] = OutputField()
    person: Person | None = OutputField()


def model(simulator: Simulator, name: str = FIRST, **settings: Any) -> corsac.LM:
    return corsac.LM(name, base_url=simulator.base_url, api_key=KEY, **settings)


def test_a_signature_is_text_or_a_class() -> None:
    short = Signature("question, context: list[str] -> answer, confidence: float", "Answer with care.")
    assert short.input_names == ["question", "context"] and short.output_names == ["answer", "confidence"]
    assert short.instructions == "Answer with care."
    assert Triage.instructions == "Decide who must look at a support ticket."
    assert Triage.with_instructions("Be quick.").instructions == "Be quick."
    with pytest.raises(corsac.UsageError, match="column"):
        Signature("question")
    with pytest.raises(corsac.UsageError, match="neither an input nor an output"):
        type("Wrong", (Signature,), {"__annotations__": {"body": str}})


def test_outputs_have_pythons_types(sim: Simulator) -> None:
    made = Predict(Triage, lm=model(sim))(body="It broke.")
    assert isinstance(made.team, Team) and isinstance(made.urgent, bool) and 0 <= made.score <= 1
    assert isinstance(made.due, datetime.date) and isinstance(made.tags, list) and len(made.tags) <= 3
    assert made.label in ("a", "b") and (made.person is None or isinstance(made.person, Person))
    assert made.model == FIRST and made.provider and made.attempts == len(sim.chats())
    assert made.cost == pytest.approx(float(sim.seen()["cost_dollars"]), abs=1e-12)
    assert set(made) == set(Triage.output_names)


def test_a_thought_comes_before_the_answer(sim: Simulator) -> None:
    made = ChainOfThought("question -> answer", lm=model(sim))(question="Why?")
    assert list(made) == ["reasoning", "answer"]


@pytest.mark.parametrize("adapter", ["auto", "chat", "json", "xml"])
def test_adapters(simulate: Start, adapter: str) -> None:
    said = {"chat": "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]", "xml": "<answer>Paris</answer>"}
    sim = simulate({"rule": [{"content": said.get(adapter, '{"answer": "Paris"}')}]})
    assert Predict("question -> answer", lm=model(sim, adapter=adapter))(question="Where?").answer == "Paris"


def test_the_next_model_answers_and_it_is_remembered(simulate: Start) -> None:
    sim = simulate({"down": [{"model": FIRST, "fault": "http_503"}]})
    predict = Predict("question -> answer", lm=model(sim, fallbacks=["anthropic/claude-3-haiku"]))
    first, second = predict(question="Where?"), predict(question="Where?")
    assert first.model == "anthropic/claude-3-haiku" and first.answer == second.answer
    assert second.cost == 0 and second.served[0]["source"] == "memory"
    assert len(sim.chats()) == first.attempts


def test_failures_tell_what_is_known(simulate: Start) -> None:
    sim = simulate({"rule": [{"fault": "no_credits_402"}]})
    with pytest.raises(corsac.CallError) as caught:
        Predict("question -> answer", lm=model(sim))(question="Where?")
    assert caught.value.kind == "out_of_credits" and caught.value.status == 402 and caught.value.attempts == 1
    with pytest.raises(corsac.UsageError, match="question"):
        Predict("question -> answer", lm=model(sim))(wrong="Where?")


def test_event_loops(simulate: Start) -> None:
    sim = simulate(latency_ms=20)
    predict = Predict("question -> answer", lm=model(sim))

    async def run() -> list[Prediction]:
        return await asyncio.gather(*(predict.acall(question=f"Number {number}?") for number in range(20)))

    assert len(asyncio.run(run())) == 20
    assert sim.seen()["concurrent_peak"] > 1


class Careful(corsac.Module):
    """A draft, and a look at it."""

    def __init__(self) -> None:
        self.draft = Predict("question -> answer")
        self.checks = [ChainOfThought("question, answer -> good: bool")]

    def forward(self, question: str) -> Prediction:
        answer = self.draft(question=question).answer
        return Prediction(answer=answer, good=self.checks[0](question=question, answer=answer).good)


def test_a_program_of_ones_own(sim: Simulator) -> None:
    careful = Careful()
    careful.lm = model(sim)
    made = careful(question="Where?")
    assert isinstance(made.answer, str) and isinstance(made.good, bool)
    assert len(sim.chats()) == 2 and made.attempts == 2
    assert [one["predictor"] for one in made.served] == ["draft", "checks[0].predict"]
    assert made.cost == pytest.approx(float(sim.seen()["cost_dollars"]), abs=1e-12)
    assert [one["path"] for one in careful.predictors()] == ["draft", "checks[0].predict"]


def test_what_goes_wrong_inside_is_told(sim: Simulator) -> None:
    class Wrong(corsac.Module):
        def forward(self, question: str) -> Prediction:
            raise ZeroDivisionError("by nothing")

    wrong = Wrong()
    wrong.lm = model(sim)
    with pytest.raises(corsac.CallError, match="by nothing"):
        wrong(question="Where?")


@pytest.mark.parametrize("native", [True, False])
def test_tools_are_called(simulate: Start, native: bool) -> None:
    called: list[str] = []

    def look_up(city: str, deep: bool = False) -> dict[str, str]:
        """Says in which country a city lies."""
        called.append(city)
        return {"country": "France"}

    step = json.dumps({"next_thought": "I look.", "next_tool_name": "look_up", "next_tool_args": {"city": "Paris"}})
    done = json.dumps({"next_thought": "I know.", "next_tool_name": "finish", "next_tool_args": {}})
    rules = [] if native else [{"contains": "Says in which", "times": 1, "content": step}, {"contains": "Says in which", "content": done}]
    sim = simulate({"rule": rules})
    react = corsac.ReAct("question -> answer", tools=[look_up], max_iters=3, native=native, lm=model(sim))
    made = react(question="Where is Paris?")
    assert isinstance(made.answer, str) and called
    assert made.trajectory[0]["tool"] == "look_up" and "France" in made.trajectory[0]["observation"]


def test_the_best_of_several(simulate: Start) -> None:
    sim = simulate({"rule": [{"times": 1, "content": '{"answer": "no"}'}, {"content": '{"answer": "yes"}'}]})
    best = corsac.BestOfN(Predict("question -> answer", lm=model(sim)), 3, lambda inputs, made: float(made.answer == "yes"))
    made = best(question="Is it?")
    assert made.answer == "yes" and made.attempts == 2


def rows() -> list[dict[str, Any]]:
    return [{"question": f"Number {number}?", "answer": "yes" if number % 2 else "no"} for number in range(8)]


def test_programs_are_measured(simulate: Start) -> None:
    sim = simulate({"rule": [{"contains": "Number 3", "fault": "moderation_403"}, {"content": '{"answer": "yes"}'}]})
    program = Predict("question -> answer", lm=model(sim))
    measured = corsac.evaluate(program, rows())
    assert measured.failed == 1 and measured.failures == {"moderated": 1}
    assert measured.score == pytest.approx(3 / 7) and measured.interval is not None
    assert measured.outcomes[3].prediction is None and measured.outcomes[3].error_kind == "moderated"
    assert measured.cost > 0 and "exact" in str(measured)
    by_hand = corsac.evaluate(program, rows(), lambda example, made: made.answer == example.answer)
    assert by_hand.score == measured.score
    assert asyncio.run(corsac.aevaluate(program, rows())).score == measured.score


def test_programs_are_improved_and_kept(simulate: Start, tmp_path: Path) -> None:
    sim = simulate({"rule": [{"content": '{"answer": "yes"}'}]})
    program = Predict("question -> answer", lm=model(sim))
    tuned = corsac.tune(program, rows(), optimizer="bootstrap", calls=200)
    assert tuned.complete and len(tuned.candidates) >= 2 and tuned.calls > 0
    tuned.program.save(tmp_path / "better.json")
    written = json.loads((tmp_path / "better.json").read_text())
    assert written["metadata"]["corsac"]["module"] == "Predict" and KEY not in str(written)
    again = corsac.load(tmp_path / "better.json", lm=model(sim))
    assert again.predictors()[0]["demos"] == tuned.program.predictors()[0]["demos"]
    assert again(question="Number 1?").answer == "yes"
    over = program.loaded(tmp_path / "better.json")
    assert over.predictors() == tuned.program.predictors() and program.predictors()[0]["demos"] == []


def test_a_program_of_ones_own_is_improved(simulate: Start) -> None:
    sim = simulate({"rule": [{"contains": "good", "content": '{"reasoning": "so", "good": true}'}, {"content": '{"answer": "yes"}'}]})
    careful = Careful()
    careful.lm = model(sim)
    tuned = corsac.tune(careful, [corsac.Example(row).with_inputs("question") for row in rows()], optimizer="bootstrap", field="answer")
    shown = {one["path"]: len(one["demos"]) for one in tuned.program.predictors()}
    assert set(shown) == {"draft", "checks[0].predict"}
    assert tuned.program(question="Number 1?").answer == "yes"


def test_dspys_files_are_read(simulate: Start, tmp_path: Path) -> None:
    dspy = pytest.importorskip("dspy")
    theirs = dspy.Predict("question -> answer")
    theirs.demos = [dspy.Example(question="Spain?", answer="Madrid")]
    theirs.save(tmp_path / "theirs.json")
    sim = simulate({"rule": [{"content": '{"answer": "Paris"}'}]})
    ours = corsac.load(tmp_path / "theirs.json", module="Predict", signature="question -> answer", lm=model(sim))
    assert ours(question="France?").answer == "Paris"
    assert "Madrid" in json.dumps(sim.chats()[0]["body"])
    ours.save(tmp_path / "ours.json")
    back = dspy.Predict("question -> answer")
    back.load(tmp_path / "ours.json")
    assert back.demos[0]["answer"] == "Madrid"
