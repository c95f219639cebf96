"""The second document's snippet and claims, over the simulator.

The snippet is what was published, with the import path and the base URL changed. It is no Python as it stands, so its slips are
mended first, each by itself: five commas between arguments are missing, and one between ``"fp16"`` and ``"fp32"``, without which
the two are one text.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corsac import (
    CallError,
    ModelAlias,
    OpenRouterLanguageModel,
    Profile,
    Provider,
    SemanticConfig,
    Session,
    SessionConfig,
    Simulator,
    col,
    semantic,
)
from corsac.errors import ConfigurationError

SNIPPET = Path(__file__).parent / "second" / "01_session.txt"
MENDED = [
    ('exclude=["Azure"] ', 'exclude=["Azure"], '),
    ('order=["OpenAI", "Azure"] ', 'order=["OpenAI", "Azure"], '),
    ('"fp16" "fp32"] ', '"fp16", "fp32"], '),
    ('data_collection="deny" ', 'data_collection="deny", '),
    ("max_prompt_price=5 ", "max_prompt_price=5, "),
    ("max_completion_price=10 ", "max_completion_price=10, "),
]
# the models it falls back to, which the simulated catalog does not have by itself
MODELS: list[dict[str, Any]] = [
    {"id": model, "endpoint": [{"provider": "openai", "quantization": "unknown"}]} for model in ("openai/gpt-4", "openai/gpt-4.1")
]
KEY = "sk-or-v1-the-key-of-the-document"
TEXTS = {"text": ["It never came.", "I love it."]}
SCHEMA = "product string, stars int?"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the document asks for: the key in the environment."""
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)


