"""Functions of vectors."""

from __future__ import annotations

from typing import Any, Literal

from corsac.column import Column, ColumnOrName, _call, literal, named

__all__ = ["compute_similarity", "normalize"]


def compute_similarity(
    column: ColumnOrName, other: ColumnOrName | list[float] | Any, metric: Literal["cosine", "l2", "dot"] = "cosine"
) -> Column:
    """How near two vectors are: columns of them, or one vector as a list or an array of NumPy."""
    if isinstance(other, (Column, str)):
        right = named(other)
    else:
        right = literal([float(number) for number in other])
    return _call("embedding_similarity", named(column), right, literal(metric))


def normalize(column: ColumnOrName) -> Column:
    """The vector with length 1."""
    return _call("embedding_normalize", named(column))
