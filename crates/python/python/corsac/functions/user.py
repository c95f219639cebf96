"""Functions of one's own: Python over the values of a row."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Union, overload

from corsac._corsac import Expr
from corsac.column import Column, ColumnOrName, named
from corsac.errors import ExecutionError, UsageError
from corsac.types import DataType, native_type

__all__ = ["async_udf", "udf"]

Columns = Callable[..., Column]
Batch = Callable[[int, Sequence[Sequence[Any]]], Iterable[Any]]


def _name(function: Callable[..., Any]) -> str:
    name = str(getattr(function, "__name__", "udf"))
    return name if name.isidentifier() else "udf"


def _rows(count: int, columns: Sequence[Sequence[Any]]) -> Iterable[tuple[Any, ...]]:
    return zip(*columns) if columns else ((),) * count


def _over_columns(function: Callable[..., Any], batch: Batch, return_type: Any) -> Columns:
    native = native_type(return_type)

    @functools.wraps(function)
    def of_columns(*cols: ColumnOrName) -> Column:
        arguments = [named(column)._expr for column in cols]
        return Column(Expr.python_function(_name(function), batch, native, arguments))

    return of_columns


@overload
def udf(f: Callable[..., Any], *, return_type: DataType) -> Columns: ...
@overload
def udf(f: None = None, *, return_type: DataType) -> Callable[[Callable[..., Any]], Columns]: ...
def udf(f: Callable[..., Any] | None = None, *, return_type: DataType) -> Union[Columns, Callable[[Callable[..., Any]], Columns]]:
    """Makes a function of Python one of columns, by itself or as a decorator.

    It is called for each row with Python's own values: a struct is a dict, a list is a list, NULL is ``None``. What it raises
    ends the query.

    Args:
        f: The function.
        return_type: The type of what it gives.

    Returns:
        A function that takes columns, or their names, and gives a column.
    """

    def of(function: Callable[..., Any]) -> Columns:
        def batch(count: int, columns: Sequence[Sequence[Any]]) -> list[Any]:
            made = []
            for row in _rows(count, columns):
                try:
                    made.append(function(*row))
                except Exception as error:
                    raise ExecutionError(f"{type(error).__name__}: {error}, for {_shown(row)}") from error
            return made

        return _over_columns(function, batch, return_type)

    return of if f is None else of(f)


@overload
def async_udf(
    f: Callable[..., Awaitable[Any]],
    *,
    return_type: DataType,
    max_concurrency: int = 10,
    timeout_seconds: float = 30,
    num_retries: int = 0,
) -> Columns: ...
@overload
def async_udf(
    f: None = None,
    *,
    return_type: DataType,
    max_concurrency: int = 10,
    timeout_seconds: float = 30,
    num_retries: int = 0,
) -> Callable[[Callable[..., Awaitable[Any]]], Columns]: ...
def async_udf(
    f: Callable[..., Awaitable[Any]] | None = None,
    *,
    return_type: DataType,
    max_concurrency: int = 10,
    timeout_seconds: float = 30,
    num_retries: int = 0,
) -> Union[Columns, Callable[[Callable[..., Awaitable[Any]]], Columns]]:
    """Makes an asynchronous function of Python one of columns: rows are awaited together. What fails or takes too long is NULL.

    Args:
        f: The function.
        return_type: The type of what it gives.
        max_concurrency: The most rows under way at once.
        timeout_seconds: The most seconds of one try.
        num_retries: How often a row that failed is tried again.

    Returns:
        A function that takes columns, or their names, and gives a column.
    """
    if max_concurrency < 1 or timeout_seconds <= 0 or num_retries < 0:
        raise UsageError("async_udf needs a max_concurrency from 1, a timeout_seconds above 0 and a num_retries from 0")

    def of(function: Callable[..., Awaitable[Any]]) -> Columns:
        if not inspect.iscoroutinefunction(function):
            raise UsageError(f"{_name(function)} is no asynchronous function: write async def, or use udf")

        async def one(row: tuple[Any, ...], places: asyncio.Semaphore) -> Any:
            async with places:
                for _ in range(num_retries + 1):
                    try:
                        return await asyncio.wait_for(function(*row), timeout_seconds)
                    except Exception:
                        continue
            return None

        async def together(count: int, columns: Sequence[Sequence[Any]]) -> list[Any]:
            places = asyncio.Semaphore(max_concurrency)
            return list(await asyncio.gather(*(one(row, places) for row in _rows(count, columns))))

        def batch(count: int, columns: Sequence[Sequence[Any]]) -> list[Any]:
            return asyncio.run(together(count, columns))

        return _over_columns(function, batch, return_type)

    return of if f is None else of(f)


def _shown(row: tuple[Any, ...]) -> str:
    shown = ", ".join(map(repr, row))
    return shown if len(shown) <= 120 else shown[:117] + "..."
