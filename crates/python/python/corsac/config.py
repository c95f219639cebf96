"""The configuration of a session: its models under aliases, each with profiles, and how rows and answers are treated.

Nothing here asks anything or looks for a key: that is done with the first question.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from corsac.errors import ConfigurationError

__all__ = [
    "CacheBackend",
    "LLMResponseCacheConfig",
    "LocalEmbeddingModel",
    "LocalLanguageModel",
    "OpenAICompatibleEmbeddingModel",
    "OpenAICompatibleLanguageModel",
    "OpenAIEmbeddingModel",
    "OpenAILanguageModel",
    "OpenRouterEmbeddingModel",
    "OpenRouterLanguageModel",
    "Profile",
    "Provider",
    "SemanticConfig",
    "SessionConfig",
]

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Strategy = Literal["prefer_tools", "prefer_response_format"]
Support = Literal["required", "preferred"]


def _said(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what was not said."""
    return {name: value for name, value in settings.items() if value is not None and value != [] and value != {}}


@dataclass(frozen=True)
class Provider:
    """Which of OpenRouter's providers may serve, and in what order.

    Attributes:
        sort: Sort providers by ``"price"``, ``"throughput"`` or ``"latency"``.
        only: The only providers allowed.
        ignore: Providers left out. ``exclude`` is another name for it.
        order: Providers tried first, in this order.
        quantizations: Quantizations allowed, such as ``"fp8"``; closed models have ``"unknown"``.
        data_collection: Whether providers may keep prompts: ``"allow"`` or ``"deny"``.
        max_prompt_price: The most dollars for a million tokens of input.
        max_completion_price: The most dollars for a million tokens of output.
        allow_fallbacks: Whether others may serve when the preferred ones fail.
        require_parameters: Whether a provider must support every parameter of the request.
        zdr: Whether only endpoints without any data retention may serve.
    """

    sort: str | dict[str, str] | None = None
    only: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    quantizations: list[str] = field(default_factory=list)
    data_collection: Literal["allow", "deny"] | None = None
    max_prompt_price: float | None = None
    max_completion_price: float | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    zdr: bool | None = None
    exclude: dataclasses.InitVar[list[str] | None] = None

    def __post_init__(self, exclude: list[str] | None) -> None:
        if exclude:
            object.__setattr__(self, "ignore", [*self.ignore, *exclude])

    def _settings(self) -> dict[str, Any]:
        return _said(dataclasses.asdict(self))


@dataclass(frozen=True)
class Profile:
    """Named settings of a model's calls.

    Attributes:
        models: Models asked when the first one is not available, in this order.
        reasoning_effort: How much to reason.
        reasoning_max_tokens: Tokens for reasoning, in place of an effort.
        provider: Who may serve.
        temperature: Sampling temperature, 0 unless said.
        max_tokens: The most tokens of an answer. Given, it is never raised.
        structured_output_strategy: How structure is asked for at first.
        structured_output_support: The model's own, unless said; see :class:`OpenRouterLanguageModel`.
        verbosity: How long-winded answers may be, where a model knows that.
        timeout: The most seconds one request may take.
        extra_body: Other fields of a request, as they are to be sent.
    """

    models: list[str] = field(default_factory=list)
    reasoning_effort: ReasoningEffort | None = None
    reasoning_max_tokens: int | None = None
    provider: Provider | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    structured_output_strategy: Strategy | None = None
    structured_output_support: Support | None = None
    verbosity: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    timeout: float | None = None
    extra_body: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reasoning_effort is not None and self.reasoning_max_tokens is not None:
            raise ConfigurationError("a profile has reasoning_effort or reasoning_max_tokens, not both: leave one out")

    def _settings(self) -> dict[str, Any]:
        settings = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        settings["provider"] = self.provider._settings() if self.provider else None
        return _said(settings)


@dataclass(frozen=True)
class _Model:
    """A model as the engine's configuration has it."""

    model_name: str | None = None
    profiles: dict[str, Profile] | None = None
    default_profile: str | None = None
    structured_output_strategy: Strategy | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    rpm: float | None = None
    tpm: float | None = None
    timeout: float | None = None
    structured_output_support: Support | None = None

    _engine: ClassVar[str | None] = None
    Profile: ClassVar[type[Profile]] = Profile
    Provider: ClassVar[type[Provider]] = Provider

    def __post_init__(self) -> None:
        names = list(self.profiles or {})
        if self.default_profile is None and len(names) == 1:
            object.__setattr__(self, "default_profile", names[0])
        if self.default_profile is None and len(names) > 1:
            raise ConfigurationError(f"{self.model_name} has {len(names)} profiles: say which is the default_profile")
        if self.default_profile is not None and self.default_profile not in names:
            there = ", ".join(names) if names else "none"
            raise ConfigurationError(f"{self.model_name} has no profile {self.default_profile!r}; there are {there}")

    def _settings(self) -> dict[str, Any]:
        # what holds for the model holds for those that a profile falls back to
        of_model = _said({"structured_output_support": self.structured_output_support})
        return _said(
            {
                **of_model,
                "id": self.model_name,
                "engine": self._engine,
                "base_url": self.base_url,
                "api_key": self.api_key,
                "api_key_env": self.api_key_env,
                "structured_output_strategy": self.structured_output_strategy,
                "default_profile": self.default_profile,
                "requests_per_minute": self.rpm,
                "tokens_per_minute": self.tpm,
                "timeout": self.timeout,
                "profiles": {name: {**of_model, **profile._settings()} for name, profile in (self.profiles or {}).items()},
            }
        )


