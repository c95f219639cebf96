"""Sessions: the models that are asked, and where tables come from."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union

from corsac._corsac import FrameSession
from corsac.catalog import Catalog
from corsac.config import SessionConfig
from corsac.dataframe import DataFrame
from corsac.engine import open_engine
from corsac.errors import SessionError, TableNotFoundError, UsageError
from corsac.types import NullType, Schema, StringType, native_type
from corsac.write import quoted

__all__ = ["DataFrameReader", "Session"]

PathLike = Union[str, Path]


class Session:
    """Tables of one configuration. ``Session.get_or_create(config)`` gives one; nothing is opened before something is asked."""

    _live: dict[str, Session] = {}
    _guard = threading.Lock()

    def __init__(self, config: SessionConfig | None = None) -> None:
        self.config = config or SessionConfig()
        home = None if self.config.home is None else Path(self.config.home)
        self._engine = open_engine(
            self.config.settings(), fresh=self.config._is_fresh(), home=home, sim_script=self.config.sim_script
        )
        self._native = FrameSession(self._engine, on_error=self.config.on_error, home=home)
        self._views: dict[str, str | None] = {}
        self._stopped = False

    @classmethod
    def get_or_create(cls, config: SessionConfig | None = None) -> Session:
        """The session of this configuration. One of the same ``app_name`` with another configuration is replaced, never
        given in its place."""
        config = config or SessionConfig()
        name = config.app_name or ""
        with cls._guard:
            live = cls._live.get(name)
            if live is None or live._stopped or live.config != config:
                live = cls(config)
                cls._live[name] = live
            return live

    getOrCreate = get_or_create

    # where tables come from

    def create_dataframe(self, data: Any, schema: Schema | Mapping[str, Any] | None = None) -> DataFrame:
        """A table of rows in memory: of polars, pandas, pyarrow or anything with Arrow's C interface, which is not copied; a
        dict of lists; a list of dicts.

        Args:
            data: The rows.
            schema: The types of columns. A ``Schema`` names all of them, in the order they are to have; a dict those whose
                type is not to be guessed.
        """
        self._check()
        if isinstance(schema, Schema):
            return self._of_schema(self.create_dataframe(data, _types(schema)), schema)
        types = _types(schema)
        if isinstance(data, DataFrame):
            return data
        if isinstance(data, Mapping):
            return self._columns(list(data.items()), types)
        if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
            return self._columns(_of_rows(data, list(types)), types)
        if _is_pandas(data):
            return self._typed(self._of_pandas(data), types)
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
            return self._typed(DataFrame(self._native.read_arrow(data), self), types)
        raise UsageError(
            f"{type(data).__name__} is no table: give a DataFrame of polars or pandas, a table of pyarrow, a dict of lists, or a list of dicts"
        )

    createDataFrame = create_dataframe

    def _of_schema(self, frame: DataFrame, schema: Schema) -> DataFrame:
        wanted, there = schema.column_names(), frame.columns
        if set(wanted) != set(there):
            raise UsageError(f"the schema names the columns {', '.join(wanted)}, and the rows have {', '.join(there)}")
        return frame.select(*(frame[name] for name in wanted))

    def _columns(self, columns: list[tuple[Any, Any]], types: dict[str, Any]) -> DataFrame:
        for name, values in columns:
            if not isinstance(name, str):
                raise UsageError(f"a column is called by a text, not by {name!r}")
            if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
                raise UsageError(f"column {name!r} must be a list of values, not {type(values).__name__}")
        return DataFrame(self._native.read_columns(columns, types), self)

    def _typed(self, frame: DataFrame, types: dict[str, Any]) -> DataFrame:
        return frame.with_columns({name: frame[name].cast(native, strict=True) for name, native in types.items()}) if types else frame

    def _of_pandas(self, data: Any) -> DataFrame:
        if data.columns.duplicated().any():
            twice = data.columns[data.columns.duplicated()][0]
            raise UsageError(f"two columns are called {twice!r}: rename one of them")
        try:
            import pyarrow
        except ImportError:
            columns = [(str(name), data[name].astype(object).where(data[name].notna(), None).tolist()) for name in data.columns]
            return self._columns(columns, {})
        try:
            table = pyarrow.Table.from_pandas(data, preserve_index=False)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
            raise UsageError(f"the table cannot be read: {error}") from error
        return DataFrame(self._native.read_arrow(table), self)

    @property
    def read(self) -> DataFrameReader:
        """Reads files."""
        self._check()
        return DataFrameReader(self)

    def table(self, table_name: str) -> DataFrame:
        """A table or view of the catalog, a view of this session, or a file."""
        self._check()
        return DataFrame(self._native.table(self.catalog._bare(table_name)), self)

    def view(self, view_name: str) -> DataFrame:
        """A view of this session or the catalog."""
        if not self.catalog.does_view_exist(view_name):
            raise TableNotFoundError(f"there is no view {view_name}")
        return self.table(self.catalog._spelled(view_name))

    def sql(self, query: str, /, **tables: DataFrame) -> DataFrame:
        """The rows of a query. ``{name}`` in it stands for the table given as ``name=``; files and tables of the catalog are
        called by their names."""
        self._check()
        frames = []
        for name, frame in tables.items():
            if "{" + name + "}" not in query and name not in query:
                raise UsageError(f"the query does not use {name}: write {{{name}}} in it")
            query = query.replace("{" + name + "}", quoted(name))
            frames.append((name, frame._frame))
        return DataFrame(self._native.sql(query, frames), self)

    def execute(self, statement: str) -> str:
        """Runs a statement that changes the catalog, such as ``CREATE VIEW`` or ``DROP TABLE``, and says what was done."""
        return self._native.change(statement)

    @property
    def catalog(self) -> Catalog:
        """The tables and views that persist."""
        return Catalog(self)

    def _register_view(self, name: str, frame: DataFrame, description: str | None) -> None:
        why = self._native.keep_view(name, frame._frame)
        if why is None:
            self._views.pop(name, None)
            if description is not None:
                self.catalog.set_table_description(name, description)
            return
        warnings.warn(f"the view {name} lasts as long as the session, since it cannot be kept: {why}", stacklevel=4)
        self._native.register(name, frame._frame)
        self._views[name] = description

    # what it came to

    def usage(self) -> dict[str, Any]:
        """What the session asked and took so far: answers, requests, dollars, tokens."""
        return self._engine.summary()

    def stop(self, skip_usage_summary: bool = False) -> None:
        """Ends the session: its tables can be read no more. What is answered is kept, and a session of the same configuration
        can be had again."""
        if not skip_usage_summary and not self._stopped:
            usage = self.usage()
            if usage["requests"] or usage["answered"]:
                told = f"{usage['answered']:,} answers, {usage['requests']:,} requests, ${usage['cost']:.6f}"
                print(f"corsac: {told}", file=sys.stderr)
        self._stopped = True

    def _check(self) -> None:
        if self._stopped:
            raise SessionError(f"the session {self.config.app_name or 'corsac'!r} was stopped: Session.get_or_create gives a new one")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(skip_usage_summary=True)

    def __repr__(self) -> str:
        return f"Session({self.config.app_name or 'corsac'!r})"


class DataFrameReader:
    """``session.read``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def csv(self, paths: Union[PathLike, list[PathLike]], schema: Any = None, merge_schemas: bool = False) -> DataFrame:
        """Comma-separated values, by path, pattern or folder. Types are found by looking; ``schema`` says others. With
        ``merge_schemas`` a column that only some files have is NULL elsewhere; without, the first file says the columns."""
        if schema is not None and merge_schemas:
            raise UsageError("a schema says the columns, and merge_schemas takes those of all files: leave one of them out")
        nested = [name for name, native in _types(schema).items() if isinstance(native, tuple) and native[0] in ("list", "struct", "fixed_list")]
        if nested:
            raise UsageError(f"a CSV file holds no lists and structs, and {nested[0]} is to be one: read it as text, and cast it to JSON")
        frame = self._read(paths, "csv", merge_schemas)
        return self._session._typed(frame, _types(schema))

    def parquet(self, paths: Union[PathLike, list[PathLike]], merge_schemas: bool = False) -> DataFrame:
        """Parquet files."""
        return self._read(paths, "parquet", merge_schemas)

    def json(self, paths: Union[PathLike, list[PathLike]], merge_schemas: bool = False) -> DataFrame:
        """JSON: an object a line, or one array."""
        return self._read(paths, "json", merge_schemas)

    def docs(
        self,
        paths: Union[PathLike, list[PathLike]],
        content_type: Literal["markdown", "json", "text"] = "text",
        exclude: str | None = None,
        recursive: bool = False,
    ) -> DataFrame:
        """A row for each document: ``file_path``, ``error`` and ``content``.

        Args:
            paths: Files, patterns or folders.
            content_type: What the documents are; in a folder, only files with that ending are read.
            exclude: A regular expression; documents whose path it is found in are left out.
            recursive: Whether folders in folders are read too.
        """
        from corsac.functions import null, text

        endings = {"markdown": "*.md", "json": "*.json", "text": "*"}
        if content_type not in endings:
            raise UsageError(f"{content_type!r} is no kind of document: markdown, json, text")
        sources: list[PathLike] = []
        for path in paths if isinstance(paths, list) else [paths]:
            folder = Path(path).is_dir()
            inside = Path(path) / "**" / endings[content_type] if recursive else Path(path) / endings[content_type]
            sources.append(inside if folder else path)
        read = self._read(sources, "text", merge_schemas=False)
        frame = read.select(read["path"].alias("file_path"), null("string").alias("error"), read["text"].alias("content"))
        if exclude is not None:
            frame = frame.filter(text.regexp_count("file_path", exclude) == 0)
        return frame

    def table(self, path: PathLike) -> DataFrame:
        """A file whose ending tells its format."""
        return DataFrame(self._session._native.read(str(path), None), self._session)

    def _read(self, paths: Union[PathLike, list[PathLike]], format: str, merge_schemas: bool) -> DataFrame:
        sources = [str(path) for path in (paths if isinstance(paths, (list, tuple)) else [paths])]
        if not sources:
            raise UsageError("there is no path to read")
        native = self._session._native
        frames = [DataFrame(native.read(source, format), self._session) for source in sources]
        if merge_schemas:
            names = list(dict.fromkeys(name for frame in frames for name in frame.columns))
            from corsac.functions import null

            types = {field.name: field.data_type for frame in reversed(frames) for field in frame.schema}
            frames = [
                frame.select(*(frame[name] if name in frame.columns else null(types[name]).alias(name) for name in names))
                for frame in frames
            ]
        whole = frames[0]
        for frame in frames[1:]:
            missing = [name for name in whole.columns if name not in frame.columns]
            if missing:
                raise UsageError(f"the files have different columns: {', '.join(missing)} not in all of them; merge_schemas=True takes them all")
            whole = _widened(whole, frame).union(_widened(frame.select(*(frame[name] for name in whole.columns)), whole))
        return whole


