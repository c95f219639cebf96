"""The snippets of "DSPy + OpenRouter: Why the Standard Integration Falls Short" (July 2025) as they stand: the import line and the
base URL are changed, and nothing else.

Each asserts what the post claims of it: the headers that were received, the model that answered when the first could not,
the module's answer.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

dspy = pytest.importorskip("dspy")

from corsac import Simulator  # noqa: E402

SNIPPETS = Path(__file__).parent / "first"
KEY = "sk-or-v1-the-key-of-the-post"
PUBLISHED = "https://openrouter.ai/api/v1"
ATTRIBUTION = {"http-referer": "https://8bitoracle.ai", "x-title": "8-Bit Oracle"}
MARKED = "[[ ## reasoning ## ]]\nIt says so.\n\n[[ ## answer ## ]]\nA framework.\n\n[[ ## completed ## ]]"


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """What a snippet configures is undone."""
    before = dict(dspy.settings.config)
    yield
    dspy.configure(**{name: before.get(name) for name in ("lm", "adapter")})


def run(name: str, simulator: Simulator) -> dict[str, Any]:
    """Runs a snippet and gives what it defined."""
    text = (SNIPPETS / name).read_text()
    assert PUBLISHED in text
    text = text.replace("import dspy\n", "import corsac.dspy as dspy\n").replace(PUBLISHED, simulator.base_url)
    names: dict[str, Any] = {"api_key": KEY}
    # two of the snippets go on where an earlier one imported DSPy
    if not any(isinstance(line, ast.Import) for line in ast.parse(text).body):
        exec("import corsac.dspy as dspy", names)
    exec(compile(text, name, "exec"), names)
    return names


def test_the_standard_way_answers(sim: Simulator) -> None:
    lm = run("01_standard.py", sim)["lm"]
    assert lm("Say hello.")[0]
    (chat,) = sim.chats()
    assert chat["body"]["model"] == "deepseek/deepseek-chat-v3-0324"
    # who says nothing is not counted for LiteLLM
    assert "litellm" not in str(chat["headers"]).lower()
    assert chat["headers"]["authorization"].endswith(KEY[-4:])


def test_headers_arrive(sim: Simulator) -> None:
    lm = run("02_headers.py", sim)["lm"]
    assert lm("Say hello.")[0]
    (chat,) = sim.chats()
    assert chat["body"]["model"] == "openai/gpt-4o-mini"
    assert {name: chat["headers"].get(name) for name in ATTRIBUTION} == ATTRIBUTION
    assert sim.seen()["without_attribution"] == 0
    assert set(sim.seen()["attribution_titles"]) == {"8-Bit Oracle"}


@pytest.mark.parametrize("fault", ["http_502", "http_503", "no_endpoints_404", "upstream_rate_limited", "error_in_200", "empty_body"])
def test_failover_happens(simulate: Callable[..., Simulator], fault: str) -> None:
    sim = simulate({"down": [{"model": "openai/gpt-4o-mini", "fault": fault}]})
    lm = run("03_failover.py", sim)["lm"]
    assert lm("Say hello.")[0]
    entry = lm.history[-1]
    assert entry["response_model"] == "anthropic/claude-3-haiku"
    assert entry["cost"] > 0
    seen = sim.seen()
    assert seen["by_model"] == {"anthropic/claude-3-haiku": 1}
    assert seen["by_fault"].get(fault, 0) > 0
    for chat in sim.chats():
        assert {name: chat["headers"].get(name) for name in ATTRIBUTION} == ATTRIBUTION


def test_a_healthy_first_model_answers_alone(sim: Simulator) -> None:
    lm = run("03_failover.py", sim)["lm"]
    assert lm("Say hello.")[0]
    assert sim.seen()["by_model"] == {"openai/gpt-4o-mini": 1}
    assert len(sim.chats()) == 1, "one question is paid once"


def test_a_module_answers(simulate: Callable[..., Simulator]) -> None:
    sim = simulate({"rule": [{"contains": "What is DSPy?", "content": MARKED}]})
    names = run("04_modules.py", sim)
    assert names["response"].answer == "A framework."
    assert names["response"].reasoning == "It says so."
    (chat,) = sim.chats()
    assert {name: chat["headers"].get(name) for name in ATTRIBUTION} == ATTRIBUTION


def test_a_module_answers_over_a_bad_day(simulate: Callable[..., Simulator]) -> None:
    """The post's last claim: modules benefit from failover. Its last snippet names no second model, so the third one's is
    what the module is given here."""
    sim = simulate(
        {
            "down": [{"model": "openai/gpt-4o-mini", "fault": "http_503"}],
            "rule": [{"model": "anthropic/*", "contains": "What is DSPy?", "content": MARKED}],
        }
    )
    names = run("03_failover.py", sim)
    dspy.configure(lm=names["lm"])
    answer = dspy.ChainOfThought("question -> answer")(question="What is DSPy?")
    assert answer.answer == "A framework."
    assert names["lm"].history[-1]["response_model"] == "anthropic/claude-3-haiku"
