"""Corsac's engine as DSPy's custom engines are: one request in, one answer out, whole or as it comes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import dspy
from dspy.clients.engines.base import validate_request
from dspy.lm15 import (
    Request,
    Response,
    StreamDeltaEvent,
    StreamEndEvent,
    StreamStartEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
)

from corsac import _corsac
from corsac.dspy.errors import canonical
from corsac.dspy.request import profile_of, question, response, tokens
from corsac.engine import Engine, open_engine
from corsac.errors import CorsacError

#: One event of a stream.
StreamEvent: TypeAlias = StreamStartEvent | StreamDeltaEvent | StreamEndEvent

__all__ = ["AsyncDoor", "Door", "Saying", "saying"]

#: Settings that hold a secret, and are left out of all that is written down.
_SECRET = ("api_key",)


@dataclass
class Saying:
    """What a call says beside its request: DSPy keeps these from its engines."""

    cache: bool = True
    rollout_id: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)
    #: Answers given so far to this one call, where several are wanted.
    answered: int = 0


_said: ContextVar[Saying | None] = ContextVar("corsac_dspy_said", default=None)


@contextlib.contextmanager
def saying(said: Saying) -> Iterator[None]:
    """Within it, requests are asked with this said."""
    token = _said.set(said)
    try:
        yield
    finally:
        _said.reset(token)


def _remembers() -> bool:
    """Whether DSPy's caches are on at all: who turned both off wants every question asked."""
    cache = dspy.cache
    return bool(getattr(cache, "enable_disk_cache", True) or getattr(cache, "enable_memory_cache", True))


class Door:
    """The engine behind a :class:`corsac.dspy.LM`, synchronous. It is opened with the first question.

    Equal settings share one engine: its pace, its budget and its run.
    """

    def __init__(self, settings: Mapping[str, Any], *, more: Mapping[str, Any] | None = None, **opening: Any) -> None:
        self.settings = dict(settings)
        self.opening = {name: value for name, value in opening.items() if value is not None}
        self.more = dict(more or {})
        self._engine: Engine | None = None
        if self.settings.get("engine") == "local":
            self.supports_function_calling = self.supports_reasoning = False
        # what is wrong with the settings is said where they stand
        self.engine()

    #: Hints for DSPy's adapters. Structure is had from whoever is asked, in one way or another.
    supports_function_calling = True
    supports_response_schema = True
    supports_reasoning = True
    supported_params = frozenset({
        "temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "seed", "stream",
        "response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "logprobs",
        "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias", "user",
    })  # fmt: skip

    def engine(self) -> Engine:
        """The engine itself."""
        if self._engine is None:
            self._engine = open_engine(self.settings, **self.opening)
        return self._engine

    def with_more(self, more: Mapping[str, Any]) -> Door:
        """The same engine, with more said of every call."""
        other = Door.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.more = {**self.more, **more}
        return other

    def question(self, request: Request) -> str:
        """A request as the engine takes it."""
        validate_request(request)
        said = _said.get() or Saying()
        number, said.answered = said.answered, said.answered + 1
        more = profile_of({**self.more, **said.more})
        return question(
            request,
            more,
            # a copy of the model may have another one's name
            model=_bare(request.model) if request.model != self.settings.get("model") else None,
            fresh=not (said.cache and _remembers()),
            sample=_sample(said.rollout_id, number),
        )

    def read(self, completion: str, request: Request) -> Response:
        """An answer as DSPy has it; its cost is counted where DSPy counts tokens."""
        answer = response(completion, request)
        _count(request.model, (answer.provider_data or {}).get("usage", {}))
        return answer

    def complete(self, request: Request) -> Response:
        """Asks, and waits for the whole answer."""
        try:
            completion = _corsac.ask_chat(self.engine(), self.question(request))
        except CorsacError as error:
            raise canonical(error) from error
        return self.read(completion, request)

    def stream(self, request: Request) -> Iterator[StreamEvent]:
        """Asks, and gives the answer as it comes."""
        pieces = _Pieces(request)
        yield pieces.start()
        try:
            for piece in _corsac.stream_chat(self.engine(), self.question(request)):
                yield from pieces.events(piece)
        except CorsacError as error:
            raise canonical(error) from error

    def close(self) -> None:
        """Nothing: the engine is others' too, and ends with the process."""

    # what is saved, copied or sent to another process never holds a key

    def dump_state(self) -> dict[str, Any]:
        """What it takes to open the same engine elsewhere, where the key is in the environment."""
        return {"settings": _without_secrets(self.settings), "opening": dict(self.opening), "more": dict(self.more)}

    @classmethod
    def load_state(cls, state: Mapping[str, Any]) -> Door:
        """The engine of a saved state."""
        return cls(state["settings"], more=state.get("more"), **state.get("opening", {}))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_loaded, (type(self), self.dump_state()))

    def __deepcopy__(self, memo: dict[int, Any]) -> Door:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.get('model')!r})"


