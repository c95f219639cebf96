"""Ask a language model about every row of a table, reliably, and prove what it got and what it cost.

Three ways in: sessions with semantic frames, programs (:class:`Signature`, :class:`Predict`, …), and ``corsac.dspy``, DSPy on
this engine. Each is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corsac._corsac import __version__

if TYPE_CHECKING:
    from corsac.catalog import Catalog as Catalog
    from corsac.catalog import DatasetMetadata as DatasetMetadata
    from corsac.column import Column as Column
    from corsac.column import ColumnOrName as ColumnOrName
    from corsac.config import LLMResponseCacheConfig as LLMResponseCacheConfig
    from corsac.config import LocalEmbeddingModel as LocalEmbeddingModel
    from corsac.config import LocalLanguageModel as LocalLanguageModel
    from corsac.config import OpenAICompatibleEmbeddingModel as OpenAICompatibleEmbeddingModel
    from corsac.config import OpenAICompatibleLanguageModel as OpenAICompatibleLanguageModel
    from corsac.config import OpenAIEmbeddingModel as OpenAIEmbeddingModel
    from corsac.config import OpenAILanguageModel as OpenAILanguageModel
    from corsac.config import OpenRouterEmbeddingModel as OpenRouterEmbeddingModel
    from corsac.config import OpenRouterLanguageModel as OpenRouterLanguageModel
    from corsac.config import Profile as Profile
    from corsac.config import Provider as Provider
    from corsac.config import SemanticConfig as SemanticConfig
    from corsac.config import SessionConfig as SessionConfig
    from corsac.dataframe import DataFrame as DataFrame
    from corsac.dataframe import GroupedData as GroupedData
    from corsac.errors import CallError as CallError
    from corsac.errors import CatalogError as CatalogError
    from corsac.errors import ColumnNotFoundError as ColumnNotFoundError
    from corsac.errors import ConfigurationError as ConfigurationError
    from corsac.errors import CorsacError as CorsacError
    from corsac.errors import ExecutionError as ExecutionError
    from corsac.errors import InvalidExampleCollectionError as InvalidExampleCollectionError
    from corsac.errors import PlanError as PlanError
    from corsac.errors import QueryError as QueryError
    from corsac.errors import TableAlreadyExistsError as TableAlreadyExistsError
    from corsac.errors import TableError as TableError
    from corsac.errors import TableNotFoundError as TableNotFoundError
    from corsac.errors import TypeMismatchError as TypeMismatchError
    from corsac.errors import UsageError as UsageError
    from corsac.errors import ValidationError as ValidationError
    from corsac.errors import WriteError as WriteError
    from corsac.functions import approx_count_distinct as approx_count_distinct
    from corsac.functions import arr as arr
    from corsac.functions import array as array
    from corsac.functions import array_agg as array_agg
    from corsac.functions import array_contains as array_contains
    from corsac.functions import array_size as array_size
    from corsac.functions import asc as asc
    from corsac.functions import asc_nulls_first as asc_nulls_first
    from corsac.functions import asc_nulls_last as asc_nulls_last
    from corsac.functions import async_udf as async_udf
    from corsac.functions import avg as avg
    from corsac.functions import coalesce as coalesce
    from corsac.functions import col as col
    from corsac.functions import collect_list as collect_list
    from corsac.functions import count as count
    from corsac.functions import count_distinct as count_distinct
    from corsac.functions import desc as desc
    from corsac.functions import desc_nulls_first as desc_nulls_first
    from corsac.functions import desc_nulls_last as desc_nulls_last
    from corsac.functions import dt as dt
    from corsac.functions import embedding as embedding
    from corsac.functions import empty as empty
    from corsac.functions import first as first
    from corsac.functions import flatten as flatten
    from corsac.functions import function as function
    from corsac.functions import greatest as greatest
    from corsac.functions import json as json
    from corsac.functions import least as least
    from corsac.functions import lit as lit
    from corsac.functions import markdown as markdown
    from corsac.functions import max as max
    from corsac.functions import mean as mean
    from corsac.functions import median as median
    from corsac.functions import min as min
    from corsac.functions import null as null
    from corsac.functions import outcome as outcome
    from corsac.functions import semantic as semantic
    from corsac.functions import stddev as stddev
    from corsac.functions import struct as struct
    from corsac.functions import sum as sum
    from corsac.functions import sum_distinct as sum_distinct
    from corsac.functions import text as text
    from corsac.functions import udf as udf
    from corsac.functions import when as when
    from corsac.measure import aevaluate as aevaluate
    from corsac.measure import atune as atune
    from corsac.measure import evaluate as evaluate
    from corsac.measure import tune as tune
    from corsac.programs import BestOfN as BestOfN
    from corsac.programs import ChainOfThought as ChainOfThought
    from corsac.programs import Example as Example
    from corsac.programs import LM as LM
    from corsac.programs import Module as Module
    from corsac.programs import MultiChainComparison as MultiChainComparison
    from corsac.programs import Predict as Predict
    from corsac.programs import Prediction as Prediction
    from corsac.programs import ReAct as ReAct
    from corsac.programs import Refine as Refine
    from corsac.programs import configure as configure
    from corsac.programs import load as load
    from corsac.result import DataLikeType as DataLikeType
    from corsac.result import LMMetrics as LMMetrics
    from corsac.result import Lineage as Lineage
    from corsac.result import OperatorMetrics as OperatorMetrics
    from corsac.result import QueryMetrics as QueryMetrics
    from corsac.result import QueryResult as QueryResult
    from corsac.result import RMMetrics as RMMetrics
    from corsac.semantic_verbs import SemanticExtensions as SemanticExtensions
    from corsac.session import DataFrameReader as DataFrameReader
    from corsac.session import Session as Session
    from corsac.signature import InputField as InputField
    from corsac.signature import OutputField as OutputField
    from corsac.signature import Signature as Signature
    from corsac.simulator import Simulator as Simulator
    from corsac.types import ArrayType as ArrayType
    from corsac.types import BinaryType as BinaryType
    from corsac.types import BooleanType as BooleanType
    from corsac.types import BranchSide as BranchSide
    from corsac.types import ClassDefinition as ClassDefinition
    from corsac.types import ClassifyExample as ClassifyExample
    from corsac.types import ClassifyExampleCollection as ClassifyExampleCollection
    from corsac.types import ColumnField as ColumnField
    from corsac.types import DataType as DataType
    from corsac.types import DateType as DateType
    from corsac.types import DocumentPathType as DocumentPathType
    from corsac.types import DoubleType as DoubleType
    from corsac.types import EmbeddingType as EmbeddingType
    from corsac.types import FloatType as FloatType
    from corsac.types import FuzzySimilarityMethod as FuzzySimilarityMethod
    from corsac.types import HtmlType as HtmlType
    from corsac.types import IntegerType as IntegerType
    from corsac.types import JoinExample as JoinExample
    from corsac.types import JoinExampleCollection as JoinExampleCollection
    from corsac.types import JsonType as JsonType
    from corsac.types import KeyPoints as KeyPoints
    from corsac.types import MapExample as MapExample
    from corsac.types import MapExampleCollection as MapExampleCollection
    from corsac.types import MarkdownType as MarkdownType
    from corsac.types import ModelAlias as ModelAlias
    from corsac.types import Paragraph as Paragraph
    from corsac.types import PredicateExample as PredicateExample
    from corsac.types import PredicateExampleCollection as PredicateExampleCollection
    from corsac.types import Schema as Schema
    from corsac.types import SemanticSimilarityMetric as SemanticSimilarityMetric
    from corsac.types import StringType as StringType
    from corsac.types import StructField as StructField
    from corsac.types import StructType as StructType
    from corsac.types import TimestampType as TimestampType
    from corsac.types import TranscriptType as TranscriptType
    from corsac.write import DataFrameWriter as DataFrameWriter

#: Names of the package and the modules that define them.
_LAZY = {
    "ArrayType": "corsac.types",
    "BestOfN": "corsac.programs",
    "BinaryType": "corsac.types",
    "BooleanType": "corsac.types",
    "BranchSide": "corsac.types",
    "CallError": "corsac.errors",
    "Catalog": "corsac.catalog",
    "CatalogError": "corsac.errors",
    "ChainOfThought": "corsac.programs",
    "ClassDefinition": "corsac.types",
    "ClassifyExample": "corsac.types",
    "ClassifyExampleCollection": "corsac.types",
    "Column": "corsac.column",
    "ColumnField": "corsac.types",
    "ColumnNotFoundError": "corsac.errors",
    "ColumnOrName": "corsac.column",
    "ConfigurationError": "corsac.errors",
    "CorsacError": "corsac.errors",
    "DataFrame": "corsac.dataframe",
    "DataFrameReader": "corsac.session",
    "DataFrameWriter": "corsac.write",
    "DataLikeType": "corsac.result",
    "DataType": "corsac.types",
    "DatasetMetadata": "corsac.catalog",
    "DateType": "corsac.types",
    "DocumentPathType": "corsac.types",
    "DoubleType": "corsac.types",
    "EmbeddingType": "corsac.types",
    "Example": "corsac.programs",
    "ExecutionError": "corsac.errors",
    "FloatType": "corsac.types",
    "FuzzySimilarityMethod": "corsac.types",
    "GroupedData": "corsac.dataframe",
    "HtmlType": "corsac.types",
    "InputField": "corsac.signature",
    "IntegerType": "corsac.types",
    "InvalidExampleCollectionError": "corsac.errors",
    "JoinExample": "corsac.types",
    "JoinExampleCollection": "corsac.types",
    "JsonType": "corsac.types",
    "KeyPoints": "corsac.types",
    "LLMResponseCacheConfig": "corsac.config",
    "LM": "corsac.programs",
    "LMMetrics": "corsac.result",
    "Lineage": "corsac.result",
    "LocalEmbeddingModel": "corsac.config",
    "LocalLanguageModel": "corsac.config",
    "MapExample": "corsac.types",
    "MapExampleCollection": "corsac.types",
    "MarkdownType": "corsac.types",
    "ModelAlias": "corsac.types",
    "Module": "corsac.programs",
    "MultiChainComparison": "corsac.programs",
    "OpenAICompatibleEmbeddingModel": "corsac.config",
    "OpenAICompatibleLanguageModel": "corsac.config",
    "OpenAIEmbeddingModel": "corsac.config",
    "OpenAILanguageModel": "corsac.config",
    "OpenRouterEmbeddingModel": "corsac.config",
    "OpenRouterLanguageModel": "corsac.config",
    "OperatorMetrics": "corsac.result",
    "OutputField": "corsac.signature",
    "Paragraph": "corsac.types",
    "PlanError": "corsac.errors",
    "PredicateExample": "corsac.types",
    "PredicateExampleCollection": "corsac.types",
    "Predict": "corsac.programs",
    "Prediction": "corsac.programs",
    "Profile": "corsac.config",
    "Provider": "corsac.config",
    "QueryError": "corsac.errors",
    "QueryMetrics": "corsac.result",
    "QueryResult": "corsac.result",
    "RMMetrics": "corsac.result",
    "ReAct": "corsac.programs",
    "Refine": "corsac.programs",
    "Schema": "corsac.types",
    "SemanticConfig": "corsac.config",
    "SemanticExtensions": "corsac.semantic_verbs",
    "SemanticSimilarityMetric": "corsac.types",
    "Session": "corsac.session",
    "SessionConfig": "corsac.config",
    "Signature": "corsac.signature",
    "Simulator": "corsac.simulator",
    "StringType": "corsac.types",
    "StructField": "corsac.types",
    "StructType": "corsac.types",
    "TableAlreadyExistsError": "corsac.errors",
    "TableError": "corsac.errors",
    "TableNotFoundError": "corsac.errors",
    "TimestampType": "corsac.types",
    "TranscriptType": "corsac.types",
    "TypeMismatchError": "corsac.errors",
    "UsageError": "corsac.errors",
    "ValidationError": "corsac.errors",
    "WriteError": "corsac.errors",
    "aevaluate": "corsac.measure",
    "approx_count_distinct": "corsac.functions",
    "array": "corsac.functions",
    "array_agg": "corsac.functions",
    "array_contains": "corsac.functions",
    "array_size": "corsac.functions",
    "asc": "corsac.functions",
    "asc_nulls_first": "corsac.functions",
    "asc_nulls_last": "corsac.functions",
    "async_udf": "corsac.functions",
    "atune": "corsac.measure",
    "avg": "corsac.functions",
    "coalesce": "corsac.functions",
    "col": "corsac.functions",
    "collect_list": "corsac.functions",
    "configure": "corsac.programs",
    "count": "corsac.functions",
    "count_distinct": "corsac.functions",
    "desc": "corsac.functions",
    "desc_nulls_first": "corsac.functions",
    "desc_nulls_last": "corsac.functions",
    "empty": "corsac.functions",
    "evaluate": "corsac.measure",
    "first": "corsac.functions",
    "flatten": "corsac.functions",
    "function": "corsac.functions",
    "greatest": "corsac.functions",
    "least": "corsac.functions",
    "lit": "corsac.functions",
    "load": "corsac.programs",
    "max": "corsac.functions",
    "mean": "corsac.functions",
    "median": "corsac.functions",
    "min": "corsac.functions",
    "null": "corsac.functions",
    "outcome": "corsac.functions",
    "stddev": "corsac.functions",
    "struct": "corsac.functions",
    "sum": "corsac.functions",
    "sum_distinct": "corsac.functions",
    "tune": "corsac.measure",
    "udf": "corsac.functions",
    "when": "corsac.functions",
}

#: Names that other DataFrame libraries of this kind have, and what stands in their place here.
_ELSEWHERE = {
    **dict.fromkeys(
        ["AnthropicLanguageModel", "GoogleDeveloperLanguageModel", "GoogleVertexLanguageModel"],
        "OpenRouterLanguageModel('anthropic/…') or ('google/…') asks the same models with one key",
    ),
    **dict.fromkeys(
        ["CohereEmbeddingModel", "GoogleDeveloperEmbeddingModel", "GoogleVertexEmbeddingModel"],
        "OpenRouterEmbeddingModel, OpenAICompatibleEmbeddingModel or LocalEmbeddingModel gives vectors",
    ),
    **dict.fromkeys(["CloudConfig", "CloudExecutorSize"], "there is no cloud: it runs where it is called"),
    **dict.fromkeys(
        ["create_mcp_server", "run_mcp_server_asgi", "run_mcp_server_async", "run_mcp_server_sync", "tool_param", "ToolParam"],
        "there are no MCP tools",
    ),
}

#: Modules of functions that can be had from the package itself.
_MODULES = ("arr", "dt", "embedding", "json", "markdown", "semantic", "text")

__all__ = ["__version__", *_MODULES, *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"corsac.functions.{name}")
    module = _LAZY.get(name)
    if module is None:
        instead = f": {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
        raise AttributeError(f"module 'corsac' has no attribute {name!r}{instead}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_MODULES})
