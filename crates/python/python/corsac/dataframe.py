"""Tables: lazy, of one session. A verb gives another table and runs nothing; what is asked is known from the whole plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Union

from corsac._corsac import Expr, Frame
from corsac.column import Column, ColumnOrName, literal, named, sort_key
from corsac.errors import UsageError
from corsac.progress import watcher
from corsac.result import DataLikeType, Lineage, QueryMetrics, QueryResult, shown, to_arrow, to_pandas, to_polars
from corsac.semantic_verbs import SemanticExtensions
from corsac.types import JoinType, Schema
from corsac.write import DataFrameWriter

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from corsac.session import Session

__all__ = ["DataFrame", "GroupedData"]


class DataFrame:
    """A lazy table."""

    _frame: Frame
    _session: Session

    def __init__(self, frame: Frame, session: Session) -> None:
        self._frame = frame
        self._session = session

    def _of(self, frame: Frame) -> DataFrame:
        return DataFrame(frame, self._session)

    # what there is

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._frame.columns

    @property
    def schema(self) -> Schema:
        """The columns with their types."""
        return Schema._of(self._frame.schema_tuples())

    def __getitem__(self, col_name: str) -> Column:
        column = Column(Expr.column(col_name))
        if col_name not in self._frame.columns:
            # a field of a struct, or a column whose name differs in case; else the error says what there is
            self._frame.select([column._expr])
        return column

    def __getattr__(self, col_name: str) -> Column:
        if col_name.startswith("_"):
            raise AttributeError(col_name)
        if col_name not in self._frame.columns:
            raise AttributeError(f"a table has no {col_name!r}, and there is no such column: there are {', '.join(self.columns)}")
        return Column(Expr.column(col_name))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self.columns if name.isidentifier())]

    # rows and columns

    def select(self, *cols: Union[ColumnOrName, list[ColumnOrName]]) -> DataFrame:
        """These columns alone; ``"*"``, or nothing, for all there are."""
        if not cols:
            return self
        exprs: list[Expr] = []
        for column in _flat(cols):
            if isinstance(column, str) and column == "*":
                exprs += [Expr.column(name) for name in self.columns]
            else:
                exprs.append(named(column)._expr)
        return self._of(self._frame.select(exprs))

    def filter(self, condition: Column) -> DataFrame:
        """Rows for which the condition holds. A model is asked only about rows that pass the other conditions."""
        return self._of(self._frame.filter(named(condition)._expr))

    where = filter

    def with_column(self, col_name: str, col: Any) -> DataFrame:
        """One more column, or another one in its place: a column, a constant, or a series of polars or pandas."""
        return self.with_columns({col_name: col})

    withColumn = with_column

    def with_columns(self, cols_map: dict[str, Any]) -> DataFrame:
        """More columns; none of them sees another."""
        series = {name: value for name, value in cols_map.items() if _is_series(value)}
        if series:
            return self._with_series(series).with_columns({name: value for name, value in cols_map.items() if name not in series})
        columns = [(name, (value if isinstance(value, Column) else literal(value))._expr) for name, value in cols_map.items()]
        return self._of(self._frame.with_columns(columns)) if columns else self

    withColumns = with_columns

    def _with_series(self, series: dict[str, Any]) -> DataFrame:
        # rows have no numbers: the series stand beside the rows as they come, so the rows are needed
        rows = self._run(None)[0]
        columns = rows.to_pydict()
        for name, values in series.items():
            items = values.to_list() if hasattr(values, "to_list") else list(values)
            if len(items) == 0 and len(rows) > 0:
                raise UsageError(f"the series {name!r} is empty: a column of nothing is null(a type)")
            if len(items) != len(rows):
                raise UsageError(f"the series {name!r} has {len(items)} values and the table {len(rows)} rows")
            columns[name] = items
        return self._session.create_dataframe(columns)

    def with_column_renamed(self, col_name: str, new_col_name: str) -> DataFrame:
        """A column under another name. Where there is no such column, nothing changes."""
        if col_name not in self.columns:
            return self
        return self._of(self._frame.rename(col_name, new_col_name))

    withColumnRenamed = with_column_renamed

    def rename(self, names: dict[str, str]) -> DataFrame:
        """Columns under other names."""
        frame = self._frame
        for old, new in names.items():
            frame = frame.rename(old, new)
        return self._of(frame)

    def drop(self, *col_names: str) -> DataFrame:
        """Without these columns."""
        names = _flat(col_names)
        if names and set(names) >= set(self.columns):
            raise UsageError("a table without columns has no rows either: keep one of them")
        return self._of(self._frame.drop(names))

    def limit(self, n: int) -> DataFrame:
        """The first rows; below 0, none. Models are asked about no more of them than that takes."""
        return self._of(self._frame.limit(max(n, 0)))

    def head(self, n: int = 5) -> DataFrame:
        """The first rows."""
        return self.limit(n)

    def distinct(self) -> DataFrame:
        """Equal rows once."""
        return self._of(self._frame.distinct())

    def drop_duplicates(self, subset: Union[str, list[str], None] = None) -> DataFrame:
        """One row for each value of these columns; of all columns, if none are named."""
        if isinstance(subset, str):
            subset = [subset]
        return self._of(self._frame.distinct_on(subset)) if subset else self.distinct()

    dropDuplicates = drop_duplicates

    def union(self, other: DataFrame) -> DataFrame:
        """The rows of both, columns in their order. Equal rows stay."""
        return self._of(self._frame.union(other._frame))

    unionAll = union

    def order_by(
        self,
        cols: Union[ColumnOrName, list[ColumnOrName], None] = None,
        ascending: Union[bool, list[bool], None] = None,
    ) -> DataFrame:
        """Rows in an order: by columns, or by ``col(…).desc()``. Without columns, by all of them."""
        keys: list[Any] = list(self.columns) if cols is None else list(cols) if isinstance(cols, (list, tuple)) else [cols]
        directions = ascending if isinstance(ascending, list) else [ascending] * len(keys)
        if len(directions) != len(keys):
            raise UsageError(f"ascending has {len(directions)} values for {len(keys)} columns")
        return self._of(self._frame.sort([sort_key(key, upwards) for key, upwards in zip(keys, directions)]))

    sort = order_by
    orderBy = order_by

    def explode(self, column: ColumnOrName) -> DataFrame:
        """A row for each item of a list; rows without items are left out."""
        return self._exploded(column, outer=False)

    def explode_outer(self, column: ColumnOrName) -> DataFrame:
        """A row for each item of a list; a row without items stays, with NULL."""
        return self._exploded(column, outer=True)

    def explode_with_index(
        self,
        column: ColumnOrName,
        index_col_name: str = "pos",
        value_col_name: str = "col",
        keep_null_and_empty: bool = False,
    ) -> DataFrame:
        """As :meth:`explode`, with the item's place from 0 beside it."""
        return self._exploded(column, outer=keep_null_and_empty, value=value_col_name, index=index_col_name)

    def posexplode(self, column: ColumnOrName) -> DataFrame:
        """As :meth:`explode`, with the item's place from 0 beside it: columns ``pos`` and ``col``."""
        return self.explode_with_index(column)

    def posexplode_outer(self, column: ColumnOrName) -> DataFrame:
        """As :meth:`posexplode`; a row without items stays."""
        return self.explode_with_index(column, keep_null_and_empty=True)

    def _exploded(self, column: ColumnOrName, outer: bool, value: str | None = None, index: str | None = None) -> DataFrame:
        expr = named(column)._expr
        return self._of(self._frame.explode(expr, value or expr.name(), outer, index))

    def unnest(self, *col_names: str) -> DataFrame:
        """A column for each field of these structs, in their place."""
        return self._of(self._frame.unnest(list(_flat(col_names))))

    # groups and joins

    def group_by(self, *cols: Union[ColumnOrName, list[ColumnOrName]]) -> GroupedData:
        """Rows in groups of equal values; ``agg`` says what to make of each."""
        return GroupedData(self, [named(column) for column in _flat(cols)])

    groupBy = group_by
    groupby = group_by

    def agg(self, *exprs: Union[Column, dict[str, str]]) -> DataFrame:
        """One row for all rows."""
        return GroupedData(self, []).agg(*exprs)

    def join(
        self,
        other: DataFrame,
        on: Union[str, list[str], None] = None,
        *,
        left_on: Union[ColumnOrName, list[ColumnOrName], None] = None,
        right_on: Union[ColumnOrName, list[ColumnOrName], None] = None,
        how: JoinType = "inner",
    ) -> DataFrame:
        """Rows of two tables with equal values: in columns of the same names (``on``), which are there once in the result, or in
        others (``left_on``, ``right_on``). A column of the other table whose name is there already gets ``_right``."""
        if how == "cross":
            if on is not None or left_on is not None or right_on is not None:
                raise UsageError("a cross join compares nothing: leave on, left_on and right_on out")
            return self._of(self._frame.cross_join(other._frame))
        if on is not None and (left_on is not None or right_on is not None):
            raise UsageError("join takes on, or left_on and right_on, not both")
        if on is not None:
            return self._of(self._frame.join_on(other._frame, [on] if isinstance(on, str) else list(on), how))
        if left_on is None or right_on is None:
            raise UsageError("join needs columns: on='id', or left_on='a' and right_on='b'")
        left, right = ([named(key)._expr for key in (side if isinstance(side, list) else [side])] for side in (left_on, right_on))
        return self._of(self._frame.join_where(other._frame, left, right, how))

    @property
    def semantic(self) -> SemanticExtensions:
        """Verbs that ask a model or compare by meaning: ``join``, ``sim_join``, ``with_cluster_labels``."""
        return SemanticExtensions(self)

    # what comes of it

    def _run(self, what: Callable[..., Any] | None) -> tuple[Any, dict[str, Any]]:
        self._session._check()
        told = watcher()
        try:
            done: tuple[Any, dict[str, Any]] = (what or self._frame.collect)(told)
            return done
        finally:
            if told is not None:
                told.end()

    async def _run_async(self, awaited: Callable[..., Awaitable[Any]]) -> tuple[Any, dict[str, Any]]:
        self._session._check()
        told = watcher()
        try:
            done: tuple[Any, dict[str, Any]] = await awaited(told)
            return done
        finally:
            if told is not None:
                told.end()

    def collect(self, data_type: DataLikeType = "polars") -> QueryResult:
        """Runs the plan: the rows in a form, and what they came to."""
        rows, told = self._run(None)
        return QueryResult(rows, told, data_type)

    async def collect_async(self, data_type: DataLikeType = "polars") -> QueryResult:
        """As :meth:`collect`, in an event loop."""
        rows, told = await self._run_async(self._frame.collect_async)
        return QueryResult(rows, told, data_type)

    def to_polars(self) -> polars.DataFrame:
        """The rows as a table of polars."""
        return to_polars(self._run(None)[0])

    async def to_polars_async(self) -> polars.DataFrame:
        """As :meth:`to_polars`, in an event loop."""
        return to_polars((await self._run_async(self._frame.collect_async))[0])

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a table of pandas."""
        return to_pandas(self._run(None)[0])

    async def to_pandas_async(self) -> pandas.DataFrame:
        """As :meth:`to_pandas`, in an event loop."""
        return to_pandas((await self._run_async(self._frame.collect_async))[0])

    def to_arrow(self) -> pyarrow.Table:
        """The rows as a table of pyarrow, without a copy."""
        return to_arrow(self._run(None)[0])

    async def to_arrow_async(self) -> pyarrow.Table:
        """As :meth:`to_arrow`, in an event loop."""
        return to_arrow((await self._run_async(self._frame.collect_async))[0])

    def to_pydict(self) -> dict[str, list[Any]]:
        """A list of values for each column."""
        return self._run(None)[0].to_pydict()  # type: ignore[no-any-return]

    async def to_pydict_async(self) -> dict[str, list[Any]]:
        """As :meth:`to_pydict`, in an event loop."""
        return (await self._run_async(self._frame.collect_async))[0].to_pydict()  # type: ignore[no-any-return]

    def to_pylist(self) -> list[dict[str, Any]]:
        """A dict for each row."""
        return self._run(None)[0].to_pylist()  # type: ignore[no-any-return]

    async def to_pylist_async(self) -> list[dict[str, Any]]:
        """As :meth:`to_pylist`, in an event loop."""
        return (await self._run_async(self._frame.collect_async))[0].to_pylist()  # type: ignore[no-any-return]

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._run(None)[0].__arrow_c_stream__(requested_schema)

    def count(self) -> int:
        """How many rows there are. A model is asked only where that decides."""
        return int(self._run(self._frame.count)[0])

    async def count_async(self) -> int:
        """As :meth:`count`, in an event loop."""
        return int((await self._run_async(self._frame.count_async))[0])

    def show(self, n: int = 10, explain_analyze: bool = False) -> None:
        """Prints the first rows; with ``explain_analyze``, what they came to as well."""
        rows, told = self.limit(n)._run(None)
        print(shown(rows))
        if explain_analyze:
            print(QueryMetrics._of(told).get_summary())

    def explain(self) -> None:
        """Prints the plan: what is asked of whom, and what is run. Nothing is asked."""
        print(self._frame.explain())

    def lineage(self) -> Lineage:
        """Runs the plan, and leads from its rows to the calls that made their values. What was answered is not asked again."""
        rows, told = self._run(None)
        return Lineage(self._session._native, QueryResult(rows, told, "pylist"))

    def cache(self) -> DataFrame:
        """The same table: every answer is kept before its row goes on, so that none is asked for twice."""
        return self

    persist = cache

    @property
    def write(self) -> DataFrameWriter:
        """Writes the rows into files and tables."""
        return DataFrameWriter(self)

    def __repr__(self) -> str:
        return repr(self._frame)

    def _repr_html_(self) -> str:
        # a notebook that shows a table must not ask a model for it
        return self.schema._repr_html_() + "<p>a lazy table: <code>.show()</code> or <code>.to_polars()</code> runs it</p>"


class GroupedData:
    """Rows in groups."""

    def __init__(self, frame: DataFrame, keys: Sequence[Column]) -> None:
        self._frame = frame
        self._keys = [key._expr for key in keys]

    def agg(self, *exprs: Union[Column, dict[str, str]]) -> DataFrame:
        """A row for each group: its keys, and what these make of it: aggregates, or names of some by column."""
        from corsac import functions

        if not exprs:
            raise UsageError("agg needs something to make of each group, such as count('*')")
        aggregates: list[Expr] = []
        for expr in _flat(exprs):
            if isinstance(expr, dict):
                for column, name in expr.items():
                    aggregate = getattr(functions, name, None)
                    if aggregate is None or name not in _AGGREGATES:
                        raise UsageError(f"{name!r} is no aggregate: there are {', '.join(sorted(_AGGREGATES))}")
                    aggregates.append(aggregate(column).alias(f"{name}({column})")._expr)
            else:
                aggregates.append(named(expr)._expr)
        return self._frame._of(self._frame._frame.aggregate(self._keys, aggregates))

    def count(self) -> DataFrame:
        """How many rows each group has, as the column ``count``."""
        from corsac import functions

        return self.agg(functions.count("*").alias("count"))


_AGGREGATES = {
    "approx_count_distinct",
    "array_agg",
    "avg",
    "collect_list",
    "count",
    "count_distinct",
    "first",
    "max",
    "mean",
    "median",
    "min",
    "stddev",
    "sum",
    "sum_distinct",
}


def _flat(given: Any) -> list[Any]:
    flat: list[Any] = []
    for one in given:
        flat += one if isinstance(one, (list, tuple)) else [one]
    return flat


def _is_series(value: Any) -> bool:
    module = type(value).__module__.split(".")[0]
    return module in ("polars", "pandas") and type(value).__name__ == "Series"