def published(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> SessionConfig:
    """Runs the snippet and gives its configuration."""
    text = SNIPPET.read_text()
    for slip, mend in MENDED:
        assert text.count(slip) == 1, slip
        text = text.replace(slip, mend)
    assert "_fenic_" in text
    names: dict[str, Any] = {}
    exec(compile(text.replace("_fenic_", "corsac"), SNIPPET.name, "exec"), names)
    monkeypatch.setenv("OPENROUTER_BASE_URL", simulator.base_url)
    config = names["config"]
    assert isinstance(config, SessionConfig)
    return config


def configured(simulator: Simulator, model: OpenRouterLanguageModel, **settings: Any) -> Session:
    semantic_config = SemanticConfig(language_models={"m": model}, default_language_model="m")
    return Session(SessionConfig(app_name="document", base_url=simulator.base_url, semantic=semantic_config, **settings))


def test_as_published_it_is_no_python() -> None:
    with pytest.raises(SyntaxError):
        compile(SNIPPET.read_text(), SNIPPET.name, "exec")


def test_profile_fields_are_on_the_wire(
    simulate: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch, key: None
) -> None:
    sim = simulate({"model": MODELS})
    session = Session.get_or_create(published(sim, monkeypatch))
    frame = session.create_dataframe(TEXTS).select(semantic.map("Shorten {{ text }}", text=col("text")).alias("short"))
    assert [row["short"] is not None for row in frame.to_pylist()] == [True, True]
    for chat in sim.chats():
        body = chat["body"]
        assert body["model"] == "openai/gpt-4o"
        assert body["models"] == ["openai/gpt-4", "openai/gpt-4.1"] or body["models"][-2:] == ["openai/gpt-4", "openai/gpt-4.1"]
        provider = body["provider"]
        assert provider["sort"] == "latency"
        assert [name.lower() for name in provider["only"]] == ["openai"]
        assert [name.lower() for name in provider["ignore"]] == ["azure"]
        assert [name.lower() for name in provider["order"]] == ["openai", "azure"]
        assert provider["quantizations"] == ["unknown", "fp8", "bf16", "fp16", "fp32"]
        assert provider["data_collection"] == "deny"
        assert {name: float(price) for name, price in provider["max_price"].items()} == {"prompt": 5.0, "completion": 10.0}
        assert chat["headers"]["authorization"].endswith(KEY[-4:])
    assert set(sim.seen()["by_provider"]) <= {"OpenAI", "openai"}


@pytest.mark.parametrize(("said", "sent"), [({"reasoning_effort": "low"}, ("effort", "low")), ({"reasoning_max_tokens": 2048}, ("max_tokens", 2048))])
def test_reasoning_goes_to_models_that_reason(sim: Simulator, key: None, said: dict[str, Any], sent: tuple[str, Any]) -> None:
    model = "openai/gpt-5-mini" if "reasoning_effort" in said else "anthropic/claude-sonnet-4"
    session = configured(sim, OpenRouterLanguageModel(model, profiles={"p": Profile(**said)}))
    assert session.create_dataframe(TEXTS).select(semantic.map("Shorten {{ text }}", text=col("text"))).count() == 2
    session.create_dataframe(TEXTS).select(semantic.map("Shorten {{ text }}", text=col("text")).alias("s")).collect("pylist")
    chats = sim.chats()
    assert chats
    assert all(chat["body"]["reasoning"][sent[0]] == sent[1] for chat in chats)


def test_effort_and_tokens_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        Profile(reasoning_effort="low", reasoning_max_tokens=100)


def test_the_catalog_is_loaded_once(sim: Simulator, key: None) -> None:
    session = configured(sim, OpenRouterLanguageModel("openai/gpt-4o-mini"))
    frame = session.create_dataframe(TEXTS)
    for template in ("Shorten {{ text }}", "Praise {{ text }}", "Translate {{ text }}"):
        frame.select(semantic.map(template, text=col("text"))).collect("pylist")
    loaded = sum(count for route, count in sim.seen()["by_route"].items() if route in ("GET /models", "GET /models/user"))
    assert loaded == 1


def structure_asked_by(body: dict[str, Any]) -> str:
    if "response_format" in body:
        assert body["response_format"]["type"] == "json_schema"
        assert "tools" not in body
        return "response_format"
    (tool,) = body["tools"]
    assert body["tool_choice"]["function"]["name"] == tool["function"]["name"]
    return "tools"


@pytest.mark.parametrize(
    ("strategy", "asked_by"), [(None, "response_format"), ("prefer_response_format", "response_format"), ("prefer_tools", "tools")]
)
def test_tools_are_forced_where_they_are_preferred(sim: Simulator, key: None, strategy: Any, asked_by: str) -> None:
    session = configured(sim, OpenRouterLanguageModel("openai/gpt-4o-mini", structured_output_strategy=strategy))
    rows = session.create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert all(isinstance(row["e"]["product"], str) for row in rows)
    assert {structure_asked_by(chat["body"]) for chat in sim.chats()} == {asked_by}


def test_a_model_with_tools_alone_is_asked_by_tools(simulate: Callable[..., Simulator], key: None) -> None:
    only_tools = {"id": "maker/tools-only", "supported_parameters": ["tools", "tool_choice", "max_tokens", "temperature"]}
    sim = simulate({"model": [only_tools]})
    session = configured(sim, OpenRouterLanguageModel("maker/tools-only"))
    rows = session.create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert all(isinstance(row["e"]["product"], str) for row in rows)
    assert {structure_asked_by(chat["body"]) for chat in sim.chats()} == {"tools"}


NEITHER: dict[str, Any] = {"id": "maker/words-only", "supported_parameters": ["max_tokens", "temperature"]}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("extract", lambda: semantic.extract("text", SCHEMA)),
        ("classify", lambda: semantic.classify("text", ["good", "bad"])),
        ("predicate", lambda: semantic.predicate("Is {{ text }} about delivery?", text=col("text"))),
        ("sentiment", lambda: semantic.analyze_sentiment("text")),
    ],
)
@pytest.mark.parametrize("strategy", [None, "prefer_tools", "prefer_response_format"])
@pytest.mark.parametrize("profiles", [None, {"p": Profile(temperature=0.5)}])
def test_a_model_with_neither_fails_before_anything_is_sent(
    simulate: Callable[..., Simulator], key: None, what: str, said: Callable[[], Any], strategy: Any, profiles: Any
) -> None:
    """"… fenic will fail fast before starting to send requests": over many rows, and whatever is preferred."""
    sim = simulate({"model": [NEITHER]})
    model = OpenRouterLanguageModel("maker/words-only", structured_output_strategy=strategy, profiles=profiles)
    frame = configured(sim, model).create_dataframe({"text": [f"text {row}" for row in range(40)]})
    with pytest.raises(CallError) as raised:
        frame.select(said().alias(what)).to_pylist()
    assert sim.chats() == [] and sim.seen()["billed_answers"] == 0
    told = str(raised.value)
    # which model, what it lacks by the catalog, what it takes, and what to do
    for part in ("maker/words-only", "structured_outputs or tools", "max_tokens, temperature", "structured_output_support"):
        assert part in told


