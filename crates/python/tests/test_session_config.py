"""Configurations of sessions: what they refuse, what they become, and that no key shows."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import corsac
from corsac import (
    LocalLanguageModel,
    OpenAICompatibleLanguageModel,
    OpenAILanguageModel,
    OpenRouterLanguageModel,
    Profile,
    Provider,
    SemanticConfig,
    Session,
    SessionConfig,
)
from corsac.api.session.config import SessionConfig as ByPath
from corsac.errors import ConfigurationError

KEY = "sk-or-v1-very-secret-key-0123456789"


def test_every_path_leads_to_the_same() -> None:
    assert ByPath is SessionConfig
    assert SessionConfig.OpenRouterLanguageModel is OpenRouterLanguageModel
    assert OpenRouterLanguageModel.Profile is Profile
    assert OpenRouterLanguageModel.Provider is Provider


def test_one_is_the_default_and_several_need_one() -> None:
    model = OpenRouterLanguageModel("openai/gpt-4o-mini")
    assert SemanticConfig(language_models={"a": model}).default_language_model == "a"
    with pytest.raises(ConfigurationError, match="say which is the default_language_model"):
        SemanticConfig(language_models={"a": model, "b": model})
    with pytest.raises(ConfigurationError, match="'c', but the language models are: a, b"):
        SemanticConfig(language_models={"a": model, "b": model}, default_language_model="c")
    with pytest.raises(ConfigurationError, match="say which is the default_profile"):
        OpenRouterLanguageModel("m/n", profiles={"a": Profile(), "b": Profile()})
    with pytest.raises(ConfigurationError, match="no profile 'c'; there are a"):
        OpenRouterLanguageModel("m/n", profiles={"a": Profile()}, default_profile="c")


def test_settings_are_those_of_the_engine() -> None:
    provider = Provider(sort="price", only=["OpenAI"], ignore=["Azure"], exclude=["Groq"], max_prompt_price=1)
    model = OpenRouterLanguageModel(
        "openai/gpt-4o", profiles={"p": Profile(models=["x/y"], provider=provider)}, structured_output_strategy="prefer_tools", rpm=100
    )
    config = SessionConfig(app_name="App", app_url="https://app.example", language_model=model, budget=2.5)
    assert config.settings() == {
        "model": "default",
        "app": {"name": "App", "url": "https://app.example"},
        "budget": 2.5,
        "models": {
            "default": {
                "id": "openai/gpt-4o",
                "structured_output_strategy": "prefer_tools",
                "structured_output_support": "required",
                "default_profile": "p",
                "requests_per_minute": 100,
                "profiles": {
                    "p": {
                        "structured_output_support": "required",
                        "models": ["x/y"],
                        "provider": {"sort": "price", "only": ["OpenAI"], "ignore": ["Azure", "Groq"], "max_prompt_price": 1},
                    }
                },
            }
        },
    }


def test_other_servers_and_the_embedded_model() -> None:
    own = OpenAICompatibleLanguageModel("llama", base_url="http://127.0.0.1:9/v1")
    assert own._settings() == {"id": "llama", "engine": "openai", "base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(ConfigurationError, match="needs its base_url"):
        OpenAICompatibleLanguageModel("llama")
    assert OpenAILanguageModel("gpt-4o")._settings()["api_key_env"] == "OPENAI_API_KEY"
    assert LocalLanguageModel()._settings() == {"engine": "local"}


def test_no_key_shows() -> None:
    config = SessionConfig(api_key=KEY, language_model=OpenRouterLanguageModel("a/b", api_key=KEY))
    session = Session(config)
    for shown in (repr(config), repr(session), repr(session._engine), str(config)):
        assert KEY not in shown and KEY[-12:] not in shown


def test_what_the_engine_refuses_is_told_at_once() -> None:
    wrong = OpenRouterLanguageModel("a/b", profiles={"p": Profile(provider=Provider(sort="cheapest"))})
    with pytest.raises(ConfigurationError, match="cheapest|sort"):
        Session(SessionConfig(language_model=wrong))


def test_a_session_is_had_again_and_another_configuration_never_in_its_place() -> None:
    one = Session.get_or_create(SessionConfig(app_name="a", engine="sim"))
    assert Session.get_or_create(SessionConfig(app_name="a", engine="sim")) is one
    other = Session.get_or_create(SessionConfig(app_name="a", engine="sim", on_error="fail"))
    assert other is not one and other.config.on_error == "fail"
    other.stop()
    assert Session.getOrCreate(SessionConfig(app_name="a", engine="sim", on_error="fail")) is not other


def test_importing_is_cheap() -> None:
    """Nothing but the engine and the standard library is imported."""
    program = (
        "import sys; import corsac; corsac.Session, corsac.col, corsac.semantic;"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'pandas', 'polars', 'pyarrow', 'numpy', 'pydantic', 'dspy', 'openai'}))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    for name in corsac.__all__:
        value = getattr(corsac, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert value.__doc__, name
