"""Columns: expressions of the engine, written with Python's operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Union

from corsac._corsac import Expr
from corsac.errors import TypeMismatchError, UsageError
from corsac.types import native_type

__all__ = ["Column", "ColumnOrName"]


class Column:
    """An expression over the columns of a table. It computes nothing before a table is collected."""

    __slots__ = ("_expr", "_order", "_branches")

    def __init__(
        self,
        expr: Expr,
        order: tuple[bool, bool] | None = None,
        branches: list[tuple[Expr, Expr]] | None = None,
    ) -> None:
        self._expr = expr
        # upwards, and NULL first
        self._order = order
        self._branches = branches

    def alias(self, name: str) -> Column:
        """The same under a name."""
        return Column(self._expr.alias(name), self._order)

    def cast(self, data_type: Any, strict: bool = False) -> Column:
        """Another type. A value that cannot be converted is NULL; with ``strict`` it is an error."""
        return Column(self._expr.cast(native_type(data_type), lenient=not strict))

    try_cast = cast

    def get_item(self, key: Union[str, int, Column]) -> Column:
        """A field of a struct by its name, or an item of a list by its place, from 0, and below 0 from the end."""
        if isinstance(key, str):
            return _call("get_field", self, literal(key))
        if isinstance(key, bool):
            raise TypeError("a list is indexed by a whole number, not by a bool")
        if isinstance(key, int):
            return _call("array_element", self, literal(key + 1 if key >= 0 else key))
        place = Column(Expr.case([((key >= 0)._expr, (key + 1)._expr)], key._expr))
        return _call("array_element", self, place)

    def __getitem__(self, key: Union[str, int, Column]) -> Column:
        return self.get_item(key)

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.get_item(name)

    def like(self, other: Union[str, Column]) -> Column:
        """Whether the text fits a pattern of SQL: ``%`` for anything, ``_`` for one character."""
        return Column(self._expr.like(_operand(other)))

    def ilike(self, other: Union[str, Column]) -> Column:
        """As :meth:`like`, in any case."""
        return Column(self._expr.like(_operand(other), ignore_case=True))

    def rlike(self, other: Union[str, Column]) -> Column:
        """Whether a regular expression is found in the text."""
        return _call("regexp_like", self, _column(other))

    def contains(self, other: Union[str, Column]) -> Column:
        """Whether the text contains another."""
        return _call("contains", self, _column(other))

    def contains_any(self, others: Sequence[str], case_insensitive: bool = True) -> Column:
        """Whether the text contains one of these."""
        if not others:
            raise UsageError("contains_any needs at least one text")
        if not case_insensitive:
            return _any([self.contains(other) for other in others])
        return _any([_call("contains", _call("lower", self), literal(other.lower())) for other in others])

    def starts_with(self, other: Union[str, Column]) -> Column:
        """Whether the text begins with another."""
        return _call("starts_with", self, _column(other))

    def ends_with(self, other: Union[str, Column]) -> Column:
        """Whether the text ends with another."""
        return _call("ends_with", self, _column(other))

    def is_in(self, other: Union[Iterable[Any], Column]) -> Column:
        """Whether the value is one of these, or an item of a column of lists."""
        if isinstance(other, Column):
            return _call("array_has", other, self)
        return Column(self._expr.is_in([_operand(value) for value in other]))

    isin = is_in

    def between(self, low: Any, high: Any) -> Column:
        """Whether the value lies between two, both counted in."""
        return self.__ge__(low).__and__(self.__le__(high))

    def is_null(self) -> Column:
        """Whether the value is NULL."""
        return Column(self._expr.is_null())

    def is_not_null(self) -> Column:
        """Whether the value is not NULL."""
        return Column(self._expr.is_not_null())

    def fill_null(self, value: Any) -> Column:
        """The value, and another one where it is NULL."""
        return _call("coalesce", self, _column(value))

    def equals_or_both_null(self, other: Any) -> Column:
        """Whether two values are equal, NULL being equal to NULL."""
        return Column(self._expr.binary("<=>", _operand(other)))

    def asc(self) -> Column:
        """Smallest first, NULL before all."""
        return Column(self._expr, (True, True))

    def asc_nulls_first(self) -> Column:
        """Smallest first, NULL before all."""
        return Column(self._expr, (True, True))

    def asc_nulls_last(self) -> Column:
        """Smallest first, NULL after all."""
        return Column(self._expr, (True, False))

    def desc(self) -> Column:
        """Largest first, NULL before all."""
        return Column(self._expr, (False, True))

    def desc_nulls_first(self) -> Column:
        """Largest first, NULL before all."""
        return Column(self._expr, (False, True))

    def desc_nulls_last(self) -> Column:
        """Largest first, NULL after all."""
        return Column(self._expr, (False, False))

    def when(self, condition: Column, value: Any) -> Column:
        """One more condition after ``when(…)``, looked at where none before it held."""
        if self._branches is None:
            raise UsageError("when() follows another when(), as in when(a, b).when(c, d).otherwise(e)")
        branches = [*self._branches, (condition._expr, _operand(value))]
        return Column(Expr.case(branches, None), branches=branches)

    def otherwise(self, value: Any) -> Column:
        """The value where no condition held."""
        if self._branches is None:
            raise UsageError("otherwise() follows when(), as in when(a, b).otherwise(c)")
        return Column(Expr.case(self._branches, _operand(value)))

    def __add__(self, other: Any) -> Column:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Column:
        return self._after("+", other)

    def __sub__(self, other: Any) -> Column:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Column:
        return self._after("-", other)

    def __mul__(self, other: Any) -> Column:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Column:
        return self._after("*", other)

    def __truediv__(self, other: Any) -> Column:
        return self.cast("float64", strict=True)._with("/", other)

    def __rtruediv__(self, other: Any) -> Column:
        return _column(other).cast("float64", strict=True)._with("/", self)

    def __mod__(self, other: Any) -> Column:
        return self._with("%", other)

    def __rmod__(self, other: Any) -> Column:
        return self._after("%", other)

    def __neg__(self) -> Column:
        return Column(self._expr.negate())

    def __eq__(self, other: Any) -> Column:  # type: ignore[override]
        return self._with("==", other)

    def __ne__(self, other: Any) -> Column:  # type: ignore[override]
        return self._with("!=", other)

    def __lt__(self, other: Any) -> Column:
        return self._with("<", other)

    def __le__(self, other: Any) -> Column:
        return self._with("<=", other)

    def __gt__(self, other: Any) -> Column:
        return self._with(">", other)

    def __ge__(self, other: Any) -> Column:
        return self._with(">=", other)

    def __and__(self, other: Any) -> Column:
        return self._with("&", other)

    def __rand__(self, other: Any) -> Column:
        return self._after("&", other)

    def __or__(self, other: Any) -> Column:
        return self._with("|", other)

    def __ror__(self, other: Any) -> Column:
        return self._after("|", other)

    def __invert__(self) -> Column:
        return Column(self._expr.invert())

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("a column is neither true nor false: write & for and, | for or, ~ for not, with parentheses around comparisons")

    def __iter__(self) -> Any:
        raise TypeError("a column is no list: collect the table first")

    def _with(self, operator: str, other: Any) -> Column:
        return Column(self._expr.binary(operator, _operand(other)))

    def _after(self, operator: str, other: Any) -> Column:
        return Column(_operand(other).binary(operator, self._expr))

    # Spark's spelling
    getItem = get_item

    def __repr__(self) -> str:
        return f"Column<{self._expr!r}>"


ColumnOrName = Union[Column, str]


def literal(value: Any, data_type: Any = None) -> Column:
    """A constant."""
    return Column(Expr.literal(value, native_type(data_type)))


def _column(value: Any) -> Column:
    """A column, or a constant."""
    return value if isinstance(value, Column) else literal(value)


def _operand(value: Any) -> Expr:
    return _column(value)._expr


def named(column: ColumnOrName) -> Column:
    """A column, by itself or by its name."""
    if isinstance(column, Column):
        return column
    if isinstance(column, str):
        return Column(Expr.column(column))
    raise TypeMismatchError(f"a column or its name is wanted, not {type(column).__name__}; a constant is written lit({column!r})")


def _call(function: str, *arguments: Column) -> Column:
    return Column(Expr.call(function, [argument._expr for argument in arguments]))


def call(function: str, *arguments: ColumnOrName) -> Column:
    """Any scalar function that SQL knows, over columns; a text is the name of one."""
    return _call(function, *(named(argument) for argument in arguments))


def sort_key(column: ColumnOrName, ascending: bool | None = None) -> tuple[Expr, bool, bool]:
    """A key of an order. A direction of its own wins over the one that is asked for."""
    key = named(column)
    upwards, nulls_first = key._order if key._order is not None else (ascending is not False, True)
    return key._expr, upwards, nulls_first


def _any(conditions: list[Column]) -> Column:
    found = conditions[0]
    for condition in conditions[1:]:
        found = found | condition
    return found
