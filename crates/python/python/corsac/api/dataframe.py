"""Tables; the same as :mod:`corsac.dataframe`."""

from corsac.dataframe import DataFrame as DataFrame
from corsac.dataframe import GroupedData as GroupedData
from corsac.semantic_verbs import SemanticExtensions as SemanticExtensions
