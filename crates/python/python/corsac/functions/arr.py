"""Functions of lists."""

from __future__ import annotations

from typing import Any

from corsac._corsac import Expr
from corsac.column import Column, ColumnOrName, _call, _column, literal, named

__all__ = [
    "compact",
    "contains",
    "distinct",
    "element_at",
    "except_",
    "intersect",
    "lit",
    "max",
    "min",
    "overlap",
    "remove",
    "repeat",
    "reverse",
    "size",
    "slice",
    "sort",
    "union",
]


def lit(value: Any) -> Column:
    """A constant."""
    return literal(value)


def _number(value: int | ColumnOrName) -> Column:
    return named(value) if isinstance(value, (Column, str)) else literal(value)


def compact(column: ColumnOrName) -> Column:
    """Without NULLs."""
    return _call("array_compact", named(column))


def contains(column: ColumnOrName, value: Any) -> Column:
    """Whether the list contains a value."""
    return _call("array_has", named(column), _column(value))


def distinct(column: ColumnOrName) -> Column:
    """Equal items once."""
    return _call("array_distinct", named(column))


def element_at(column: ColumnOrName, index: int | ColumnOrName) -> Column:
    """The item at a place, from 1, and below 0 from the end."""
    return _call("array_element", named(column), _number(index))


def except_(col1: ColumnOrName, col2: ColumnOrName) -> Column:
    """The items of the first list that are not in the second."""
    return _call("array_except", named(col1), named(col2))


def intersect(col1: ColumnOrName, col2: ColumnOrName) -> Column:
    """The items that are in both lists."""
    return _call("array_intersect", named(col1), named(col2))


def max(column: ColumnOrName) -> Column:
    """The largest item."""
    return _call("array_max", named(column))


def min(column: ColumnOrName) -> Column:
    """The smallest item."""
    return _call("array_min", named(column))


def overlap(col1: ColumnOrName, col2: ColumnOrName) -> Column:
    """Whether the lists have an item in common."""
    return _call("array_has_any", named(col1), named(col2))


def remove(column: ColumnOrName, element: Any) -> Column:
    """Without the items that equal this one."""
    return _call("array_remove_all", named(column), _column(element))


def repeat(col: ColumnOrName, count: int | ColumnOrName) -> Column:
    """A list of a value so many times."""
    return _call("array_repeat", named(col), _number(count))


def reverse(column: ColumnOrName) -> Column:
    """The items from the last to the first."""
    return _call("array_reverse", named(column))


def size(column: ColumnOrName) -> Column:
    """How many items the list has."""
    return _call("array_length", named(column)).cast("int64")


def slice(column: ColumnOrName, start: int | ColumnOrName, length: int | ColumnOrName) -> Column:
    """So many items from a place on, from 1, and below 0 from the end."""
    begin, many = _number(start), _number(length)
    last = begin + many - 1
    # counted from the end, the last place must not run past -1 into the beginning
    from_end = Column(Expr.call("least", [last._expr, literal(-1)._expr]))
    end = Column(Expr.case([((begin < 0)._expr, from_end._expr)], last._expr))
    return _call("array_slice", named(column), begin, end)


def sort(column: ColumnOrName) -> Column:
    """The items from the smallest to the largest."""
    return _call("array_sort", named(column))


def union(col1: ColumnOrName, col2: ColumnOrName) -> Column:
    """The different items of both lists."""
    return _call("array_union", named(col1), named(col2))
