"""The engine as Python's programs open it: from keyword settings, once for equal ones."""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from corsac._corsac import Engine, close_engines
from corsac.errors import UsageError

__all__ = ["Engine", "open_engine", "settings_of"]

_engines: dict[tuple[Any, ...], Engine] = {}
_lock = threading.Lock()
# a thread may hold the lock while another one forks
os.register_at_fork(after_in_child=lambda: globals().__setitem__("_lock", threading.Lock()))
atexit.register(close_engines)

#: Engines that a program may name; ``openai`` is any server with OpenAI's API at ``base_url``.
ENGINES = ("openrouter", "openai", "local", "sim")


def settings_of(
    *,
    model: str | None = None,
    fallbacks: Sequence[str] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    app_name: str | None = None,
    app_url: str | None = None,
    extra_headers: Mapping[str, str] | None = None,
    model_list: Sequence[Mapping[str, Any]] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    profiles: Mapping[str, Mapping[str, Any]] | None = None,
    profile: str | Mapping[str, Any] | None = None,
    budget: float | str | None = None,
    day_budget: float | str | None = None,
    timeout: float | str | None = None,
    max_age: float | str | None = None,
    namespace: str | None = None,
    embedding_model: str | None = None,
    engine: str | None = None,
) -> dict[str, Any]:
    """Settings in the form of ``corsac.toml``, from keywords.

    A ``profile`` is the name of one, or the settings themselves. Money is in dollars, time in seconds (or text such as
    ``"10m"``).
    """
    if engine is not None and engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    named = {name: dict(settings) for name, settings in (profiles or {}).items()}
    if isinstance(profile, Mapping):
        named["given in code"] = dict(profile)
        profile = "given in code"
    app = {"name": app_name, "url": app_url}
    memory = {"max_age": max_age, "namespace": namespace}
    settings: dict[str, Any] = {
        "model": model,
        "fallbacks": list(fallbacks) if fallbacks is not None else None,
        "api_key": api_key,
        "base_url": base_url,
        "headers": dict(extra_headers) if extra_headers else None,
        "model_list": [_entry(entry) for entry in model_list] if model_list else None,
        "models": {alias: dict(settings) for alias, settings in models.items()} if models else None,
        "profiles": named or None,
        "default_profile": profile,
        "budget": budget,
        "day_budget": day_budget,
        "timeout": timeout,
        "embedding_model": embedding_model,
        "engine": engine,
        "app": {name: value for name, value in app.items() if value is not None} or None,
        "memory": {name: value for name, value in memory.items() if value is not None} or None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _entry(entry: Mapping[str, Any] | str) -> dict[str, Any]:
    """An entry of a list of models; a model's name alone stands for itself."""
    if isinstance(entry, str):
        return {"model_name": entry, "litellm_params": {"model": entry}}
    return dict(entry)


def open_engine(
    settings: Mapping[str, Any],
    *,
    environment: bool = True,
    fresh: bool = False,
    home: str | os.PathLike[str] | None = None,
    sim_script: str | os.PathLike[str] | None = None,
) -> Engine:
    """The engine of these settings: the same one for equal settings, so that all who use it share its pace and its budget.

    Nothing is opened yet: that happens with the first question.
    """
    text = json.dumps(settings, sort_keys=True)
    home = os.fspath(home) if home is not None else None
    sim_script = os.fspath(sim_script) if sim_script is not None else None
    # what the environment says is a part of the settings
    around = tuple(sorted(_around())) if environment else ()
    name = (text, around, fresh, home, sim_script)
    with _lock:
        engine = _engines.get(name)
        if engine is None:
            engine = Engine(
                text, environment=environment, fresh=fresh, home=home, sim_script=sim_script, command=_program()
            )
            _engines[name] = engine
        return engine


def _around() -> list[tuple[str, str]]:
    prefixes = ("OPENROUTER_", "CORSAC_")
    named = [(name, value) for name, value in os.environ.items() if name.startswith(prefixes)]
    return [*named, ("", os.getcwd())]


def _program() -> str:
    """The program's name, for the list of runs."""
    name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    return name if name not in ("", "-c", "-m") else "python"
