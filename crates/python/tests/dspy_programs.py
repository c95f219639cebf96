"""Programs as DSPy's users write them, each with what a model would answer, for both clients to run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import dspy
import pydantic

MODEL = "openrouter/openai/gpt-4o-mini"


class Person(pydantic.BaseModel):
    """Somebody in a text."""

    name: str
    age: int | None = None


class Review(dspy.Signature):
    """Judge a product review."""

    review: str = dspy.InputField()
    stars: int = dspy.InputField(desc="as given by the customer")
    label: Literal["praise", "complaint", "question"] = dspy.OutputField()
    urgent: bool = dspy.OutputField()
    score: float = dspy.OutputField()
    tags: list[str] = dspy.OutputField()
    person: Person = dspy.OutputField()


class Talk(dspy.Signature):
    """Answer in a conversation."""

    history: dspy.History = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


QA = {"answer": "Paris"}
THOUGHT = {"reasoning": "France's capital is Paris.", **QA}
JUDGED = {
    "label": "complaint",
    "urgent": True,
    "score": 0.25,
    "tags": ["battery", "delivery"],
    "person": {"name": "Ada", "age": 36},
}
CAPITAL = {"question": "What is the capital of France?"}
REVIEW = {"review": "Ada says it broke after a day.", "stars": 1}


@dataclass
class Case:
    """A program: how it is made, what it is given, what the model says, what comes out."""

    make: Callable[[], Any]
    inputs: dict[str, Any]
    says: dict[str, Any]
    gives: dict[str, Any]
    #: What the model says instead where a request contains the text.
    turns: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    calls: int = 1


def look_up(city: str) -> str:
    """Says in which country a city lies."""
    return {"Paris": "France"}.get(city, "nowhere")


def with_demos() -> Any:
    """A predictor that was shown an example, and half of one."""
    predict = dspy.Predict("question -> answer")
    predict.demos = [
        dspy.Example(question="What is the capital of Spain?", answer="Madrid").with_inputs("question"),
        dspy.Example(answer="Rome"),
    ]
    return predict


def in_parallel() -> Callable[..., Any]:
    """Three questions at once, of which the second's answer is taken."""
    predict = dspy.Predict("question -> answer")

    def run(question: str) -> Any:
        asked = [(predict, {"question": f"{question} ({number})"}) for number in range(3)]
        return dspy.Parallel(num_threads=3, disable_progress_bar=True)(asked)[1]

    return run


class TwoSteps(dspy.Module):
    """A program of two predictors."""

    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.ChainOfThought("question, draft -> answer")

    def forward(self, question: str) -> Any:
        draft = self.first(question=question).answer
        return self.second(question=question, draft=draft)


STEPS = [
    ("observation_0", {"next_thought": "I know it.", "next_tool_name": "finish", "next_tool_args": {}}),
    ("next_tool_name", {"next_thought": "I look it up.", "next_tool_name": "look_up", "next_tool_args": {"city": "Paris"}}),
]

CASES: dict[str, Case] = {
    "predict": Case(lambda: dspy.Predict("question -> answer"), CAPITAL, QA, QA),
    "predict_class": Case(lambda: dspy.Predict(Review), REVIEW, JUDGED, {**JUDGED, "person": Person(name="Ada", age=36)}),
    "chain_of_thought": Case(lambda: dspy.ChainOfThought("question -> answer"), CAPITAL, THOUGHT, THOUGHT),
    "chain_of_thought_class": Case(
        lambda: dspy.ChainOfThought(Review),
        REVIEW,
        {"reasoning": "It broke.", **JUDGED},
        {"reasoning": "It broke.", **JUDGED, "person": Person(name="Ada", age=36)},
    ),
    "demos": Case(with_demos, CAPITAL, QA, QA),
    "history": Case(
        lambda: dspy.Predict(Talk),
        {**CAPITAL, "history": dspy.History(messages=[{"question": "And of Italy?", "answer": "Rome"}])},
        QA,
        QA,
    ),
    "parallel": Case(in_parallel, CAPITAL, QA, QA, calls=3),
    "two_predictors": Case(TwoSteps, CAPITAL, QA, THOUGHT, turns=[("draft", THOUGHT)], calls=2),
    "best_of": Case(
        lambda: dspy.BestOfN(dspy.Predict("question -> answer"), N=2, reward_fn=lambda _, made: 1.0, threshold=1.0),
        CAPITAL,
        QA,
        QA,
    ),
    "compare": Case(
        lambda: lambda question: dspy.MultiChainComparison("question -> answer", M=2)(
            [dspy.Prediction(reasoning="One.", answer="Paris"), dspy.Prediction(reasoning="Two.", answer="Rome")],
            question=question,
        ),
        CAPITAL,
        {"rationale": "Both looked at.", **QA},
        {"rationale": "Both looked at.", **QA},
    ),
    "react": Case(
        lambda: dspy.ReAct("question -> answer", tools=[look_up], max_iters=4),
        CAPITAL,
        THOUGHT,
        THOUGHT,
        turns=[("`reasoning`", THOUGHT), *STEPS],
        calls=3,
    ),
}


def marked(said: dict[str, Any]) -> str:
    """Outputs under the lines that name them."""
    blocks = [f"[[ ## {name} ## ]]\n{_shown(value)}" for name, value in said.items()]
    return "\n\n".join([*blocks, "[[ ## completed ## ]]"])


def tagged(said: dict[str, Any]) -> str:
    """Outputs between tags."""
    return "\n".join(f"<{name}>\n{_inside(value)}\n</{name}>" for name, value in said.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _inside(value: Any) -> str:
    """A value as XML has it inside a tag."""
    if isinstance(value, dict):
        return "".join(f"<{name}>{_inside(inner)}</{name}>" for name, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_inside(inner)}</item>" for inner in value)
    return _shown(value)


ADAPTERS: dict[str, tuple[Callable[[], Any], Callable[[dict[str, Any]], str]]] = {
    "chat": (dspy.ChatAdapter, marked),
    "json": (dspy.JSONAdapter, json.dumps),
    "xml": (dspy.XMLAdapter, tagged),
}


def script(case: Case, adapter: str, faults: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """What the simulator says: faults first, then the answers that a request asks for by what it contains."""
    write = ADAPTERS[adapter][1]
    said = [{"contains": text, "content": write(turn)} for text, turn in case.turns]
    return {"rule": [*(faults or []), *said, {"content": write(case.says)}]}


def outputs(prediction: Any, case: Case) -> dict[str, Any]:
    """The fields of a prediction that a case tells of."""
    return {name: getattr(prediction, name) for name in case.gives}
