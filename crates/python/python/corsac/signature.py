"""Signatures: what a model is given, what it writes, what it should do, as text or as a class with type hints."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from corsac._corsac import parse_signature
from corsac.errors import UsageError

__all__ = ["FieldInfo", "InputField", "OutputField", "Signature"]

_MISSING: Any = object()
_PLAIN = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    datetime.date: "date",
    datetime.datetime: "date_time",
    decimal.Decimal: "number",
    Any: "any",
    list: {"list": "any"},
    dict: {"map": "any"},
    tuple: {"list": "any"},
    set: {"list": "any"},
}
#: Constraints as Python's libraries call them, and as the engine does.
_CONSTRAINTS = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "above",
    "lt": "below",
    "multiple_of": "multiple_of",
    "min_length": "min_length",
    "max_length": "max_length",
    "pattern": "pattern",
}


@dataclasses.dataclass(frozen=True)
class FieldInfo:
    """What is said of a field beside its name and its type."""

    side: Literal["input", "output"]
    desc: str | None = None
    default: Any = _MISSING
    constraints: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _field(side: Literal["input", "output"], desc: str | None, default: Any, constraints: Mapping[str, Any]) -> Any:
    unknown = sorted(set(constraints) - set(_CONSTRAINTS))
    if unknown:
        raise UsageError(f"a field knows nothing of {', '.join(unknown)}; there are {', '.join(_CONSTRAINTS)}")
    return FieldInfo(side, desc, default, dict(constraints))


def InputField(desc: str | None = None, *, default: Any = _MISSING, **constraints: Any) -> Any:
    """A field that the model is given. ``desc`` says what it is."""
    return _field("input", desc, default, constraints)


def OutputField(desc: str | None = None, *, default: Any = _MISSING, **constraints: Any) -> Any:
    """A field that the model writes. Constraints (``ge``, ``le``, ``gt``, ``lt``, ``multiple_of``, ``min_length``,
    ``max_length``, ``pattern``) are said to it and enforced on its answer."""
    return _field("output", desc, default, constraints)


class _SignatureType(type):
    """Makes a signature of a class, and of a text: ``Signature("question -> answer: float", "Work it out.")``."""

    #: The signature as the engine has it.
    _described: dict[str, Any] | None
    #: The types of the outputs as Python has them, where they are known.
    _hints: dict[str, Any]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _SignatureType:
        made = super().__new__(mcs, name, bases, namespace)
        made._described, made._hints = None, {}
        if bases:
            made._described, made._hints = _described(made, name, namespace)
        return made

    def __call__(cls, text: str, instructions: str | None = None) -> _SignatureType:
        if cls is not Signature:
            raise TypeError(f"{cls.__name__} is a signature: give it to a module, Predict({cls.__name__})")
        described = json.loads(parse_signature(text))
        if instructions is not None:
            described["instructions"] = inspect.cleandoc(instructions)
        return _made(described, {})

    @property
    def instructions(cls) -> str:
        """What the model should do."""
        return str(cls._json()["instructions"])

    @property
    def input_names(cls) -> list[str]:
        """The names of what it is given."""
        return [field["name"] for field in cls._json()["inputs"]]

    @property
    def output_names(cls) -> list[str]:
        """The names of what it writes."""
        return [field["name"] for field in cls._json()["outputs"]]

    def with_instructions(cls, instructions: str) -> _SignatureType:
        """The same with other instructions."""
        return _made({**cls._json(), "instructions": inspect.cleandoc(instructions)}, cls._hints)

    def _json(cls) -> dict[str, Any]:
        if cls._described is None:
            raise UsageError("Signature itself has no fields: write a text, Signature('question -> answer'), or a class of it")
        return cls._described

    def __repr__(cls) -> str:
        if cls._described is None:
            return "<class 'corsac.Signature'>"
        return f"Signature({', '.join(cls.input_names)} -> {', '.join(cls.output_names)})"


def _made(described: dict[str, Any], hints: dict[str, Any]) -> _SignatureType:
    made = type.__new__(_SignatureType, described.get("name") or "signature", (Signature,), {})
    made._described, made._hints = described, hints
    return made


class Signature(metaclass=_SignatureType):
    """What a model is given, what it writes, and what it should do.

    As text, or as a class whose docstring says what to do:

    >>> class Triage(Signature):
    ...     "Decide who must look at a support ticket."
    ...     body: str = InputField()
    ...     team: Literal["billing", "product"] = OutputField()
    >>> Triage
    Signature(body -> team)
    """


def _described(made: type, name: str, namespace: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    hints = typing.get_type_hints(made, include_extras=True)
    own = [(field, hints[field]) for field in hints if isinstance(getattr(made, field, None), FieldInfo)]
    lost = sorted(set(namespace.get("__annotations__", {})) - {field for field, _ in own})
    if lost:
        raise UsageError(f"{name}.{lost[0]} is neither an input nor an output: say = InputField() or = OutputField()")
    sides: dict[str, list[dict[str, Any]]] = {"input": [], "output": []}
    for field, hint in own:
        info: FieldInfo = getattr(made, field)
        told: dict[str, Any] = {"name": field, "type": field_type(hint)}
        if info.desc:
            told["description"] = info.desc
        if info.constraints:
            told["constraints"] = {_CONSTRAINTS[key]: value for key, value in info.constraints.items()}
        if info.default is not _MISSING:
            told["default"] = plain(info.default)
        sides[info.side].append(told)
    described = {
        "name": name,
        "instructions": inspect.cleandoc(namespace.get("__doc__") or ""),
        "inputs": sides["input"],
        "outputs": sides["output"],
    }
    return described, dict(own)


def field_type(hint: Any) -> Any:
    """A type hint as the engine has it."""
    known = _PLAIN.get(hint) if isinstance(hint, type) or hint is Any else None
    if known is not None:
        return known
    origin, inside = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return field_type(inside[0])
    if origin is Literal:
        return {"literal": list(inside)}
    if origin in (Union, types.UnionType):
        present = [part for part in inside if part is not type(None)]
        several = field_type(present[0]) if len(present) == 1 else {"union": [field_type(part) for part in present]}
        return {"optional": several} if len(present) < len(inside) else several
    if origin in (list, set, frozenset) or (isinstance(origin, type) and issubclass(origin, Sequence) and origin is not tuple):
        return {"list": field_type(inside[0]) if inside else "any"}
    if origin is tuple:
        if len(inside) == 2 and inside[1] is Ellipsis:
            return {"list": field_type(inside[0])}
        return {"tuple": [field_type(part) for part in inside]}
    if origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {"map": field_type(inside[1])}
    if isinstance(hint, type):
        return _class_type(hint)
    raise UsageError(f"a field cannot hold {hint!r}; it holds text, numbers, dates, lists, mappings, literals, enums and classes of these")


def _class_type(hint: type) -> Any:
    if issubclass(hint, enum.Enum):
        return {"literal": [member.value for member in hint]}
    members = []
    if hasattr(hint, "model_fields"):  # pydantic
        for name, info in hint.model_fields.items():
            members.append(_member(name, field_type(info.annotation), info.description, info.is_required(), info.metadata))
    elif dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        for field in dataclasses.fields(hint):
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            members.append(_member(field.name, field_type(hints[field.name]), field.metadata.get("desc"), required, ()))
    elif typing.is_typeddict(hint):
        required_keys: frozenset[str] = getattr(hint, "__required_keys__", frozenset())
        for name, inner in typing.get_type_hints(hint).items():
            members.append(_member(name, field_type(inner), None, name in required_keys, ()))
    else:
        raise UsageError(f"a field cannot hold {hint.__name__}: make it a dataclass, a pydantic model, a TypedDict or an Enum")
    return {"object": {"name": hint.__name__, "members": members}}


def _member(name: str, kind: Any, description: str | None, required: bool, metadata: Sequence[Any]) -> dict[str, Any]:
    optional = kind if required or (isinstance(kind, dict) and "optional" in kind) else {"optional": kind}
    told: dict[str, Any] = {"name": name, "type": optional}
    if description:
        told["description"] = description
    constraints = {}
    for item in metadata:
        for theirs, ours in _CONSTRAINTS.items():
            value = getattr(item, theirs, None)
            if value is not None:
                constraints[ours] = value
    if constraints:
        told["constraints"] = constraints
    return told


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy
        return value.tolist()
    raise UsageError(f"{value!r} cannot be given to a model: it is no text, number, date, list, mapping, or class of these")


def valued(hint: Any, value: Any) -> Any:
    """A value of JSON as a type hint has it. It satisfies the type already: the engine saw to that."""
    if value is None or hint is Any:
        return value
    origin, inside = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        return valued(inside[0], value)
    if origin in (Union, types.UnionType):
        return _one_of([part for part in inside if part is not type(None)], value)
    if origin in (list, set, frozenset, tuple) and isinstance(value, list):
        if origin is tuple and not (len(inside) == 2 and inside[1] is Ellipsis):
            return tuple(valued(part, item) for part, item in zip(inside, value))
        return origin(valued(inside[0], item) for item in value) if inside else origin(value)
    if origin is dict and isinstance(value, dict):
        return {key: valued(inside[1], item) for key, item in value.items()}
    if not isinstance(hint, type):
        return value
    if issubclass(hint, enum.Enum):
        return hint(value)
    if hint is datetime.datetime:
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if hint is datetime.date:
        return datetime.date.fromisoformat(value)
    if hint is decimal.Decimal:
        return decimal.Decimal(str(value))
    if hint is float:
        return float(value)
    if hasattr(hint, "model_validate"):
        return hint.model_validate(value)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{name: valued(hints[name], item) for name, item in value.items() if item is not None})
    return value


def _one_of(parts: Sequence[Any], value: Any) -> Any:
    for part in parts:
        if isinstance(part, type) and isinstance(value, part):
            return value
    for part in parts:
        try:
            return valued(part, value)
        except (TypeError, ValueError, AttributeError):
            continue
    return value
