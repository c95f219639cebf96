"""From Pydantic models, and from types that Python can write, to the JSON Schema of an answer."""

from __future__ import annotations

import json
from typing import Any

from corsac.errors import UsageError

__all__ = ["schema_text"]


def schema_text(response_format: Any) -> str:
    """The schema of an answer, as the engine reads it.

    Takes a Pydantic model (version 2), a dict with JSON Schema, a text in the short form
    (``"product string, stars int?"``), or any type that Pydantic can describe, such as a ``TypedDict`` or a dataclass.

    Raises:
        UsageError: What cannot be described so.
    """
    if isinstance(response_format, str):
        return response_format
    if isinstance(response_format, dict):
        return json.dumps(response_format)
    if hasattr(response_format, "model_json_schema"):
        return json.dumps(response_format.model_json_schema())
    try:
        from pydantic import TypeAdapter
    except ImportError:
        raise UsageError(
            f"{response_format!r} is no schema: give a Pydantic model (pip install pydantic), JSON Schema as a dict, "
            'or the short form, such as "product string, stars int?"'
        ) from None
    try:
        described = TypeAdapter(response_format).json_schema()
    except Exception as error:
        raise UsageError(f"{response_format!r} has no JSON Schema: {error}") from error
    if described.get("type") != "object":
        raise UsageError(f"{response_format!r} is one value: the schema of an answer names fields, as a Pydantic model does")
    return json.dumps(described)