def test_providers_that_take_neither_count_as_none(simulate: Callable[..., Simulator], key: None) -> None:
    """"If no providers for the model support either": those that may not serve do not count."""
    endpoints = [
        {"provider": "openai", "supported_parameters": ["structured_outputs", "response_format", "max_tokens"]},
        {"provider": "azure", "supported_parameters": ["max_tokens"]},
    ]
    sim = simulate({"model": [{"id": "maker/half", "endpoint": endpoints}]})
    of_azure = OpenRouterLanguageModel("maker/half", profiles={"p": Profile(provider=Provider(only=["azure"]))})
    extract = semantic.extract("text", SCHEMA).alias("e")
    with pytest.raises(CallError, match="azure takes max_tokens"):
        configured(sim, of_azure).create_dataframe(TEXTS).select(extract).to_pylist()
    assert sim.chats() == []
    rows = configured(sim, OpenRouterLanguageModel("maker/half")).create_dataframe(TEXTS).select(extract).to_pylist()
    assert all(isinstance(row["e"]["product"], str) for row in rows) and set(sim.seen()["by_provider"]) == {"OpenAI"}


def test_a_fallback_that_takes_schemas_is_asked_in_its_place(simulate: Callable[..., Simulator], key: None) -> None:
    sim = simulate({"model": [NEITHER]})
    model = OpenRouterLanguageModel("maker/words-only", profiles={"p": Profile(models=["openai/gpt-4o-mini"])})
    rows = configured(sim, model).create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert all(isinstance(row["e"]["product"], str) for row in rows)
    assert {chat["body"]["model"] for chat in sim.chats()} == {"openai/gpt-4o-mini"}
    # and one that takes neither is not fallen back to
    sim = simulate({"model": [NEITHER]})
    model = OpenRouterLanguageModel("openai/gpt-4o-mini", profiles={"p": Profile(models=["maker/words-only"])})
    configured(sim, model).create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert {chat["body"]["model"] for chat in sim.chats()} == {"openai/gpt-4o-mini"}
    assert all("models" not in chat["body"] for chat in sim.chats())


def test_words_need_no_structure(simulate: Callable[..., Simulator], key: None) -> None:
    """"… and a semantic operation that requires structured output is used": others are asked."""
    sim = simulate({"model": [NEITHER]})
    frame = configured(sim, OpenRouterLanguageModel("maker/words-only")).create_dataframe(TEXTS)
    assert all(row["s"] for row in frame.select(semantic.map("Shorten {{ text }}", text=col("text")).alias("s")).to_pylist())


@pytest.mark.parametrize("in_profile", [False, True])
def test_a_model_with_neither_is_asked_in_words_where_that_is_allowed(
    simulate: Callable[..., Simulator], key: None, in_profile: bool
) -> None:
    sim = simulate({"model": [NEITHER], "rule": [{"content": '{"product": "a shirt", "stars": null}'}]})
    said: dict[str, Any] = {"structured_output_support": "preferred"}
    model = OpenRouterLanguageModel("maker/words-only", **({"profiles": {"p": Profile(**said)}} if in_profile else said))
    rows = configured(sim, model).create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert [row["e"]["product"] for row in rows] == ["a shirt", "a shirt"]
    assert sim.chats() and all("tools" not in chat["body"] and "response_format" not in chat["body"] for chat in sim.chats())


