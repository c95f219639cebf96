"""The short way of an ordinary call: texts in, one text out.

DSPy takes a call through a neutral request and back, whatever it holds. Most calls hold nothing but texts and a few numbers, which
the engine takes as they are. This goes around the detour and nothing else: DSPy's own checks stand before it (``prepare``), its
own errors around it, and its own history, usage and callbacks behind it (``finalize``). Whatever else a call holds, and another
DSPy than the one this was written for, takes the usual way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dspy.dsp.utils import settings

try:
    from dspy.clients._deprecation import warn_openai_messages
    from dspy.clients.call_result import CallResult
    from dspy.clients.errors import error_boundary
    from dspy.clients.execution import finalize, prepare
except ImportError:  # pragma: no cover
    prepare = None

__all__ = ["plain", "prepared", "told"]

#: What else an ordinary call may say; all of it is a question's own (``None`` says nothing).
_NUMBERS = ("temperature", "max_tokens", "top_p", "seed", "frequency_penalty", "presence_penalty")
_SAID = frozenset({*_NUMBERS, "cache", "rollout_id"})
_ROLES = ("user", "assistant")


def plain(lm: Any, prompt: Any, messages: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a call holds nothing but texts and a few numbers."""
    if prepare is None or lm.num_retries or lm.model_type != "chat" or settings.send_stream is not None:
        return False
    for name, value in (*lm.kwargs.items(), *kwargs.items()):
        if name not in _SAID and value is not None:
            return False
    if messages is None:
        return isinstance(prompt, str) and prompt != ""
    return prompt is None and isinstance(messages, list) and _texts(messages)


def _texts(messages: Sequence[Any]) -> bool:
    """Whether these are texts alone, with instructions at most before all others."""
    roles = _ROLES
    first = True
    for message in messages:
        if type(message) is not dict or len(message) != 2:
            return False
        text, role = message.get("content"), message.get("role")
        if type(text) is not str or not text or (role not in roles and not (first and role == "system")):
            return False
        first = False
    # instructions alone are no question
    return bool(messages) and messages[-1]["role"] != "system"


def prepared(lm: Any, prompt: Any, messages: Any, kwargs: dict[str, Any]) -> tuple[Any, list[dict[str, str]], dict[str, Any]]:
    """The call after DSPy's checks, its messages, and what it says of the answer."""
    call = prepare(lm, prompt, messages, kwargs)
    warn_openai_messages(lm, messages)
    legacy = call.legacy
    return call, legacy["messages"], {name: legacy[name] for name in _NUMBERS if legacy.get(name) is not None}


def boundary(lm: Any) -> Any:
    """Within it, what the engine raises becomes DSPy's own errors."""
    return error_boundary(lm.model, unexpected=True)


def told(lm: Any, call: Any, answer: Any) -> Any:
    """An answer as DSPy's callers have it, after it was counted and written down."""
    result = CallResult.native(answer, model_type="chat")
    result.cost_details = {"kind": "unknown", "reason": "custom engine has no pricing provider"}
    return finalize(lm, call, result)
