"""Reading and writing; the same as in :mod:`corsac.session` and :mod:`corsac.write`."""

from corsac.session import DataFrameReader as DataFrameReader
from corsac.write import DataFrameWriter as DataFrameWriter
