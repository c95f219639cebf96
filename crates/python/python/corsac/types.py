"""Types of columns, and the small values that semantic functions take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Union

__all__ = [
    "ArrayType",
    "BinaryType",
    "BooleanType",
    "ClassDefinition",
    "ClassifyExample",
    "ClassifyExampleCollection",
    "DataType",
    "DateType",
    "DoubleType",
    "EmbeddingType",
    "FloatType",
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
    "StringType",
    "StructField",
    "StructType",
    "TimestampType",
    "ColumnField",
]


class DataType:
    """The type of a column."""

    __slots__ = ("_native",)
    _native: Any

    def __init__(self, native: Any) -> None:
        object.__setattr__(self, "_native", native)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and self._native == other._native

    def __hash__(self) -> int:
        return hash(repr(self._native))

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
# texts with a meaning; the engine knows them as texts
JsonType = DataType("string")
MarkdownType = DataType("string")


def _type_of(native: Any) -> DataType:
    made = DataType(native)
    if isinstance(native, tuple) and native[0] == "list":
        made = ArrayType(_type_of(native[1]))
    elif isinstance(native, tuple) and native[0] == "struct":
        made = StructType([StructField(name, _type_of(inner)) for name, inner in native[1]])
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


@dataclasses.dataclass(frozen=True)
class KeyPoints:
    """A summary as a list of points."""

    max_points: int = 5


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A summary as one paragraph."""

    max_words: int = 120


@dataclasses.dataclass(frozen=True)
class MapExample:
    """Inputs by the template's names, and the answer to them."""

    input: Mapping[str, Any]
    output: Any


@dataclasses.dataclass(frozen=True)
class PredicateExample:
    """Inputs by the template's names, and whether the predicate holds."""

    input: Mapping[str, Any]
    output: bool


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


Example = Union[MapExample, PredicateExample, ClassifyExample, JoinExample]


class _Collection:
    """Examples of one kind, built one by one or from a table."""

    _kind: Any = None

    def __init__(self, examples: Sequence[Any] | None = None) -> None:
        self.examples: list[Any] = []
        for example in examples or []:
            self.create_example(example)

    def create_example(self, example: Any) -> Any:
        """Adds an example and gives the collection."""
        if not isinstance(example, self._kind):
            raise TypeError(f"{type(self).__name__} takes {self._kind.__name__}, not {type(example).__name__}")
        self.examples.append(example)
        return self

    @classmethod
    def _of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Any:
        collection = cls()
        for row in rows:
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

    @classmethod
    def _of_row(cls, row: Mapping[str, Any]) -> Any:
        return ClassifyExample(input=row["input"], output=row["output"])

    def _rows(self) -> list[dict[str, Any]]:
        return [{"input": example.input, "output": example.output} for example in self.examples]


class JoinExampleCollection(_Collection):
    """Examples for ``df.semantic.join``."""

    _kind = JoinExample

    @classmethod
    def _of_row(cls, row: Mapping[str, Any]) -> Any:
        return JoinExample(left_on=row["left_on"], right_on=row["right_on"], output=row["output"])

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"left_on": example.left_on, "right_on": example.right_on, "output": example.output} for example in self.examples
        ]


def _plain(value: Any) -> Any:
    return value.model_dump_json() if hasattr(value, "model_dump_json") else value


JoinType = Literal["inner", "full", "outer", "left", "right", "cross", "semi", "anti"]
SemanticSimilarityMetric = Literal["cosine", "l2", "dot"]