@dataclass(frozen=True)
class OpenRouterLanguageModel(_Model):
    """A model that OpenRouter serves, by any id it knows.

    The key is ``OPENROUTER_API_KEY``, unless ``api_key`` or ``api_key_env`` says another. Limits are found by themselves;
    ``rpm`` and ``tpm`` say those that are known.

    Structure is asked for by schema where providers take one, and by a forced tool call where they take that alone;
    ``structured_output_strategy`` says which comes first. A model whose providers take neither, by OpenRouter's catalog,
    fails before anything is sent; with ``structured_output_support="preferred"`` it is asked in words instead, and its
    answers are checked.
    """

    structured_output_support: Support | None = "required"


@dataclass(frozen=True)
class OpenAICompatibleLanguageModel(_Model):
    """A model behind any server with OpenAI's API, at ``base_url``."""

    _engine: ClassVar[str | None] = "openai"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.base_url:
            raise ConfigurationError("a server with OpenAI's API needs its base_url, such as http://127.0.0.1:8000/v1")


@dataclass(frozen=True)
class OpenAILanguageModel(_Model):
    """A model of OpenAI's own. The key is ``OPENAI_API_KEY``."""

    _engine: ClassVar[str | None] = "openai"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.base_url is None:
            object.__setattr__(self, "base_url", "https://api.openai.com/v1")
        if self.api_key is None and self.api_key_env is None:
            object.__setattr__(self, "api_key_env", "OPENAI_API_KEY")


@dataclass(frozen=True)
class LocalLanguageModel(_Model):
    """The embedded model, which needs no key and no network."""

    _engine: ClassVar[str | None] = "local"


@dataclass(frozen=True)
class OpenRouterEmbeddingModel(_Model):
    """An embedding model that OpenRouter serves."""


@dataclass(frozen=True)
class OpenAICompatibleEmbeddingModel(OpenAICompatibleLanguageModel):
    """An embedding model behind any server with OpenAI's API."""


@dataclass(frozen=True)
class OpenAIEmbeddingModel(OpenAILanguageModel):
    """An embedding model of OpenAI's own."""


@dataclass(frozen=True)
class LocalEmbeddingModel(_Model):
    """The embedded embedding model."""

    _engine: ClassVar[str | None] = "local"


class CacheBackend:
    """Where answers are kept. There is one place: the ledger."""

    LOCAL = "local"


@dataclass(frozen=True)
class LLMResponseCacheConfig:
    """Which earlier answers count. Without it, all of them do.

    Attributes:
        enabled: Whether earlier answers count at all.
        ttl: Answers older than this are asked anew: ``"1h"``, ``"30d"``.
        namespace: Answers count only within one namespace.
        max_size_mb: Has no effect: nothing is forgotten by itself.
    """

    enabled: bool = True
    ttl: str | float | None = None
    namespace: str | None = None
    backend: str = CacheBackend.LOCAL
    max_size_mb: int | None = None

    def __post_init__(self) -> None:
        if self.max_size_mb is not None:
            warnings.warn(
                "max_size_mb has no effect: the ledger forgets nothing by itself, so that nothing is paid twice; "
                "`corsac ledger forget` removes what is old",
                stacklevel=3,
            )


@dataclass(frozen=True)
class SemanticConfig:
    """The models of a session, by their aliases.

    Attributes:
        language_models: Models that are asked in words.
        default_language_model: The alias asked when a call names none. With one model it is that one.
        embedding_models: Models that give vectors.
        default_embedding_model: The alias asked for vectors when a call names none.
        llm_response_cache: Which earlier answers count.
    """

    language_models: dict[str, _Model] | None = None
    default_language_model: str | None = None
    embedding_models: dict[str, _Model] | None = None
    default_embedding_model: str | None = None
    llm_response_cache: LLMResponseCacheConfig | None = None

    def __post_init__(self) -> None:
        for what in ("language", "embedding"):
            models, default = getattr(self, f"{what}_models") or {}, getattr(self, f"default_{what}_model")
            if default is None and len(models) == 1:
                object.__setattr__(self, f"default_{what}_model", next(iter(models)))
            elif default is None and len(models) > 1:
                raise ConfigurationError(f"there are {len(models)} {what} models: say which is the default_{what}_model")
            elif default is not None and default not in models:
                there = ", ".join(models) if models else "none"
                raise ConfigurationError(f"default_{what}_model is {default!r}, but the {what} models are: {there}")
        both = set(self.language_models or {}) & set(self.embedding_models or {})
        if both:
            raise ConfigurationError(f"{sorted(both)[0]!r} is a language model and an embedding model: give one another alias")