class AsyncDoor(Door):
    """The engine behind a :class:`corsac.dspy.LM`, for event loops."""

    async def complete(self, request: Request) -> Response:
        """Asks, and waits for the whole answer."""
        try:
            completion = await _corsac.ask_chat_async(self.engine(), self.question(request))
        except CorsacError as error:
            raise canonical(error) from error
        return self.read(completion, request)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:  # type: ignore[override]
        """Asks, and gives the answer as it comes."""
        pieces = _Pieces(request)
        yield pieces.start()
        try:
            async for piece in _corsac.stream_chat(self.engine(), self.question(request)):
                for event in pieces.events(piece):
                    yield event
        except CorsacError as error:
            raise canonical(error) from error

    async def aclose(self) -> None:
        """Nothing: the engine is others' too, and ends with the process."""


class _Pieces:
    """Pieces of an answer as the events of a stream."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def start(self) -> StreamEvent:
        return StreamStartEvent(model=self.request.model)

    def events(self, piece: tuple[Any, ...]) -> Iterator[StreamEvent]:
        match piece:
            case ("text", text):
                yield StreamDeltaEvent(TextDelta(text))
            case ("reasoning", text):
                yield StreamDeltaEvent(ThinkingDelta(text))
            case ("tool", index, name_of_call, name, arguments):
                # the text of an answer is its part 0
                yield StreamDeltaEvent(ToolCallDelta(arguments, part_index=index + 1, id=name_of_call, name=name))
            case ("end", completion):
                body = json.loads(completion)
                _count(self.request.model, body["usage"])
                called = body["choices"][0]["finish_reason"] == "tool_calls"
                yield StreamEndEvent(
                    finish_reason="tool_call" if called else "stop", usage=tokens(body["usage"]), provider_data=body
                )


def _count(model: str, usage: Mapping[str, Any]) -> None:
    """Counts dollars where DSPy counts tokens."""
    tracker = dspy.settings.usage_tracker
    if tracker and usage.get("cost"):
        tracker.add_usage(model, {"cost": usage["cost"]})


def _bare(model: str) -> str:
    """A model's id without the service before it."""
    bare = model.removeprefix("openrouter/")
    return bare if "/" in bare else model


def _sample(rollout_id: Any, number: int) -> int:
    """Which of several answers to one question is meant, as a number that another process would find too."""
    if rollout_id is None and number == 0:
        return 0
    name = f"{rollout_id!r}/{number}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "big") or 1


def _without_secrets(settings: Any) -> Any:
    """Settings without keys and without the texts of headers that may be keys."""
    if isinstance(settings, Mapping):
        kept = {name: value for name, value in settings.items() if name not in _SECRET}
        for name in ("headers", "extra_headers"):
            if isinstance(kept.get(name), Mapping):
                kept[name] = {header: text for header, text in kept[name].items() if not _is_secret(header)}
        return {name: _without_secrets(value) for name, value in kept.items()}
    if isinstance(settings, (list, tuple)):
        return [_without_secrets(value) for value in settings]
    return settings


def _is_secret(header: str) -> bool:
    """Attribution is no secret; a header that nobody knows may be one."""
    return header.lower() not in ("http-referer", "x-title", "x-openrouter-title", "x-openrouter-categories")


def _loaded(kind: type[Door], state: Mapping[str, Any]) -> Door:
    return kind.load_state(state)