def _widened(frame: DataFrame, other: DataFrame) -> DataFrame:
    """A frame with those columns as texts that are texts in the other."""
    texts = {field.name for field in other.schema if field.data_type == StringType}
    others = [field.name for field in frame.schema if field.name in texts and field.data_type not in (StringType, NullType)]
    return frame.with_columns({name: frame[name].cast("string") for name in others}) if others else frame


def _types(schema: Schema | Mapping[str, Any] | None) -> dict[str, Any]:
    if schema is None:
        return {}
    if isinstance(schema, Schema):
        return {field.name: native_type(field.data_type) for field in schema}
    return {name: native_type(data_type) for name, data_type in schema.items()}


def _of_rows(rows: Sequence[Any], names: list[str]) -> list[tuple[Any, list[Any]]]:
    """The columns of rows; a row that lacks one has NULL there."""
    columns: dict[Any, None] = dict.fromkeys(names)
    plain = []
    for place, row in enumerate(rows):
        if hasattr(row, "model_dump"):
            row = row.model_dump()
        if not isinstance(row, Mapping):
            raise UsageError(f"row {place} is {type(row).__name__}: a list of rows holds dicts, or Pydantic models")
        columns.update(dict.fromkeys(row))
        plain.append(row)
    return [(name, [row.get(name) for row in plain]) for name in columns]


def _is_pandas(data: Any) -> bool:
    return type(data).__module__.split(".")[0] == "pandas" and type(data).__name__ == "DataFrame"
