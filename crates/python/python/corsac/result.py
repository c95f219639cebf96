"""What a run gave and what it came to: rows, metrics, lineage; and how they look in a notebook."""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING, Any, Literal

from corsac.errors import UsageError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from corsac._corsac import FrameSession, Rows

__all__ = ["DataLikeType", "Failure", "LMMetrics", "Lineage", "OperatorMetrics", "QueryMetrics", "QueryResult", "RMMetrics"]

DataLikeType = Literal["polars", "pandas", "arrow", "pydict", "pylist"]


@dataclasses.dataclass(frozen=True)
class Failure:
    """Rows that ended without an answer in one way.

    Attributes:
        kind: The class of failure, as ``outcome()`` names it.
        rows: How many rows.
        operator: The function of the first of them.
        row: The place of the first of them in its operator's input, from 0.
        input: The beginning of what was asked about.
        message: What happened and what to do.
    """

    kind: str
    rows: int
    operator: str
    row: int
    input: str
    message: str


@dataclasses.dataclass(frozen=True)
class LMMetrics:
    """What models were asked and took.

    Attributes:
        num_requests: Requests sent.
        num_uncached_input_tokens: Tokens read at the full price.
        num_cached_input_tokens: Tokens that a provider's cache had.
        num_output_tokens: Tokens written.
        cost: Dollars.
    """

    num_requests: int = 0
    num_uncached_input_tokens: int = 0
    num_cached_input_tokens: int = 0
    num_output_tokens: int = 0
    cost: float = 0.0


@dataclasses.dataclass(frozen=True)
class RMMetrics:
    """What embedding models were asked and took, beside what :class:`LMMetrics` counts: nothing, as that counts all models.

    Attributes:
        num_requests: Requests sent.
        cost: Dollars.
    """

    num_requests: int = 0
    cost: float = 0.0


@dataclasses.dataclass(frozen=True)
class OperatorMetrics:
    """What one semantic call of a query came to; times are those within which calls ended, waiting included."""

    operator: str
    description: str
    rows: int
    asked: int
    from_memory: int
    shared: int
    nothing_to_ask: int
    failed: int
    requests: int
    retried: int
    cost: float
    median_seconds: float | None
    p99_seconds: float | None


@dataclasses.dataclass(frozen=True)
class QueryMetrics:
    """What a run came to.

    Attributes:
        run_id: Its id in the ledger, for ``corsac runs show``; ``None`` where no model was asked.
        num_output_rows: Rows that came out.
        execution_time_ms: How long it took.
        calls: Questions that ended, as an answer or as a failure.
        answered: Those that ended with an answer.
        from_memory: Those whose answer was known, for nothing.
        failed_rows: Rows without an answer.
        failures: Those rows by kind.
        total_lm_metrics: Requests, tokens, dollars, those of embedding models among them.
        total_rm_metrics: What is not among them: nothing.
        operators: The same for each semantic call.
        served: Models and providers with how many answers each gave.
    """

    run_id: str | None
    num_output_rows: int
    execution_time_ms: float
    calls: int
    answered: int
    from_memory: int
    failed_rows: int
    failures: list[Failure]
    total_lm_metrics: LMMetrics
    total_rm_metrics: RMMetrics
    operators: list[OperatorMetrics]
    served: list[tuple[str, str | None, int]]

    @property
    def execution_id(self) -> str | None:
        """The same as ``run_id``."""
        return self.run_id

    @property
    def cost(self) -> float:
        """Dollars, for all models."""
        return self.total_lm_metrics.cost + self.total_rm_metrics.cost

    @classmethod
    def _of(cls, told: dict[str, Any]) -> QueryMetrics:
        cached = told.get("cached_tokens", 0)
        return cls(
            run_id=told["run_id"],
            num_output_rows=told["rows"],
            execution_time_ms=told["seconds"] * 1000,
            calls=told["calls"],
            answered=told["answered"],
            from_memory=told["from_memory"],
            failed_rows=told["failed_rows"],
            failures=[Failure(**failure) for failure in told["failures"]],
            total_lm_metrics=LMMetrics(
                num_requests=told.get("requests", 0),
                num_uncached_input_tokens=max(told.get("prompt_tokens", 0) - cached, 0),
                num_cached_input_tokens=cached,
                num_output_tokens=told.get("completion_tokens", 0),
                cost=told["cost"],
            ),
            total_rm_metrics=RMMetrics(),
            operators=[OperatorMetrics(**operator) for operator in told["operators"]],
            served=list(told.get("served", [])),
        )

    def get_summary(self) -> str:
        """What a person wants to know, in a few lines."""
        requests = self.total_lm_metrics.num_requests + self.total_rm_metrics.num_requests
        run = f"run {self.run_id}  " if self.run_id else ""
        lines = [
            f"{run}{self.num_output_rows:,} rows in {self.execution_time_ms / 1000:.2f} s",
            f"{self.answered:,} answers, {self.from_memory:,} of them from memory; {requests:,} requests, ${self.cost:.6f}",
        ]
        lines += [f"{failure.rows:,} rows failed ({failure.kind}): {failure.message}" for failure in self.failures]
        return "\n".join(lines)

    def get_execution_plan_details(self) -> str:
        """What each semantic call came to, a line each."""
        lines = [
            f"{one.operator} {one.description}: {one.rows:,} rows, {one.asked:,} asked, {one.from_memory:,} from memory, "
            f"{one.failed:,} failed, {one.requests:,} requests, ${one.cost:.6f}"
            for one in self.operators
        ]
        return "\n".join(lines) or "no model was asked"

    def __str__(self) -> str:
        return self.get_summary()

    def _repr_html_(self) -> str:
        return "<pre>" + html.escape(self.get_summary()) + "</pre>"


