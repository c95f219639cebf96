"""Types of columns and values of semantic functions; the same as :mod:`corsac.types`."""

from corsac.result import DataLikeType as DataLikeType
from corsac.result import QueryResult as QueryResult
from corsac.types import *  # noqa: F403
