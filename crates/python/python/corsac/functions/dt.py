"""Functions of dates and moments."""

from __future__ import annotations

from typing import Literal

from corsac.column import Column, ColumnOrName, _call, _column, literal, named
from corsac.errors import UsageError

__all__ = [
    "current_date",
    "current_timestamp",
    "date_add",
    "date_format",
    "date_sub",
    "date_trunc",
    "datediff",
    "day",
    "from_utc_timestamp",
    "hour",
    "millisecond",
    "minute",
    "month",
    "now",
    "second",
    "timestamp_add",
    "timestamp_diff",
    "to_date",
    "to_timestamp",
    "to_utc_timestamp",
    "year",
]

Unit = Literal["year", "month", "day", "hour", "minute", "second", "millisecond"]

_TRUNCATED = ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond")

# the parts of a Java pattern, longest first, and what strftime calls them
_PARTS = [
    ("yyyy", "%Y"),
    ("yy", "%y"),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("dd", "%d"),
    ("d", "%-d"),
    ("EEEE", "%A"),
    ("EEE", "%a"),
    ("E", "%a"),
    ("HH", "%H"),
    ("H", "%-H"),
    ("hh", "%I"),
    ("h", "%-I"),
    ("mm", "%M"),
    ("m", "%-M"),
    ("ss", "%S"),
    ("s", "%-S"),
    ("SSS", "%3f"),
    ("a", "%p"),
    ("XXX", "%:z"),
    ("z", "%Z"),
]


def _pattern(format: str) -> str:
    """A pattern of strftime. One with a percent sign is one already; others are written as Java and Spark write them."""
    if "%" in format:
        return format
    made, rest = "", format
    while rest:
        if rest[0] == "'":
            quoted, _, rest = rest[1:].partition("'")
            made += quoted or "'"
            continue
        for part, directive in _PARTS:
            if rest.startswith(part):
                made, rest = made + directive, rest[len(part) :]
                break
        else:
            if rest[0].isalpha() and rest[0] != "T":
                raise UsageError(f"{rest[0]!r} in the pattern {format!r} is not known: write it as strftime does, such as %Y-%m-%d")
            made, rest = made + rest[0], rest[1:]
    return made


def current_date() -> Column:
    """Today, in UTC."""
    return _call("current_date")


def current_timestamp() -> Column:
    """Now, in UTC."""
    return _call("now")


now = current_timestamp


def _part(column: ColumnOrName, part: str) -> Column:
    return _call("date_part", literal(part), named(column))


def year(column: ColumnOrName) -> Column:
    """The year."""
    return _part(column, "year")


def month(column: ColumnOrName) -> Column:
    """The month, from 1."""
    return _part(column, "month")


def day(column: ColumnOrName) -> Column:
    """The day of the month."""
    return _part(column, "day")


def hour(column: ColumnOrName) -> Column:
    """The hour."""
    return _part(column, "hour")


def minute(column: ColumnOrName) -> Column:
    """The minute."""
    return _part(column, "minute")


def second(column: ColumnOrName) -> Column:
    """The second."""
    return _part(column, "second")


def millisecond(column: ColumnOrName) -> Column:
    """The thousandths of the second."""
    return _part(column, "millisecond") % 1000


def _interval(quantity: int | ColumnOrName, unit: str) -> Column:
    many = named(quantity) if isinstance(quantity, (Column, str)) else literal(quantity)
    return _call("concat", many.cast("string"), literal(f" {unit}s")).cast("interval", strict=True)


def date_add(column: ColumnOrName, days: int | ColumnOrName) -> Column:
    """So many days later."""
    return named(column) + _interval(days, "day")


def date_sub(column: ColumnOrName, days: int | ColumnOrName) -> Column:
    """So many days earlier."""
    return named(column) - _interval(days, "day")


def timestamp_add(column: ColumnOrName, quantity: int | ColumnOrName, unit: Unit) -> Column:
    """So much later."""
    return named(column) + _interval(quantity, unit)


def datediff(end: ColumnOrName, start: ColumnOrName) -> Column:
    """Days from start to end."""
    return _call("timestamp_diff", literal("day"), named(start), named(end))


def timestamp_diff(start: ColumnOrName, end: ColumnOrName, unit: Unit) -> Column:
    """Whole units from start to end."""
    return _call("timestamp_diff", literal(unit), named(start), named(end))


def date_trunc(column: ColumnOrName, unit: Unit) -> Column:
    """The beginning of the year, the month, the day and so on."""
    if unit not in _TRUNCATED:
        raise UsageError(f"{unit!r} is no unit to cut at: there are {', '.join(_TRUNCATED)}")
    return _call("date_trunc", literal(unit), named(column))


def date_format(column: ColumnOrName, format: str) -> Column:
    """As text, by a pattern such as ``yyyy-MM-dd`` or ``%Y-%m-%d``."""
    return _call("to_char", named(column), _column(_pattern(format)))


def to_date(column: ColumnOrName, format: str | None = None) -> Column:
    """A text as a date; the pattern is that of :func:`date_format`."""
    return _call("to_date", named(column), *([] if format is None else [literal(_pattern(format))]))


def to_timestamp(column: ColumnOrName, format: str | None = None) -> Column:
    """A text as a moment in UTC; the pattern is that of :func:`date_format`."""
    return _moment(_call("to_timestamp", named(column), *([] if format is None else [literal(_pattern(format))])), "UTC")


def _moment(column: Column, zone: str | None) -> Column:
    return column.cast(("timestamp", "us", zone), strict=True)


def to_utc_timestamp(column: ColumnOrName, tz: str) -> Column:
    """A moment as clocks of a time zone show it, in UTC."""
    return _moment(_moment(_moment(named(column), None), tz), "UTC")


def from_utc_timestamp(column: ColumnOrName, tz: str) -> Column:
    """A moment in UTC as clocks of a time zone show it."""
    return _call("to_local_time", _moment(_moment(_moment(named(column), None), "UTC"), tz))
