"""DSPy's own programs on both clients, over the simulator: modules, adapters, faults. Where DSPy's client gets through, both give
the same, from the same prompts; where it does not, ours does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

dspy = pytest.importorskip("dspy")

import corsac.dspy  # noqa: E402
from corsac import Simulator  # noqa: E402
from dspy_programs import ADAPTERS, CASES, MODEL, outputs, script  # noqa: E402

KEY = "sk-or-v1-a-key-for-tests"
Start = Callable[..., Simulator]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No price map is fetched, no warning of DSPy's about itself is shown."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def ours(simulator: Simulator, **settings: Any) -> Any:
    """A model on Corsac."""
    return corsac.dspy.LM(MODEL, api_base=simulator.base_url, api_key=KEY, **settings)


def theirs(simulator: Simulator, **settings: Any) -> Any:
    """The same on DSPy's own client."""
    return dspy.LM(MODEL, api_base=simulator.base_url, api_key=KEY, cache=False, **settings)


def run(lm: Any, adapter: str, name: str) -> dict[str, Any]:
    case = CASES[name]
    with dspy.context(lm=lm, adapter=ADAPTERS[adapter][0]()):
        return outputs(case.make()(**case.inputs), case)


def prompts(simulator: Simulator) -> list[Any]:
    """The conversations that were sent, in an order of their own where some went at once."""
    return sorted((chat["body"]["messages"] for chat in simulator.chats()), key=repr)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", CASES)
def test_both_clients_give_the_same(simulate: Start, name: str, adapter: str) -> None:
    case = CASES[name]
    here, there = simulate(script(case, adapter)), simulate(script(case, adapter))
    given = run(ours(here), adapter, name)
    assert given == case.gives
    assert given == run(theirs(there), adapter, name)
    assert len(here.chats()) == case.calls
    assert prompts(here) == prompts(there)


#: Faults that pass, and what DSPy's own client makes of them: it retries what it knows to be worth it.
PASSING = ["http_500", "http_502", "http_504", "http_524_html", "error_in_200", "http_408", "cut"]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("name", ["predict", "chain_of_thought_class"])
def test_a_fault_that_passes_is_passed(simulate: Start, name: str, fault: str) -> None:
    case = CASES[name]
    once = [{"times": 1, "fault": fault}]
    here, there = simulate(script(case, "chat", once)), simulate(script(case, "chat", once))
    assert run(ours(here), "chat", name) == case.gives
    assert here.seen()["by_fault"] == {fault: 1}
    assert run(theirs(there, num_retries=1), "chat", name) == case.gives


#: Answers that are no answers: DSPy's client takes them for one, pays a second call and gives up, or reads what is not there.
SPOILT = ["choice_error", "empty_stop", "garbage_body", "empty_body"]


@pytest.mark.parametrize("fault", SPOILT)
def test_an_answer_that_is_none_is_asked_for_again(simulate: Start, fault: str) -> None:
    case = CASES["predict"]
    here = simulate(script(case, "chat", [{"times": 1, "fault": fault}]))
    assert run(ours(here), "chat", "predict") == case.gives
    assert here.seen()["by_model"]["openai/gpt-4o-mini"] >= 1


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("fault", ["http_503", "no_endpoints_404", "capacity_exhausted", "moderation_403", "context_length_400"])
def test_the_next_model_answers(simulate: Start, adapter: str, fault: str) -> None:
    """DSPy's own client has no next model."""
    case = CASES["chain_of_thought"]
    down = {**script(case, adapter), "down": [{"model": "openai/gpt-4o-mini", "fault": fault}]}
    down["rule"] = [{**rule, "model": "anthropic/*"} for rule in down["rule"]]
    here, there = simulate(down), simulate(down)
    lm = ours(here, fallbacks=["anthropic/claude-3-haiku"])
    assert run(lm, adapter, "chain_of_thought") == case.gives
    assert lm.history[-1]["response_model"] == "anthropic/claude-3-haiku"
    if adapter == "chat":
        with pytest.raises(dspy.LMError):
            run(theirs(there, num_retries=0), adapter, "chain_of_thought")


@pytest.mark.parametrize("fault", ["wrong_schema", "malformed_json", "fenced_json"])
def test_structure_is_put_right(simulate: Start, fault: str) -> None:
    """One spoilt answer to a request for JSON; the simulator then writes what the schema asks for."""
    here = simulate({"rule": [{"times": 1, "fault": fault}]})
    with dspy.context(lm=ours(here), adapter=dspy.JSONAdapter()):
        made = dspy.Predict("question -> count: int, good: bool")(question="How many?")
    assert isinstance(made.count, int) and isinstance(made.good, bool)


def test_a_strict_schema_is_asked_for(simulate: Start) -> None:
    """DSPy sends it only for models that its own snapshot knows."""
    here = simulate()
    with dspy.context(lm=corsac.dspy.LM("openrouter/deepseek/deepseek-chat-v3-0324", api_base=here.base_url, api_key=KEY), adapter=dspy.JSONAdapter()):
        made = dspy.Predict("question -> count: int, label: Literal['a', 'b']")(question="How many?")
    assert isinstance(made.count, int) and made.label in ("a", "b")
    body = here.chats()[0]["body"]
    assert body.get("response_format", {}).get("type") == "json_schema" or body.get("tools")
