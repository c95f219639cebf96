"""Columns; the same as :mod:`corsac.column`."""

from corsac.column import Column as Column
from corsac.column import ColumnOrName as ColumnOrName
