"""Types of columns, and the small values that semantic functions take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Union

from corsac.errors import InvalidExampleCollectionError, UsageError

__all__ = [
    "ArrayType",
    "BinaryType",
    "BooleanType",
    "ClassDefinition",
    "ClassifyExample",
    "ClassifyExampleCollection",
    "BranchSide",
    "DataType",
    "DateType",
    "DocumentPathType",
    "DoubleType",
    "EmbeddingType",
    "FloatType",
    "FuzzySimilarityMethod",
    "HtmlType",
    "IntegerType",
    "JoinExample",
    "JoinExampleCollection",
    "JsonType",
    "KeyPoints",
    "MapExample",
    "MapExampleCollection",
    "MarkdownType",
    "ModelAlias",
    "Paragraph",
    "PredicateExample",
    "PredicateExampleCollection",
    "Schema",
    "SemanticSimilarityMetric",
    "StringType",
    "StructField",
    "StructType",
    "TimestampType",
    "TranscriptType",
    "ColumnField",
]


class DataType:
    """The type of a column."""

    __slots__ = ("_native",)
    _native: Any

    def __init__(self, native: Any) -> None:
        object.__setattr__(self, "_native", native)

    # a whole number is an IntegerType in whatever width the engine keeps it, and a text a StringType
    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and _kind(self._native) == _kind(other._native)

    def __hash__(self) -> int:
        return hash(repr(_kind(self._native)))

    def __repr__(self) -> str:
        return _shown(self._native)


class ArrayType(DataType):
    """A list of values of one type."""

    __slots__ = ()

    def __init__(self, element_type: DataType) -> None:
        super().__init__(("list", element_type._native))

    @property
    def element_type(self) -> DataType:
        """The type of the items."""
        return _type_of(self._native[1])


@dataclasses.dataclass(frozen=True)
class StructField:
    """A field of a struct."""

    name: str
    data_type: DataType


class StructType(DataType):
    """Named values of different types."""

    __slots__ = ()

    def __init__(self, struct_fields: Sequence[StructField]) -> None:
        super().__init__(("struct", [(field.name, field.data_type._native) for field in struct_fields]))

    @property
    def struct_fields(self) -> list[StructField]:
        """The fields in order."""
        return [StructField(name, _type_of(native)) for name, native in self._native[1]]


class EmbeddingType(DataType):
    """A vector: a list of so many 32-bit numbers."""

    __slots__ = ("embedding_model",)
    embedding_model: str | None

    @property
    def dimensions(self) -> int:
        """How many numbers."""
        return int(self._native[2])

    def __init__(self, dimensions: int, embedding_model: str | None = None) -> None:
        super().__init__(("fixed_list", "float32", dimensions))
        object.__setattr__(self, "embedding_model", embedding_model)


StringType = DataType("string")
IntegerType = DataType("int64")
FloatType = DataType("float32")
DoubleType = DataType("float64")
BooleanType = DataType("boolean")
DateType = DataType("date")
TimestampType = DataType(("timestamp", "us", "UTC"))
BinaryType = DataType("binary")
# a column of which nothing but NULL is known
NullType = DataType("null")
# texts with a meaning; the engine knows them as texts
JsonType = DataType("json")
MarkdownType = DataType("string")
HtmlType = DataType("string")


class TranscriptType(DataType):
    """A text that is a transcript."""

    __slots__ = ("format",)
    format: str

    def __init__(self, format: Literal["generic", "srt", "webvtt"]) -> None:
        super().__init__("string")
        object.__setattr__(self, "format", format)


class DocumentPathType(DataType):
    """A text that is the path of a document."""

    __slots__ = ("format",)
    format: str

    def __init__(self, format: Literal["pdf"] = "pdf") -> None:
        super().__init__("string")
        object.__setattr__(self, "format", format)


_ALIKE = {
    **dict.fromkeys(["int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64"], "int64"),
    **dict.fromkeys(["large_string", "string_view", "json"], "string"),
    **dict.fromkeys(["large_binary", "binary_view"], "binary"),
    "float16": "float32",
    "date64": "date",
    "timestamp": "moment",
    "large_list": "list",
}


def _kind(native: Any) -> Any:
    """A native type without what only the engine cares for: widths, units, time zones."""
    if isinstance(native, str):
        return _ALIKE.get(native, native)
    if not isinstance(native, tuple):
        return native
    kind, *rest = native
    if kind == "timestamp":
        return "moment"
    if kind == "struct":
        return ("struct", [(name, _kind(inner)) for name, inner in rest[0]])
    return (_ALIKE.get(kind, kind), *map(_kind, rest))


def _type_of(native: Any) -> DataType:
    made = DataType(native)
    if isinstance(native, tuple) and native[0] == "list":
        made = ArrayType(_type_of(native[1]))
    elif isinstance(native, tuple) and native[0] == "struct":
        made = StructType([StructField(name, _type_of(inner)) for name, inner in native[1]])
    elif isinstance(native, tuple) and native[:2] == ("fixed_list", "float32"):
        made = EmbeddingType(native[2])
    return made


def _shown(native: Any) -> str:
    if isinstance(native, str):
        return native
    kind, *rest = native
    if kind == "struct":
        return "struct<" + ", ".join(f"{name}: {_shown(inner)}" for name, inner in rest[0]) + ">"
    return f"{kind}<" + ", ".join(_shown(part) if isinstance(part, (str, tuple)) else str(part) for part in rest) + ">"


def native_type(data_type: Any) -> Any:
    """What the engine reads: a type of this module, its name, a Python class, or anything with an Arrow schema."""
    if isinstance(data_type, DataType):
        return data_type._native
    plain = {str: "string", int: "int64", float: "float64", bool: "boolean", bytes: "binary"}
    if isinstance(data_type, type) and data_type in plain:
        return plain[data_type]
    return data_type


@dataclasses.dataclass(frozen=True)
class ColumnField:
    """A column's name and type."""

    name: str
    data_type: DataType


