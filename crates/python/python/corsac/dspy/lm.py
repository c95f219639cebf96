"""``corsac.dspy.LM``: DSPy's language model, asked through Corsac."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import dspy
from dspy.utils.callback import BaseCallback, with_callbacks

from corsac.dspy import direct
from corsac.dspy.door import AsyncDoor, Door, Saying, saying
from corsac.dspy.request import profile_of
from corsac.engine import Engine, settings_of
from corsac.errors import UsageError

__all__ = ["LM"]

#: Keywords that DSPy carries in its requests. Others are said beside them.
_CARRIED = frozenset({
    "temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "n", "seed", "response_format",
    "logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
    "reasoning_effort", "user", "user_id", "frequency_penalty", "presence_penalty", "service_tier", "metadata",
    "logit_bias", "verbosity", "prediction", "store", "rollout_id", "num_generations", "prompt_cache", "cache",
    "request", "stream", "stream_options",
})  # fmt: skip

#: Settings of the engine, which a call cannot change.
_OF_ENGINE = frozenset({
    "api_key", "api_base", "base_url", "extra_headers", "headers", "model_list", "fallbacks", "models", "profile",
    "profiles", "budget", "app_name", "app_url",
})  # fmt: skip


class LM(dspy.LM):  # type: ignore[misc]
    """A language model for DSPy, asked through Corsac.

    It takes what ``dspy.LM`` takes. The keywords of a connection mean what they say: ``extra_headers`` are sent as they are,
    and a ``model_list`` is an order of models, each tried when those before it fail.

    Args:
        model: Such as ``"openrouter/openai/gpt-4o-mini"``; the prefix may be left out, and so may the author where the name
            alone is known.
        fallbacks: Models asked in this order when the ones before them fail.
        model_list: The same in LiteLLM's form, each model with a key and an address of its own, or as a list of names.
        api_key: The key; without it ``OPENROUTER_API_KEY``, in the environment or in ``.env``.
        api_base: Where the service is (``base_url`` is the same).
        app_name: The app that requests are counted for, and
        app_url: its address. ``extra_headers`` with ``X-Title`` and ``HTTP-Referer`` say the same.
        extra_headers: Headers for every request (``headers`` is the same).
        profile: The name of a profile of ``corsac.toml`` or of ``profiles``, or the settings themselves.
        profiles: Profiles by name, in the form that ``corsac.toml`` has.
        budget: The most dollars that this engine may spend in this process.
        engine: ``"openrouter"``, ``"openai"`` (any server with OpenAI's API), ``"local"`` (the embedded model) or ``"sim"``;
            by default what ``corsac.toml`` says, else OpenRouter. A custom engine object of DSPy's is used as DSPy uses it.
        home: Where the ledger is, in place of ``CORSAC_HOME``.
        cache: Whether an answer that is known is taken from the ledger. ``cache=False`` asks anew.
        num_retries: How often DSPy itself calls again after the engine, which has remedies of its own, gave up.
        provider: OpenRouter's preferences among providers, as a mapping; or DSPy's provider for training.
        kwargs: Anything else that a request may say: ``temperature``, ``top_p``, ``reasoning_effort``, ``plugins``,
            ``extra_body`` and so on.
    """

    def __init__(
        self,
        model: str,
        model_type: Literal["chat", "text", "responses"] = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool = True,
        callbacks: list[BaseCallback] | None = None,
        num_retries: int = 0,
        provider: Any = None,
        finetuning_model: str | None = None,
        launch_kwargs: dict[str, Any] | None = None,
        train_kwargs: dict[str, Any] | None = None,
        use_developer_role: bool = False,
        engine: Any = None,
        async_engine: Any = None,
        prompt_cache: Any = None,
        *,
        api_key: str | None = None,
        api_base: str | None = None,
        base_url: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        model_list: Sequence[Mapping[str, Any] | str] | None = None,
        fallbacks: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        profile: str | Mapping[str, Any] | None = None,
        profiles: Mapping[str, Mapping[str, Any]] | None = None,
        budget: float | str | None = None,
        app_name: str | None = None,
        app_url: str | None = None,
        timeout: float | str | None = None,
        home: Any = None,
        environment: bool = True,
        sim_script: Any = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(provider, Mapping):
            kwargs["provider"], provider = provider, None
        carried, more = _told_apart(kwargs)
        if engine is None or isinstance(engine, str):
            if async_engine is not None:
                raise UsageError("async_engine goes with an engine object; the engines that have a name are both in one")
            # OpenRouter's own word for fallbacks, wherever it stands
            models = [*(models or ()), *_models_in(more)]
            settings = settings_of(
                model=model,
                fallbacks=[*(fallbacks or ()), *(name for name in models if name != model)] or None,
                api_key=api_key,
                base_url=api_base if api_base is not None else base_url,
                app_name=app_name,
                app_url=app_url,
                extra_headers={**(headers or {}), **(extra_headers or {})},
                model_list=model_list,  # type: ignore[arg-type]
                profiles=profiles,
                profile=profile,
                budget=budget,
                timeout=timeout,
                engine=None if engine in (None, "auto") else engine,
            )
            opening = {"home": str(home) if home is not None else None, "environment": environment}
            if sim_script is not None:
                opening["sim_script"] = str(sim_script)
            engine = Door(settings, more=profile_of(more), **opening)
            async_engine = AsyncDoor(settings, more=profile_of(more), **opening)
        elif more:
            raise UsageError(f"{', '.join(sorted(more))}: a custom engine knows nothing of these")
        super().__init__(
            model=model,
            model_type=model_type,
            temperature=temperature,
            max_tokens=max_tokens,
            cache=cache,
            callbacks=callbacks,
            num_retries=num_retries,
            provider=provider,
            finetuning_model=finetuning_model,
            launch_kwargs=launch_kwargs,
            train_kwargs=train_kwargs,
            use_developer_role=use_developer_role,
            engine=engine,
            async_engine=async_engine,
            prompt_cache=prompt_cache,
            **carried,
        )
        # the ledger is the cache
        self._cache_responses = not isinstance(engine, Door)

    @property
    def corsac(self) -> Engine:
        """The engine below: its ``run_id``, and a ``summary()`` of what it did and cost."""
        engine = self._engine_spec
        if not isinstance(engine, Door):
            raise UsageError("this model has an engine of its own")
        return engine.engine()

    @property
    def supports_function_calling(self) -> bool:
        """Whether functions can be offered to the model: by the catalog of who serves it."""
        door = self._engine_spec
        if isinstance(door, Door):
            return door.takes_tools(door.other(self.model))
        return bool(super().supports_function_calling)

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        """Asks, as ``dspy.LM`` does."""
        carried, said = self._saying(kwargs)
        if self._is_plain(prompt, messages, carried):
            return self._ask(prompt, messages=messages, **kwargs)
        with saying(said):
            return super().__call__(prompt, messages=messages, **carried)

    @with_callbacks
    def _ask(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        """Asks in the short way."""
        carried, said = self._saying(kwargs)
        door = self._engine_spec
        call, texts, numbers = direct.prepared(self, prompt, messages, carried)
        with direct.boundary(self):
            answer = door.ask_plain(door.plain_question(texts, numbers, said), self.model)
        return direct.told(self, call, answer)

    @with_callbacks
    async def _aask(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        """Asks in the short way."""
        carried, said = self._saying(kwargs)
        door = self._async_engine_spec
        call, texts, numbers = direct.prepared(self, prompt, messages, carried)
        with direct.boundary(self):
            answer = await door.ask_plain(door.plain_question(texts, numbers, said), self.model)
        return direct.told(self, call, answer)

    def _is_plain(self, prompt: Any, messages: Any, carried: Mapping[str, Any]) -> bool:
        # a model that was copied under another name, or that somebody gave another way to answer, takes the usual way
        ours = isinstance(self._engine_spec, Door) and isinstance(self._async_engine_spec, AsyncDoor)
        usual = type(self).forward is dspy.LM.forward and type(self).aforward is dspy.LM.aforward
        return (
            ours
            and usual
            and self.model == self._engine_spec.settings.get("model")
            and not ({"forward", "aforward"} & self.__dict__.keys())
            and direct.plain(self, prompt, messages, carried)
        )

    async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        """Asks, as ``dspy.LM`` does."""
        carried, said = self._saying(kwargs)
        if self._is_plain(prompt, messages, carried):
            return await self._aask(prompt, messages=messages, **kwargs)
        with saying(said):
            return await super().acall(prompt, messages=messages, **carried)

    def _saying(self, kwargs: dict[str, Any]) -> tuple[dict[str, Any], Saying]:
        carried, more = _told_apart(kwargs)
        of_engine = sorted(_OF_ENGINE.intersection(more))
        if of_engine:
            raise UsageError(f"{', '.join(of_engine)}: settings of the engine, said where the LM is made (or with lm.copy)")
        cache = kwargs.get("cache", self.cache)
        rollout = kwargs.get("rollout_id", self.kwargs.get("rollout_id"))
        wanted = kwargs.get("n", self.kwargs.get("n"))
        return carried, Saying(
            cache=cache is not False, rollout_id=rollout, more=more, wanted=wanted if isinstance(wanted, int) else 1
        )

    def copy(self, **kwargs: Any) -> LM:
        """A copy with other settings; the engine is shared, and so are its pace and its budget."""
        carried, more = _told_apart(kwargs, self)
        of_engine = sorted(_OF_ENGINE.intersection(more))
        if of_engine:
            raise UsageError(f"{', '.join(of_engine)}: settings of the engine; make another LM for them")
        copied: LM = super().copy(**carried)
        door, other = copied._engine_spec, copied._async_engine_spec
        if isinstance(door, Door) and isinstance(other, Door):
            if more:
                copied._engine_spec = door.with_more(profile_of(more))
                copied._async_engine_spec = other.with_more(profile_of(more))
        return copied

    def update_history(self, entry: dict[str, Any]) -> None:
        """Records a call, with what it cost by the service's own count and who answered."""
        told = entry.get("response")
        answers = told if isinstance(told, tuple) else (told,)
        bodies = [body for body in (getattr(answer, "provider_data", None) for answer in answers) if body]
        if bodies and all("corsac" in body for body in bodies):
            cost = sum(body["usage"].get("cost", 0.0) for body in bodies)
            entry["cost"] = cost
            entry["cost_details"] = {"kind": "billed", "currency": "USD"}
            entry["usage"] = {**entry["usage"], "cost": cost} if entry["usage"] else {}
            entry["response_provider"] = bodies[-1].get("provider")
            entry["attempts"] = sum(body["corsac"]["attempts"] for body in bodies)
            entry["cache_hit"] = all(body["corsac"]["source"] == "memory" for body in bodies)
            entry["run"] = bodies[-1]["corsac"]["run"]
        super().update_history(entry)

    def dump_state(self) -> dict[str, Any]:
        """A state from which the model can be made again. It holds no key."""
        state: dict[str, Any] = super().dump_state()
        return state

    @classmethod
    def load_state(cls, state: dict[str, Any], *, allow_custom_lm_class: bool = False) -> LM:
        """The model of a saved state. Its key comes from the environment."""
        state = dict(state)
        for name, kind in (("engine", Door), ("async_engine", AsyncDoor)):
            record = state.get(name)
            if isinstance(record, Mapping) and record.get("class") == f"{kind.__module__}:{kind.__qualname__}":
                state[name] = kind.load_state(record["state"])
        if isinstance(state.get("engine"), Door):
            lm = cls(**state)
            lm._cache_responses = False
            return lm
        loaded: LM = super().load_state(state, allow_custom_lm_class=allow_custom_lm_class)
        return loaded


def _told_apart(kwargs: Mapping[str, Any], own: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What DSPy carries in a request (and what is an attribute of a model), and what it cannot."""
    carried = {name: value for name, value in kwargs.items() if name in _CARRIED or hasattr(own, name)}
    return carried, {name: value for name, value in kwargs.items() if name not in carried}


def _models_in(more: dict[str, Any]) -> list[str]:
    """Takes OpenRouter's list of models out of ``extra_body``."""
    extra = more.get("extra_body")
    if not isinstance(extra, Mapping) or "models" not in extra:
        return []
    more["extra_body"] = {name: value for name, value in extra.items() if name != "models"}
    return list(extra["models"])
