"""Functions of columns: the top level, and beside it ``semantic``, ``text``, ``json``, ``markdown``, ``embedding``, ``dt``, ``arr``."""

from __future__ import annotations

from typing import Any

from corsac._corsac import Expr
from corsac.column import Column, ColumnOrName, _call, _column, literal, named
from corsac.errors import TypeMismatchError
from corsac.functions.user import async_udf, udf
from corsac.types import native_type

__all__ = [
    "approx_count_distinct",
    "array",
    "array_agg",
    "array_contains",
    "array_size",
    "asc",
    "asc_nulls_first",
    "asc_nulls_last",
    "async_udf",
    "avg",
    "coalesce",
    "col",
    "collect_list",
    "count",
    "count_distinct",
    "desc",
    "desc_nulls_first",
    "desc_nulls_last",
    "empty",
    "first",
    "flatten",
    "function",
    "greatest",
    "least",
    "lit",
    "max",
    "mean",
    "median",
    "min",
    "null",
    "outcome",
    "stddev",
    "struct",
    "sum",
    "sum_distinct",
    "udf",
    "when",
]


def col(col_name: str) -> Column:
    """A column by its name. A dot leads into a struct: ``col("ticket.urgent")``."""
    if not isinstance(col_name, str):
        raise TypeMismatchError(f"a column is called by a text, not by {col_name!r}; a constant is written lit({col_name!r})")
    return Column(Expr.column(col_name))


def lit(value: Any, data_type: Any = None) -> Column:
    """A constant: a text, a number, a date, a list, a dict, or ``None``."""
    return literal(value, data_type)


def null(data_type: Any) -> Column:
    """NULL of a type."""
    return literal(None, native_type(data_type))


def empty(data_type: Any) -> Column:
    """The empty value of a type: a list without items, a struct of NULLs, else NULL."""
    native = native_type(data_type)
    if isinstance(native, tuple) and native[0] == "list":
        return literal([], native)
    if isinstance(native, tuple) and native[0] == "struct":
        return struct(*(literal(None, inner).alias(name) for name, inner in native[1]))
    return literal(None, native)


def when(condition: Column, value: Any) -> Column:
    """The value where the condition holds; ``.when(…)`` and ``.otherwise(…)`` go on. Elsewhere it is NULL."""
    branches = [(condition._expr, _column(value)._expr)]
    return Column(Expr.case(branches, None), branches=branches)


def coalesce(*cols: ColumnOrName) -> Column:
    """The first value that is not NULL."""
    return _call("coalesce", *map(named, cols))


def greatest(*cols: ColumnOrName) -> Column:
    """The largest of the values."""
    return _call("greatest", *map(named, cols))


def least(*cols: ColumnOrName) -> Column:
    """The smallest of the values."""
    return _call("least", *map(named, cols))


def _flat(args: tuple[Any, ...]) -> list[Any]:
    if len(args) == 1 and isinstance(args[0], (list, tuple)):
        return list(args[0])
    return list(args)


def array(*args: Any) -> Column:
    """A list of the values of these columns."""
    return _call("make_array", *map(named, _flat(args)))


def struct(*args: Any) -> Column:
    """A struct of these columns, under their names."""
    parts: list[Column] = []
    for column in map(named, _flat(args)):
        parts += [literal(column._expr.name()), Column(column._expr)]
    return Column(Expr.call("named_struct", [part._expr for part in parts]))


def function(name: str, *arguments: Any) -> Column:
    """Any scalar function that SQL knows, over columns and constants: ``function("round", col("price"), 2)``."""
    return _call(name, *map(_column, arguments))


def outcome(call: Column) -> Column:
    """What became of a semantic call: a struct of ``value``, ``error_kind``, ``error``, ``attempts``, ``cost``, ``model`` and
    ``provider``. Beside the call itself nothing is asked twice."""
    return _call("outcome", call)


def asc(column: ColumnOrName) -> Column:
    """Smallest first, NULL before all."""
    return named(column).asc()


def asc_nulls_first(column: ColumnOrName) -> Column:
    """Smallest first, NULL before all."""
    return named(column).asc_nulls_first()


def asc_nulls_last(column: ColumnOrName) -> Column:
    """Smallest first, NULL after all."""
    return named(column).asc_nulls_last()


def desc(column: ColumnOrName) -> Column:
    """Largest first, NULL before all."""
    return named(column).desc()


def desc_nulls_first(column: ColumnOrName) -> Column:
    """Largest first, NULL before all."""
    return named(column).desc_nulls_first()


def desc_nulls_last(column: ColumnOrName) -> Column:
    """Largest first, NULL after all."""
    return named(column).desc_nulls_last()


def _aggregate(name: str, *columns: ColumnOrName, distinct: bool = False) -> Column:
    return Column(Expr.aggregate(name, [named(column)._expr for column in columns], distinct=distinct))


def count(column: ColumnOrName = "*") -> Column:
    """How many values are not NULL; ``count("*")`` counts rows."""
    if isinstance(column, str) and column == "*":
        return Column(Expr.aggregate("count", [literal(1)._expr]))
    return _aggregate("count", column)


def count_distinct(*cols: ColumnOrName) -> Column:
    """How many different values there are; a row with a NULL among them is not counted."""
    if len(cols) == 1:
        return _aggregate("count", cols[0], distinct=True)
    known = [named(column).is_not_null()._expr for column in cols]
    whole = known[0]
    for one in known[1:]:
        whole = whole.binary("&", one)
    return Column(Expr.aggregate("count", [struct(*cols)._expr], distinct=True, filter=whole))


def approx_count_distinct(column: ColumnOrName) -> Column:
    """About how many different values there are."""
    return _aggregate("approx_distinct", column)


def avg(column: ColumnOrName) -> Column:
    """The mean. Of vectors, use :func:`corsac.functions.embedding.normalize` and SQL."""
    return _aggregate("avg", column)


mean = avg


def median(column: ColumnOrName) -> Column:
    """The value in the middle."""
    return _aggregate("median", column)


def sum(column: ColumnOrName) -> Column:
    """The sum."""
    return _aggregate("sum", column)


def sum_distinct(column: ColumnOrName) -> Column:
    """The sum of the different values."""
    return _aggregate("sum", column, distinct=True)


def min(column: ColumnOrName) -> Column:
    """The smallest value."""
    return _aggregate("min", column)


def max(column: ColumnOrName) -> Column:
    """The largest value."""
    return _aggregate("max", column)


def stddev(column: ColumnOrName) -> Column:
    """The standard deviation of a sample."""
    return _aggregate("stddev", column)


def first(column: ColumnOrName, order_by: ColumnOrName | None = None) -> Column:
    """The first value, in the order that is given."""
    from corsac.column import sort_key

    order = [] if order_by is None else [sort_key(order_by)]
    return Column(Expr.aggregate("first_value", [named(column)._expr], order_by=order))


def array_agg(column: ColumnOrName, order_by: ColumnOrName | None = None) -> Column:
    """A list of the values."""
    from corsac.column import sort_key

    order = [] if order_by is None else [sort_key(order_by)]
    return Column(Expr.aggregate("array_agg", [named(column)._expr], order_by=order))


collect_list = array_agg


def array_contains(column: ColumnOrName, value: Any) -> Column:
    """Whether a list contains a value."""
    return _call("array_has", named(column), _column(value))


def array_size(column: ColumnOrName) -> Column:
    """How many items a list has."""
    return _call("array_length", named(column)).cast("int64")


def flatten(column: ColumnOrName) -> Column:
    """A list of lists as one list."""
    return _call("flatten", named(column))
