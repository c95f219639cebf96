"""The engine as DSPy calls it: several answers at once, the short way of ordinary calls, what a model is said to take."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

dspy = pytest.importorskip("dspy")

import corsac.dspy  # noqa: E402
from corsac import Simulator  # noqa: E402
from corsac.dspy import direct  # noqa: E402
from dspy_models import Start, model, quiet  # noqa: E402, F401
from inside import Inside  # noqa: E402

def inside_model(inside: Inside) -> Any:
    return corsac.dspy.LM("inside", engine="openai", api_base=inside.base_url, api_key="none", temperature=1.0)


@pytest.mark.parametrize("said", [{}, {"logprobs": True}, {"stop": ["x"]}])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_several_answers_are_asked_for_at_once(asynchronous: bool, said: dict[str, Any]) -> None:
    """Who answers waits until all five questions are here."""
    inside = Inside(gathers=5)
    lm = inside_model(inside)
    try:
        answers = asyncio.run(lm.acall("Why?", n=5, **said)) if asynchronous else lm("Why?", n=5, **said)
    finally:
        inside.close()
    assert (len(answers), inside.most) == (5, 5)


def test_of_several_answers_those_that_came_are_counted(simulate: Start) -> None:
    sim = simulate({"rule": [{"fault": "moderation_403", "times": 1}]})
    lm = model(sim, temperature=1.0)
    with dspy.track_usage() as tracker, pytest.raises(dspy.LMError):
        lm("Say hello.", n=3)
    billed = float(sim.seen()["cost_dollars"])
    assert billed > 0
    assert tracker.get_total_tokens()["openrouter/openai/gpt-4o-mini"]["cost"] == pytest.approx(billed, abs=1e-12)


CALLS: list[dict[str, Any]] = [
    {"prompt": "Say hello."},
    {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Say hello."}]},
    {"messages": [{"role": role, "content": f"{role} speaks"} for role in ("system", "user", "assistant", "user")], "temperature": 0.3},
    {"prompt": "Say hello.", "max_tokens": 40, "top_p": 0.5, "seed": 3, "frequency_penalty": 0.5, "presence_penalty": 0.1},
    {"prompt": "Say hello.", "top_k": 5, "rollout_id": 7, "temperature": 1.0},
    {"prompt": "Say hello.", "provider": {"sort": "price"}},
]


@pytest.mark.parametrize("said", CALLS)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_short_way_is_the_usual_one(
    simulate: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: dict[str, Any], asynchronous: bool
) -> None:
    """The same on the wire, the same answer, the same history; and what one asked the other remembers."""

    def ask(home: str) -> tuple[Any, Any, Any, Any]:
        sim = simulate()
        lm = model(sim, home=tmp_path / home)
        heard: list[str] = []

        class Hears(dspy.utils.callback.BaseCallback):  # type: ignore[misc, name-defined]
            def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
                heard.append("start")

            def on_lm_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
                heard.append(f"end {outputs}")

        with dspy.context(callbacks=[Hears()]), dspy.track_usage() as tracker:
            answer = asyncio.run(lm.acall(**said)) if asynchronous else lm(**said)
        entry = dict(lm.history[-1])
        for changing in ("uuid", "timestamp", "run"):
            entry.pop(changing)
        response = entry.pop("response")
        entry["response"] = (response.text, response.finish_reason, response.usage, sorted(response.provider_data))
        return [chat["body"] for chat in sim.chats()], answer, entry, (heard, tracker.get_total_tokens())

    short = ask("short")
    ways: list[bool] = []
    monkeypatch.setattr(direct, "plain", lambda *_: ways.append(False))
    assert ask("usual") == short
    assert ask("short")[:2] == ([], short[1])
    assert ways == [False, False]
    assert short[3][0] == ["start", f"end {short[1]}"]


@pytest.mark.parametrize(
    ("said", "is_short"),
    [
        (CALLS[0], True),
        (CALLS[1], True),
        (CALLS[5], True),
        ({"prompt": ""}, False),
        ({"prompt": "a", "response_format": {"type": "json_object"}}, False),
        ({"prompt": "a", "stop": ["x"]}, False),
        ({"prompt": "a", "n": 2, "temperature": 1.0}, False),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, False),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}, False),
        ({"messages": [{"role": "system", "content": "b"}]}, False),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, False),
    ],
)
def test_what_holds_more_than_texts_takes_the_usual_way(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], is_short: bool
) -> None:
    took: list[bool] = []
    judge = direct.plain

    def judged(*call: Any) -> bool:
        took.append(judge(*call))
        return took[-1]

    monkeypatch.setattr(direct, "plain", judged)
    lm = model(sim)
    # what DSPy takes no way is not taken
    with contextlib.suppress(dspy.LMError, ValueError, TypeError):
        lm(**said)
    assert took == [is_short]


def test_what_is_no_text_is_refused_on_the_short_way_too(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="not valid Unicode"):
        model(sim)("a lone \ud800")
    assert sim.chats() == []


def test_a_model_is_said_to_take_what_its_providers_take(simulate: Start) -> None:
    bare = {"id": "maker/bare", "supported_parameters": ["structured_outputs", "response_format", "max_tokens", "temperature"]}
    sim = simulate({"model": [bare]})
    lm = model(sim)
    assert lm.supports_function_calling
    assert not model(sim, "openrouter/maker/bare").supports_function_calling
    assert not lm.copy(model="openrouter/maker/bare").supports_function_calling
    assert sim.chats() == []


class Search(dspy.Signature):  # type: ignore[misc, name-defined]
    """Find out."""

    question: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    outputs: dspy.ToolCalls = dspy.OutputField()


def weather(city: str) -> str:
    """The weather in a city."""
    return "sunny"


@pytest.mark.parametrize("takes", [True, False])
def test_functions_go_out_natively_where_they_are_taken(simulate: Start, takes: bool) -> None:
    """An adapter writes functions into the prompt for a model that takes none."""
    parameters = ["max_tokens", "temperature", "response_format", "structured_outputs", *(["tools", "tool_choice"] if takes else [])]
    said = '[[ ## outputs ## ]]\n{"tool_calls": [{"name": "weather", "args": {"city": "Rome"}}]}\n\n[[ ## completed ## ]]'
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    native = {
        "id": "gen-1",
        "object": "chat.completion",
        "model": "maker/m",
        "provider": "OpenAI",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10, "cost": 0.0001},
    }
    rule: dict[str, Any] = {"path": "/chat/completions", "reply": {"status": 200, "body": json.dumps(native)}} if takes else {"content": said}
    sim = simulate({"model": [{"id": "maker/m", "supported_parameters": parameters}], "rule": [rule]})
    with dspy.context(lm=model(sim, "openrouter/maker/m"), adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        made = dspy.Predict(Search)(question="How is the weather in Rome?", tools=[dspy.Tool(weather)])
    assert [(call.name, call.args) for call in made.outputs.tool_calls] == [("weather", {"city": "Rome"})]
    assert [("tools" in chat["body"]) for chat in sim.chats()] == [takes]