@dataclass(frozen=True)
class SessionConfig:
    """The configuration of a session.

    Attributes:
        app_name: The app that requests are counted for.
        app_url: Its address, by which OpenRouter knows it.
        semantic: The models.
        language_model: One model alone, in place of ``semantic``.
        embedding_model: One embedding model alone.
        on_error: What a row without an answer does to its query: ``"null"`` (it is NULL and counted) or ``"fail"``.
        budget: The ceiling of the session's spending in dollars. At it, a run ends and keeps what it has.
        base_url: Where OpenRouter is.
        api_key: The key for OpenRouter; the environment is a better place for it.
        engine: ``"local"`` for the embedded model, ``"sim"`` for the simulator; otherwise the models say it.
        sim_script: A script of faults for the simulator.
        home: The folder of the ledger and the catalog; ``CORSAC_HOME`` unless said. ``db_path`` is another name for it.
        fresh: Whether to ask anew although answers are known.
    """

    app_name: str | None = None
    app_url: str | None = None
    semantic: SemanticConfig | None = None
    language_model: _Model | None = None
    embedding_model: _Model | None = None
    on_error: Literal["null", "fail"] = "null"
    budget: float | str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    engine: Literal["openrouter", "openai", "local", "sim"] | None = None
    sim_script: str | Path | None = None
    home: str | Path | None = None
    fresh: bool = False
    db_path: dataclasses.InitVar[str | Path | None] = None

    OpenRouterLanguageModel: ClassVar[type[OpenRouterLanguageModel]] = OpenRouterLanguageModel
    OpenAICompatibleLanguageModel: ClassVar[type[OpenAICompatibleLanguageModel]] = OpenAICompatibleLanguageModel
    OpenAILanguageModel: ClassVar[type[OpenAILanguageModel]] = OpenAILanguageModel
    LocalLanguageModel: ClassVar[type[LocalLanguageModel]] = LocalLanguageModel
    OpenRouterEmbeddingModel: ClassVar[type[OpenRouterEmbeddingModel]] = OpenRouterEmbeddingModel
    OpenAICompatibleEmbeddingModel: ClassVar[type[OpenAICompatibleEmbeddingModel]] = OpenAICompatibleEmbeddingModel
    OpenAIEmbeddingModel: ClassVar[type[OpenAIEmbeddingModel]] = OpenAIEmbeddingModel
    LocalEmbeddingModel: ClassVar[type[LocalEmbeddingModel]] = LocalEmbeddingModel

    def __post_init__(self, db_path: str | Path | None) -> None:
        if db_path is not None and self.home is None:
            object.__setattr__(self, "home", db_path)
        if self.language_model is not None and self.semantic is not None and self.semantic.language_models:
            raise ConfigurationError("language_model and semantic.language_models say the same in two ways: keep one of them")

    def _models(self) -> SemanticConfig:
        semantic = self.semantic or SemanticConfig()
        if self.language_model is not None:
            semantic = dataclasses.replace(
                semantic, language_models={"default": self.language_model}, default_language_model="default"
            )
        if self.embedding_model is not None:
            semantic = dataclasses.replace(
                semantic,
                embedding_models={"default embedding": self.embedding_model},
                default_embedding_model="default embedding",
            )
        return semantic

    def settings(self) -> dict[str, Any]:
        """The same as the engine's configuration file has it. It may hold a key."""
        semantic = self._models()
        models = {**(semantic.language_models or {}), **(semantic.embedding_models or {})}
        cache = semantic.llm_response_cache
        return _said(
            {
                "model": semantic.default_language_model,
                "embedding_model": semantic.default_embedding_model,
                "models": {alias: model._settings() for alias, model in models.items()},
                "app": _said({"name": self.app_name, "url": self.app_url}),
                "engine": self.engine,
                "base_url": self.base_url,
                "api_key": self.api_key,
                "budget": self.budget,
                "memory": _said({"max_age": cache.ttl, "namespace": cache.namespace}) if cache else None,
            }
        )

    def _is_fresh(self) -> bool:
        cache = self._models().llm_response_cache
        return self.fresh or (cache is not None and not cache.enabled)

