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
from corsac.dspy.request import plain_question, profile_of, question, response, tokens
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
    #: How many answers are wanted to this one call: they are asked for at once.
    wanted: int = 1
    #: How many were asked for so far.
    answered: int = 0
    #: Those that came and were not taken yet, or why they did not come.
    ahead: list[str | CorsacError] = field(default_factory=list)


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
        self._tools: dict[str | None, bool] = {}
        self.supports_reasoning = self.settings.get("engine") != "local"
        # what is wrong with the settings is said where they stand
        self.engine()

    #: Hints for DSPy's adapters. Structure is had from whoever is asked, in one way or another.
    supports_response_schema = True
    supported_params = frozenset({
        "temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "seed", "stream",
        "response_format", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "logprobs",
        "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias", "user",
    })  # fmt: skip

    @property
    def supports_function_calling(self) -> bool:
        """Whether functions can be offered to the engine's own model; see :meth:`takes_tools`."""
        return self.takes_tools(None)

    def takes_tools(self, model: str | None) -> bool:
        """Whether functions can be offered to a model, by the catalog. It is looked up once."""
        if model not in self._tools:
            self._tools[model] = _corsac.takes_tools(self.engine(), model)
        return self._tools[model]

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
            model=self.other(request.model),
            fresh=not (said.cache and _remembers()),
            sample=_sample(said.rollout_id, number),
        )

    def questions(self, request: Request, said: Saying) -> list[str]:
        """The questions to ask now: all that are wanted at first, one more where DSPy calls again."""
        return [self.question(request) for _ in range(said.wanted if said.answered == 0 else 1)]

    def other(self, model: str) -> str | None:
        """A model as the engine is told of it: its own is not named. A copy of an LM may have another one's name."""
        return _bare(model) if model != self.settings.get("model") else None

    def plain_question(self, messages: list[dict[str, str]], numbers: dict[str, Any], said: Saying) -> str:
        """Texts and numbers as the engine takes them."""
        own = profile_of({**self.more, **said.more}) if said.more else dict(self.more)
        return plain_question(messages, numbers, own, fresh=not (said.cache and _remembers()), sample=_sample(said.rollout_id, 0))

    def read(self, completion: str, model: str) -> Response:
        """An answer as DSPy has it; its cost is counted where DSPy counts tokens."""
        answer = response(completion, model)
        _count(model, (answer.provider_data or {}).get("usage", {}))
        return answer

    def ask_plain(self, question: str, model: str) -> Response:
        """Asks a question that holds nothing but texts and numbers."""
        try:
            completion = _corsac.ask_chat(self.engine(), question)
        except CorsacError as error:
            raise canonical(error) from error
        return self.read(completion, model)

    def complete(self, request: Request) -> Response:
        """Asks, and waits for the whole answer."""
        said = _said.get() or Saying()
        try:
            if not said.ahead:
                questions = self.questions(request, said)
                said.ahead = _ordered(_corsac.ask_chats(self.engine(), questions))
            completion = _opened(said.ahead.pop(0))
        except CorsacError as error:
            raise canonical(error) from error
        return self.read(completion, request.model)

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
        said = _said.get() or Saying()
        try:
            if not said.ahead:
                questions = self.questions(request, said)
                said.ahead = _ordered(await _corsac.ask_chats_async(self.engine(), questions))
            completion = _opened(said.ahead.pop(0))
        except CorsacError as error:
            raise canonical(error) from error
        return self.read(completion, request.model)

    async def ask_plain(self, question: str, model: str) -> Response:  # type: ignore[override]
        """Asks a question that holds nothing but texts and numbers."""
        try:
            completion = await _corsac.ask_chat_async(self.engine(), question)
        except CorsacError as error:
            raise canonical(error) from error
        return self.read(completion, model)

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


def _ordered(answers: list[str | CorsacError]) -> list[str | CorsacError]:
    """Answers before failures: DSPy counts what it was given before it hears of the first failure."""
    return sorted(answers, key=lambda answer: isinstance(answer, CorsacError))


def _opened(answer: str | CorsacError) -> str:
    if isinstance(answer, CorsacError):
        raise answer
    return answer


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
