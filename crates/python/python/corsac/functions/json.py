"""Functions of JSON in texts."""

from __future__ import annotations

from corsac.column import Column, ColumnOrName, _call, literal, named

__all__ = ["contains", "get_type", "jq", "value"]


def jq(column: ColumnOrName, query: str) -> Column:
    """All that a jq query finds, as a list of JSON texts."""
    return _call("json_jq", named(column), literal(query))


def value(column: ColumnOrName, query: str) -> Column:
    """The first thing that a jq query finds, as text."""
    return _call("json_value", named(column), literal(query))


def get_type(column: ColumnOrName) -> Column:
    """What the JSON is: ``object``, ``array``, ``string``, ``number``, ``boolean``, ``null``."""
    return _call("json_type", named(column))


def contains(column: ColumnOrName, value: str) -> Column:
    """Whether the JSON contains other JSON: objects in part, arrays as they are."""
    return _call("json_contains", named(column), literal(value))
