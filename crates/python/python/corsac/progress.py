"""How far a run is, for somebody who watches: a line at a terminal, one cell of a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["watcher"]

Told = dict[str, Any]


def line(told: Told, seconds: float) -> str:
    """The figures as one line."""
    total = told["rows_total"]
    rows = f"{told['rows_done']:,}" + (f"/{total:,}" if total else "") + " rows"
    rate = f"{told['rows_done'] / seconds:,.0f}/s" if seconds > 0 else ""
    failed = f"  {told['failed_rows']:,} failed" if told["failed_rows"] else ""
    return f"{rows}  {rate}  {told['in_flight']:,} under way{failed}  ${told['cost']:.4f}"


class _Terminal:
    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, told: Told) -> None:
        sys.stderr.write("\r\x1b[K" + line(told, time.monotonic() - self._began))
        sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class _Notebook:
    def __init__(self, display: Any) -> None:
        self._began = time.monotonic()
        self._display = display
        self._handle: Any = None

    def __call__(self, told: Told) -> None:
        import html

        shown = {"text/html": f"<pre>{html.escape(line(told, time.monotonic() - self._began))}</pre>", "text/plain": ""}
        if self._handle is None:
            self._handle = self._display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def end(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)


def _in_notebook() -> Callable[..., Any] | None:
    shell = sys.modules.get("IPython")
    if shell is None or type(shell.get_ipython()).__name__ != "ZMQInteractiveShell":
        return None
    from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

    shown: Callable[..., Any] = display
    return shown


def watcher() -> _Terminal | _Notebook | None:
    """Who is told how far a run is: nobody, where nobody watches."""
    display = _in_notebook()
    if display is not None:
        return _Notebook(display)
    if sys.stderr is not None and sys.stderr.isatty():
        return _Terminal()
    return None