class QueryResult:
    """Rows and what they came to.

    Attributes:
        data: The rows in the form that was asked for.
        metrics: What the run came to.
    """

    def __init__(self, rows: Rows, told: dict[str, Any], data_type: DataLikeType) -> None:
        self._rows = rows
        self.metrics = QueryMetrics._of(told)
        self.data = converted(rows, data_type)

    @property
    def run_id(self) -> str | None:
        """The run's id in the ledger; ``None`` where no model was asked."""
        return self.metrics.run_id

    def __len__(self) -> int:
        return len(self._rows)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._rows.__arrow_c_schema__()

    def __repr__(self) -> str:
        return f"{self.data!r}\n{self.metrics.get_summary()}"

    def _repr_html_(self) -> str:
        return rows_html(self._rows) + self.metrics._repr_html_()


def converted(rows: Rows, data_type: str) -> Any:
    """Rows in another library's form, by Arrow's C interface where the library has it."""
    if data_type == "polars":
        return to_polars(rows)
    if data_type == "pandas":
        return to_pandas(rows)
    if data_type == "arrow":
        return to_arrow(rows)
    if data_type == "pydict":
        return rows.to_pydict()
    if data_type == "pylist":
        return rows.to_pylist()
    raise UsageError(f"{data_type!r} is no form of rows: polars, pandas, arrow, pydict, pylist")


def to_polars(rows: Rows) -> polars.DataFrame:
    """Rows as polars has them; nothing is copied that polars does not copy."""
    try:
        import polars
    except ImportError as error:
        raise ImportError("polars is not installed: pip install 'corsac[polars]', or take collect('arrow') or to_pylist()") from error
    if not rows.column_names:
        return polars.DataFrame()
    return polars.DataFrame(rows)


def to_arrow(rows: Rows) -> pyarrow.Table:
    """Rows as a table of pyarrow, without a copy."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("pyarrow is not installed: pip install pyarrow, or take to_polars() or to_pylist()") from error
    return pyarrow.table(rows)


def to_pandas(rows: Rows) -> pandas.DataFrame:
    """Rows as pandas has them."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("pandas is not installed: pip install 'corsac[pandas]', or take to_pylist()") from error
    try:
        import pyarrow
    except ImportError:
        return pandas.DataFrame(rows.to_pydict())
    return pyarrow.table(rows).to_pandas()


class Lineage:
    """Where values came from: for a row of a run, the calls that made its values. Read from the ledger; nothing is asked."""

    def __init__(self, session: FrameSession, result: QueryResult) -> None:
        self._session = session
        self.result = result

    def calls(self, row: int, operator: str | None = None) -> list[dict[str, Any]]:
        """The calls of a row: what was asked, who answered what, how often it was tried, at what cost.

        Args:
            row: The row's place, from 0, in the order in which rows came to the operator.
            operator: The function, such as ``"semantic_map"``, where the query has several.
        """
        if self.result.run_id is None:
            return []
        return self._session.trace(self.result.run_id, row, operator)

    def get_result_df(self) -> Any:
        """The rows of the result."""
        return self.result.data

    def show(self) -> None:
        """Prints what each semantic call of the query came to."""
        for operator in self.result.metrics.operators:
            print(f"{operator.description}: {operator.rows} rows, {operator.asked} asked, {operator.from_memory} from memory, {operator.failed} failed")


_SHOWN_ROWS = 20
_SHOWN_CHARACTERS = 200


def rows_html(rows: Rows) -> str:
    """The first rows as a table of HTML."""
    first = rows.head(_SHOWN_ROWS).to_pylist()
    body = [[_cell(value) for value in row.values()] for row in first]
    more = len(rows) - len(first)
    return html_table(rows.column_names, body) + (f"<p>and {more:,} more rows</p>" if more > 0 else "")


def _cell(value: Any) -> str:
    text = "NULL" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def html_table(columns: list[str], rows: list[list[str]]) -> str:
    """A table of HTML, with everything in it escaped."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def text_table(columns: list[str], rows: list[list[str]], width: int = 40) -> str:
    """A table of text, its cells at most so wide."""
    cut = [[cell.replace("\n", " ") for cell in row] for row in [columns, *rows]]
    cut = [[cell if len(cell) <= width else cell[: width - 1] + "…" for cell in row] for row in cut]
    widths = [max(len(row[place]) for row in cut) for place in range(len(columns))]
    lines = ["| " + " | ".join(cell.ljust(size) for cell, size in zip(row, widths)) + " |" for row in cut]
    lines.insert(1, "|" + "|".join("-" * (size + 2) for size in widths) + "|")
    return "\n".join(lines)


def shown(rows: Rows) -> str:
    """Rows as a table of text."""
    return text_table(rows.column_names, [[_cell(value) for value in row.values()] for row in rows.to_pylist()])
