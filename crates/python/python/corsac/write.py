"""Rows into files and tables: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from corsac.errors import TargetExistsError, UsageError
from corsac.result import QueryMetrics

if TYPE_CHECKING:
    from corsac.dataframe import DataFrame

__all__ = ["DataFrameWriter"]

FileMode = Literal["error", "overwrite", "append", "ignore"]
TableMode = Literal["error", "append", "overwrite", "ignore"]

_NOTHING: dict[str, Any] = {
    "run_id": None,
    "rows": 0,
    "seconds": 0.0,
    "calls": 0,
    "answered": 0,
    "from_memory": 0,
    "failed_rows": 0,
    "failures": [],
    "cost": 0.0,
    "operators": [],
}


class DataFrameWriter:
    """``df.write``. A file that is there is replaced as a whole when all rows are written, and not before."""

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame

    def csv(self, file_path: Union[str, Path], mode: FileMode = "overwrite") -> QueryMetrics:
        """Comma-separated values."""
        return self._file(file_path, mode, "csv")

    def parquet(self, file_path: Union[str, Path], mode: FileMode = "overwrite") -> QueryMetrics:
        """Parquet."""
        return self._file(file_path, mode, "parquet")

    def json(self, file_path: Union[str, Path], mode: FileMode = "overwrite") -> QueryMetrics:
        """JSON: an object a line where the file ends in ``.jsonl`` or ``.ndjson``, else one array."""
        lines = str(file_path).lower().endswith((".jsonl", ".ndjson"))
        return self._file(file_path, mode, "jsonl" if lines else "json")

    def arrow(self, file_path: Union[str, Path], mode: FileMode = "overwrite") -> QueryMetrics:
        """Arrow IPC."""
        return self._file(file_path, mode, "arrow")

    async def csv_async(self, file_path: Union[str, Path], mode: FileMode = "overwrite") -> QueryMetrics:
        """As :meth:`csv`, in an event loop."""
        return await self._file_async(file_path, mode, "csv")

    async def parquet_async(self, file_path: Union[str, Path], mode: FileMode = "overwrite") -> QueryMetrics:
        """As :meth:`parquet`, in an event loop."""
        return await self._file_async(file_path, mode, "parquet")

    def _skips(self, path: Union[str, Path], mode: str) -> bool:
        if mode not in ("error", "overwrite", "append", "ignore"):
            raise UsageError(f"{mode!r} is no mode: error, overwrite, append, ignore")
        if mode == "error" and Path(path).exists():
            raise TargetExistsError(f"{path} is there already, and mode is error")
        return mode == "ignore" and Path(path).exists()

    def _file(self, path: Union[str, Path], mode: str, format: str) -> QueryMetrics:
        if self._skips(path, mode):
            return QueryMetrics._of(_NOTHING)
        existing = "overwrite" if mode == "ignore" else mode
        frame = self._frame._frame
        return QueryMetrics._of(self._frame._run(lambda told: frame.write(Path(path), existing, format, told))[1])

    async def _file_async(self, path: Union[str, Path], mode: str, format: str) -> QueryMetrics:
        if self._skips(path, mode):
            return QueryMetrics._of(_NOTHING)
        existing = "overwrite" if mode == "ignore" else mode
        frame = self._frame._frame
        done = await self._frame._run_async(lambda told: frame.write_async(Path(path), existing, format, told))
        return QueryMetrics._of(done[1])

    def save_as_table(self, table_name: str, mode: TableMode = "error") -> QueryMetrics:
        """Keeps the rows as a table of the catalog, which every later session and ``corsac sql`` can read."""
        there = self._frame._session.catalog.does_table_exist(table_name)
        if there and mode == "ignore":
            return QueryMetrics._of(_NOTHING)
        target, source = quoted(table_name), "rows to keep"
        if there and mode == "append":
            statement = f"INSERT INTO {target} SELECT * FROM {quoted(source)}"
        else:
            replace = "OR REPLACE " if mode == "overwrite" else ""
            statement = f"CREATE {replace}TABLE {target} AS SELECT * FROM {quoted(source)}"
        frame = self._frame._frame
        return QueryMetrics._of(self._frame._run(lambda told: frame.keep(source, statement, told))[1])

    saveAsTable = save_as_table

    def save_as_view(self, view_name: str, description: str | None = None) -> None:
        """Keeps the plan under a name in the catalog, for ``session.view(name)``, ``session.table(name)`` and SQL, in this
        session, in every later one and in ``corsac sql``. Nothing is run or asked. Rows in memory are kept beside it, as a
        table ``<name> rows``.

        A plan that cannot be said in SQL has the name as long as the session lasts, and a warning says why.
        """
        self._frame._session._register_view(view_name, self._frame, description)

    saveAsView = save_as_view


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