class Schema:
    """The columns of a table, in order."""

    __slots__ = ("column_fields",)

    def __init__(self, column_fields: Sequence[ColumnField]) -> None:
        self.column_fields = list(column_fields)

    @classmethod
    def _of(cls, pairs: Iterable[tuple[str, Any]]) -> Schema:
        return cls([ColumnField(name, _type_of(native)) for name, native in pairs])

    def column_names(self) -> list[str]:
        """The names in order."""
        return [field.name for field in self.column_fields]

    def __iter__(self) -> Iterator[ColumnField]:
        return iter(self.column_fields)

    def __len__(self) -> int:
        return len(self.column_fields)

    def __getitem__(self, name: str) -> DataType:
        for field in self.column_fields:
            if field.name == name:
                return field.data_type
        raise KeyError(f"there is no column {name!r}: there are {', '.join(self.column_names())}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.column_fields == other.column_fields

    def __repr__(self) -> str:
        return "Schema(" + ", ".join(f"{field.name}: {field.data_type!r}" for field in self.column_fields) + ")"

    def _repr_html_(self) -> str:
        from corsac.result import html_table

        return html_table(["column", "type"], [[field.name, repr(field.data_type)] for field in self.column_fields])


@dataclasses.dataclass(frozen=True)
class ModelAlias:
    """A model of the session by its alias, with one of its profiles."""

    name: str
    profile: str | None = None


@dataclasses.dataclass(frozen=True)
class ClassDefinition:
    """A label and what belongs under it."""

    label: str
    description: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label.strip():
            raise UsageError(f"a label is a text, not {self.label!r}")


@dataclasses.dataclass(frozen=True)
class KeyPoints:
    """A summary as a list of points."""

    max_points: int = 5

    def __post_init__(self) -> None:
        if self.max_points < 1:
            raise UsageError(f"a summary has at least 1 point, not {self.max_points}")


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A summary as one paragraph."""

    max_words: int = 120

    def __post_init__(self) -> None:
        if self.max_words < 1:
            raise UsageError(f"a summary has at least 1 word, not {self.max_words}")


@dataclasses.dataclass(frozen=True)
class MapExample:
    """Inputs by the template's names, and the answer to them: a text, or a value of the call's Pydantic model."""

    input: Mapping[str, Any]
    output: Any

    def __post_init__(self) -> None:
        if not isinstance(self.output, (str, Mapping)) and not hasattr(self.output, "model_dump"):
            raise InvalidExampleCollectionError(f"the output of an example is a text or a Pydantic model, not {self.output!r}")


@dataclasses.dataclass(frozen=True)
class PredicateExample:
    """Inputs by the template's names, and whether the predicate holds."""

    input: Mapping[str, Any]
    output: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", _truth(self.output))


@dataclasses.dataclass(frozen=True)
class ClassifyExample:
    """A text and its label."""

    input: str
    output: str


@dataclasses.dataclass(frozen=True)
class JoinExample:
    """A value of each side, and whether they belong together."""

    left_on: Any
    right_on: Any
    output: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", _truth(self.output))


Example = Union[MapExample, PredicateExample, ClassifyExample, JoinExample]


class _Collection:
    """Examples of one kind, built one by one or from a table."""

    _kind: Any = None
    #: The columns of a table of examples.
    _wanted: tuple[str, ...] = ("output",)

    def __init__(self, examples: Sequence[Any] | None = None) -> None:
        self.examples: list[Any] = []
        for example in examples or []:
            self.create_example(example)

    def create_example(self, example: Any) -> Any:
        """Adds an example and gives the collection.

        Raises:
            InvalidExampleCollectionError: It is of another kind, or does not go with those that are there.
        """
        if not isinstance(example, self._kind):
            raise InvalidExampleCollectionError(f"{type(self).__name__} takes {self._kind.__name__}, not {type(example).__name__}")
        self._fits(example)
        self.examples.append(example)
        return self

    def _fits(self, example: Any) -> None:
        """Whether an example has the inputs of those before it, and of the same types."""
        inputs = getattr(example, "input", None)
        if not isinstance(inputs, Mapping):
            return
        place = len(self.examples) + 1
        first = self.examples[0].input if self.examples else inputs
        if set(inputs) != set(first):
            raise InvalidExampleCollectionError(f"example {place} has the inputs {sorted(inputs)}, and those before it {sorted(first)}")
        for name, value in inputs.items():
            if value is None and not self.examples:
                raise InvalidExampleCollectionError(f"example 1 has nothing for {name!r}, which tells no type: put another one first")
            if value is not None and _sort(value) is not _sort(first[name]):
                raise InvalidExampleCollectionError(
                    f"example {place}: {name!r} is {type(value).__name__}, and {type(first[name]).__name__} in the first example"
                )

    @classmethod
    def _of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Any:
        collection = cls()
        for row in rows:
            missing = [name for name in cls._wanted if name not in row]
            if missing or len(row) < 2:
                raise InvalidExampleCollectionError(f"a table of examples needs columns for the inputs and {', '.join(missing or cls._wanted)}")
            collection.create_example(cls._of_row(row))
        return collection

    @classmethod
    def _of_row(cls, row: Mapping[str, Any]) -> Any:
        inputs = {name: value for name, value in row.items() if name != "output"}
        return cls._kind(input=inputs, output=row["output"])

    @classmethod
    def from_polars(cls, df: Any) -> Any:
        """Examples out of a polars table with a column ``output`` and one for each input."""
        return cls._of_rows(df.to_dicts())

    @classmethod
    def from_pandas(cls, df: Any) -> Any:
        """Examples out of a pandas table with a column ``output`` and one for each input."""
        return cls._of_rows(df.to_dict(orient="records"))

    def _rows(self) -> list[dict[str, Any]]:
        return [{**example.input, "output": _plain(example.output)} for example in self.examples]

    def to_polars(self) -> Any:
        """The examples as a polars table."""
        import polars

        return polars.DataFrame(self._rows())

    def to_pandas(self) -> Any:
        """The examples as a pandas table."""
        import pandas

        return pandas.DataFrame(self._rows())

    def __len__(self) -> int:
        return len(self.examples)


class MapExampleCollection(_Collection):
    """Examples for ``semantic.map``."""

    _kind = MapExample


class PredicateExampleCollection(_Collection):
    """Examples for ``semantic.predicate``."""

    _kind = PredicateExample


class ClassifyExampleCollection(_Collection):
    """Examples for ``semantic.classify``."""

    _kind = ClassifyExample
    _wanted = ("input", "output")

    @classmethod
    def _of_row(cls, row: Mapping[str, Any]) -> Any:
        return ClassifyExample(input=row["input"], output=row["output"])

    def _rows(self) -> list[dict[str, Any]]:
        return [{"input": example.input, "output": example.output} for example in self.examples]


class JoinExampleCollection(_Collection):
    """Examples for ``df.semantic.join``."""

    _kind = JoinExample
    _wanted = ("left_on", "right_on", "output")

    @classmethod
    def _of_row(cls, row: Mapping[str, Any]) -> Any:
        return JoinExample(left_on=row["left_on"], right_on=row["right_on"], output=row["output"])

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"left_on": example.left_on, "right_on": example.right_on, "output": example.output} for example in self.examples
        ]


def _sort(value: Any) -> Any:
    # 1 and 1.5 are both numbers, True is none
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    known = words.get(str(value).strip().lower())
    if known is None:
        raise InvalidExampleCollectionError(f"the output of an example is True or False, not {value!r}")
    return known


def _plain(value: Any) -> Any:
    return value.model_dump_json() if hasattr(value, "model_dump_json") else value


BranchSide = Literal["left", "right"]
FuzzySimilarityMethod = Literal["indel", "levenshtein", "damerau_levenshtein", "jaro_winkler", "jaro", "hamming"]
JoinType = Literal["inner", "full", "outer", "left", "right", "cross", "semi", "anti"]
SemanticSimilarityMetric = Literal["cosine", "l2", "dot"]