@pytest.mark.parametrize("operation", [semantic.extract("text", SCHEMA), semantic.map("Shorten {{ text }}", text=col("text"))])
def test_an_unknown_model_is_told_before_anything_is_sent(sim: Simulator, key: None, operation: Any) -> None:
    """In a home without a catalog, over many rows."""
    session = configured(sim, OpenRouterLanguageModel("openai/gpt-4o-minni"))
    frame = session.create_dataframe({"text": [f"text {row}" for row in range(40)]}).select(operation.alias("e"))
    with pytest.raises((CallError, ConfigurationError), match="gpt-4o-minni.*did you mean.*openai/gpt-4o-mini"):
        frame.collect("pylist")
    seen = sim.seen()
    assert sim.chats() == [] and seen["billed_answers"] == 0
    assert sum(count for route, count in seen["by_route"].items() if route in ("GET /models", "GET /models/user")) == 1


def test_what_no_provider_serves_fails_before_any_request(sim: Simulator, key: None) -> None:
    model = OpenRouterLanguageModel("openai/gpt-4o-mini", profiles={"p": Profile(provider=Provider(only=["Groq"]))})
    frame = configured(sim, model).create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e"))
    with pytest.raises((CallError, ConfigurationError)) as raised:
        frame.collect("pylist")
    assert "groq" in str(raised.value).lower() or "provider" in str(raised.value).lower()
    assert sim.chats() == []


def test_a_wrong_profile_is_told(sim: Simulator, key: None) -> None:
    model = OpenRouterLanguageModel("openai/gpt-4o-mini", profiles={"careful": Profile(temperature=0.0)})
    frame = configured(sim, model).create_dataframe(TEXTS)
    asked = frame.select(semantic.extract("text", SCHEMA, model_alias=ModelAlias("m", "carefull")).alias("e"))
    with pytest.raises((CallError, ConfigurationError), match="careful"):
        asked.collect("pylist")
    assert sim.chats() == []


def test_back_off_is_obeyed(simulate: Callable[..., Simulator], key: None) -> None:
    """After a refusal that says when the limit resets, nothing is sent before that moment."""
    sim = simulate({"limits": {"requests_per_minute": 20, "hint": "retry_after"}, "rule": [{"fault": "upstream_rate_limited", "to_request": 1, "times": 1}]})
    session = configured(sim, OpenRouterLanguageModel("openai/gpt-4o-mini"))
    rows = session.create_dataframe(TEXTS).select(semantic.map("Shorten {{ text }}", text=col("text")).alias("s")).to_pylist()
    assert all(row["s"] is not None for row in rows)
    seen = sim.seen()
    assert seen["by_fault"] == {"upstream_rate_limited": 1}
    # every row was answered once, and the refusal cost one request more
    assert seen["by_status"] == {"200": seen["by_status"]["200"], "429": 1}
    assert seen["repeated_answers"] == 0


def test_a_provider_that_refuses_the_schema_is_left_out(simulate: Callable[..., Simulator], key: None) -> None:
    sim = simulate({"rule": [{"provider": "openai", "fault": "schema_refused_400"}]})
    session = configured(sim, OpenRouterLanguageModel("openai/gpt-4o-mini"))
    rows = session.create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert all(row["e"] is not None for row in rows)
    assert all("openai" not in provider.lower() for provider in sim.seen()["by_provider"])


def test_no_endpoints_found_is_mended_by_the_engine(simulate: Callable[..., Simulator], key: None) -> None:
    """"Try setting structured_output_strategy to prefer_tools": nobody has to."""
    sim = simulate({"rule": [{"contains": "json_schema", "fault": "parameter_filter_404"}]})
    session = configured(sim, OpenRouterLanguageModel("openai/gpt-4o-mini"))
    rows = session.create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert all(row["e"] is not None for row in rows)
    assert "tools" in {structure_asked_by(chat["body"]) for chat in sim.chats() if "tools" in chat["body"] or "response_format" in chat["body"]}


@pytest.mark.parametrize("fault", ["malformed_json", "fenced_json", "wrong_schema", "empty_stop", "tool_empty_arguments"])
def test_malformed_json_loses_no_row(simulate: Callable[..., Simulator], key: None, fault: str) -> None:
    sim = simulate({"rule": [{"fault": fault, "times": 1}]})
    session = configured(sim, OpenRouterLanguageModel("openai/gpt-4o-mini"))
    rows = session.create_dataframe(TEXTS).select(semantic.extract("text", SCHEMA).alias("e")).to_pylist()
    assert all(row["e"] is not None for row in rows)
