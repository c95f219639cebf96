"""DSPy's canonical requests and answers, and Corsac's questions and completions, each as the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dspy.lm15 import (
    Message,
    Request,
    Response,
    TextPart,
    Usage,
    response_from_openai_chat,
)

__all__ = ["plain_question", "profile_of", "question", "response", "tokens"]

#: Fields of a request that a profile has under the same name.
_PROFILE = frozenset({
    "top_p", "top_k", "min_p", "top_a", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "stop",
    "logit_bias", "logprobs", "top_logprobs", "verbosity", "service_tier", "session_id", "user", "plugins", "timeout",
    "structured_output_strategy", "structured_output_support", "reasoning_effort", "reasoning_max_tokens", "temperature",
    "max_tokens",
})  # fmt: skip


def question(request: Request, more: Mapping[str, Any], *, model: str | None, fresh: bool, sample: int) -> str:
    """A request as Corsac's engine takes it, as JSON. ``more`` is said of every call of the model."""
    config = request.config
    said = dict(more)
    for name in ("top_p", "top_k", "seed", "frequency_penalty", "presence_penalty", "service_tier"):
        value = getattr(config, name)
        if value is not None:
            said[name] = value
    if config.stop:
        said["stop"] = list(config.stop)
    if config.user_id is not None:
        said["user"] = config.user_id
    if config.logprobs is not None:
        said["logprobs"] = True
        if config.logprobs:
            said["top_logprobs"] = config.logprobs
    if config.reasoning is not None:
        # a budget and an effort exclude each other, and the call's own word is the last
        said.pop("reasoning_effort", None)
        said.pop("reasoning_max_tokens", None)
        if config.reasoning.thinking_budget is not None:
            said["reasoning_max_tokens"] = config.reasoning.thinking_budget
        elif config.reasoning.effort is not None:
            said["reasoning_effort"] = "none" if config.reasoning.effort == "off" else config.reasoning.effort
    extra = {**said.get("extra_body", {}), **profile_of(config.extensions or {}).pop("extra_body", {})}
    for name, value in profile_of(config.extensions or {}).items():
        if name != "extra_body":
            said[name] = value
    body = _body(request)
    if "parallel_tool_calls" in body:
        extra["parallel_tool_calls"] = body["parallel_tool_calls"]
    if extra:
        said["extra_body"] = extra
    asked: dict[str, Any] = {"messages": body["messages"], "operator": "dspy", "sample": sample, "fresh": fresh}
    for name in ("tools", "tool_choice", "response_format"):
        if body.get(name):
            asked[name] = body[name]
    if model is not None:
        asked["model"] = model
    timeout = said.pop("timeout", None)
    if timeout is not None:
        asked["timeout"] = timeout
    if config.temperature is not None:
        asked["temperature"] = config.temperature
    if config.max_tokens is not None:
        asked["max_tokens"] = config.max_tokens
    if said:
        asked["said"] = said
    return json.dumps(asked, ensure_ascii=False)


def plain_question(
    messages: list[dict[str, str]], numbers: Mapping[str, Any], said: dict[str, Any], *, fresh: bool, sample: int
) -> str:
    """Texts and numbers as Corsac's engine takes them, as JSON."""
    asked: dict[str, Any] = {"messages": messages, "operator": "dspy", "sample": sample, "fresh": fresh}
    for name, value in numbers.items():
        (asked if name in ("temperature", "max_tokens") else said)[name] = value
    timeout = said.pop("timeout", None)
    if timeout is not None:
        asked["timeout"] = timeout
    if said:
        asked["said"] = said
    return json.dumps(asked, ensure_ascii=False)


def _body(request: Request) -> dict[str, Any]:
    """Messages, functions and the form of the answer, as a chat completion has them."""
    plain = _plain(request)
    if plain is not None:
        return plain
    from dspy.clients.lm15_boundary import request_kwargs

    return dict(request_kwargs(request, "chat"))


def _plain(request: Request) -> dict[str, Any] | None:
    """The same for what is only text, which nearly every request is, without the way through a whole dialect."""
    config = request.config
    if request.tools or config.tool_choice is not None or config.cache is not None:
        return None
    messages: list[dict[str, Any]] = []
    if request.system is not None:
        if not isinstance(request.system, str):
            return None
        messages.append({"role": "system", "content": request.system})
    for message in request.messages:
        if message.role not in ("user", "assistant") or len(message.parts) != 1 or message.continuation:
            return None
        (part,) = message.parts
        if not isinstance(part, TextPart) or part.continuation:
            return None
        messages.append({"role": message.role, "content": part.text})
    body: dict[str, Any] = {"messages": messages}
    form = config.response_format
    if form is not None:
        body["response_format"] = _format(form)
    return body


def _format(form: Mapping[str, Any]) -> dict[str, Any]:
    if form.get("type") != "json_schema" or "json_schema" in form:
        return dict(form)
    inside = {name: value for name, value in form.items() if name != "type"}
    return {"type": "json_schema", "json_schema": inside}


def profile_of(more: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords that a call may have beside DSPy's own, in the form of a profile: what is not known goes out as it is."""
    said: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in more.items():
        if value is None:
            continue
        if name == "extra_body":
            inside = profile_of(value)
            extra.update(inside.pop("extra_body", {}))
            said.update(inside)
        elif name == "reasoning" and isinstance(value, Mapping):
            if value.get("max_tokens") is not None:
                said["reasoning_max_tokens"] = value["max_tokens"]
            elif value.get("effort") is not None:
                said["reasoning_effort"] = value["effort"]
        elif name == "provider" and isinstance(value, Mapping):
            said["provider"] = _provider(value)
        elif name in _PROFILE:
            said[name] = value
        else:
            extra[name] = value
    if extra:
        said["extra_body"] = extra
    return said


def _provider(preferences: Mapping[str, Any]) -> dict[str, Any]:
    """OpenRouter's ``provider`` object as a profile has it."""
    said = dict(preferences)
    prices = said.pop("max_price", None) or {}
    for name in ("prompt", "completion"):
        if name in prices:
            said[f"max_{name}_price"] = prices[name]
    return said


def response(completion: str, model: str) -> Response:
    """A completion of Corsac's as DSPy has it. ``provider_data`` is the whole completion, with ``usage.cost``."""
    body = json.loads(completion)
    message = body["choices"][0]["message"]
    text = message.get("content")
    if not isinstance(text, str) or message.get("tool_calls") or message.get("reasoning"):
        return response_from_openai_chat(body, model=model)
    return Response(
        id=None,
        model=body.get("model") or model,
        message=Message(role="assistant", parts=(TextPart(text=text),)),
        finish_reason="stop",
        usage=tokens(body["usage"]),
        provider_data=body,
    )


def tokens(usage: Mapping[str, Any]) -> Usage:
    """Tokens as they were counted; of an answer from memory, none."""
    if "prompt_tokens" not in usage:
        return Usage()
    inside, outside = usage["prompt_tokens_details"], usage["completion_tokens_details"]
    return Usage(
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        total_tokens=usage["total_tokens"],
        cache_read_tokens=inside["cached_tokens"],
        cache_write_tokens=inside["cache_write_tokens"],
        reasoning_tokens=outside["reasoning_tokens"],
    )
