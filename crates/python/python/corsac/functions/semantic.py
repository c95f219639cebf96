"""Functions that ask a model about every row. A row without an answer is NULL, and ``outcome()`` tells why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from corsac._corsac import Expr, template_names
from corsac.column import Column, ColumnOrName, _column, literal, named, sort_key
from corsac.errors import InvalidExampleCollectionError, UsageError
from corsac.schema import schema_text
from corsac.types import (
    ClassDefinition,
    ClassifyExampleCollection,
    KeyPoints,
    MapExampleCollection,
    ModelAlias,
    Paragraph,
    PredicateExampleCollection,
)

__all__ = [
    "analyze_sentiment",
    "classify",
    "embed",
    "extract",
    "map",
    "predicate",
    "reduce",
    "summarize",
]

Named = list[tuple[str, Expr]]


def _settings(
    model_alias: str | ModelAlias | None,
    temperature: float | None = None,
    max_output_tokens: int | None = None,
    request_timeout: float | None = None,
) -> Named:
    """What a call says of whom to ask and how. What it leaves out is the profile's, else the session's."""
    if temperature is not None and not 0 <= temperature <= 2:
        raise UsageError(f"a temperature is from 0 to 2, not {temperature}")
    if max_output_tokens is not None and max_output_tokens < 1:
        raise UsageError(f"an answer has at least 1 token, not {max_output_tokens}: leave max_output_tokens out for as many as it takes")
    if request_timeout is not None and request_timeout <= 0:
        raise UsageError(f"a timeout is a number of seconds above 0, not {request_timeout}")
    said: dict[str, Any] = {
        "model": model_alias.name if isinstance(model_alias, ModelAlias) else model_alias,
        "profile": model_alias.profile if isinstance(model_alias, ModelAlias) else None,
        "temperature": None if temperature is None else float(temperature),
        "max_tokens": max_output_tokens,
        "timeout": None if request_timeout is None else float(request_timeout),
    }
    return [(name, literal(value)._expr) for name, value in said.items() if value is not None]


def _examples(examples: Any, rows: Any) -> Named:
    if examples is None or len(examples) == 0:
        return []
    return [("examples", literal(rows(examples))._expr)]


def _template_rows(examples: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = examples._rows()
    return rows


def _columns(template: str, columns: dict[str, ColumnOrName], function: str) -> Named:
    if not isinstance(template, str) or not template.strip():
        raise UsageError(f"semantic.{function} begins with a template, such as {function}('… {{{{ name }}}}', name=col('name')), not {template!r}")
    names = template_names(template)
    given = ", ".join(columns)
    if not columns:
        wanted = ", ".join(f"{name}=col({name!r})" for name in names or ["name"])
        raise UsageError(f"semantic.{function} needs the columns {', '.join(names)} of its template: {wanted}")
    used = {name: column for name, column in columns.items() if name in names}
    if not names:
        raise UsageError(f"the template of semantic.{function} uses no column: write {{{{ {next(iter(columns))} }}}} in it")
    if not used:
        raise UsageError(
            f"the template of semantic.{function} asks for {', '.join(names)}, but is given {given}: the name before the = is the "
            "template's, what is after it is the column"
        )
    return [(name, named(column)._expr) for name, column in used.items()]


def map(
    prompt: str,
    /,
    *,
    strict: bool = True,
    examples: MapExampleCollection | None = None,
    response_format: Any = None,
    model_alias: str | ModelAlias | None = None,
    temperature: float | None = None,
    max_output_tokens: int | None = None,
    request_timeout: float | None = None,
    **columns: ColumnOrName,
) -> Column:
    """Does what a Jinja template says about each row.

    Args:
        prompt: The template; ``{{ name }}`` takes the column given as ``name=``.
        strict: A row with a NULL among its inputs is NULL. Without it, NULL is blank in the template.
        examples: Inputs with their answers, shown to the model.
        response_format: A Pydantic model; the answer is then a struct.
        model_alias: Whom to ask.
        temperature: Sampling temperature; the profile's, else 0.
        max_output_tokens: The most tokens of the answer. Given, it is never raised.
        request_timeout: The most seconds a row may take over all its attempts.
        columns: The columns of the template.

    Returns:
        A text, or a struct with ``response_format``.
    """
    inputs = _columns(prompt, columns, "map")
    settings = _settings(model_alias, temperature, max_output_tokens, request_timeout)
    if response_format is not None:
        from corsac.functions.text import jinja

        prompt += _shown_examples(examples, response_format)
        question = jinja(prompt, strict=strict, **{name: Column(expr) for name, expr in inputs})
        return Column(Expr.call("semantic_extract", [question._expr, literal(schema_text(response_format))._expr], settings))
    for place, example in enumerate(examples.examples if examples is not None else [], 1):
        if not isinstance(example.output, str):
            raise InvalidExampleCollectionError(f"example {place} has an output of fields, which needs a response_format")
    strictness = [] if strict else [("strict", literal(False)._expr)]
    settings = inputs + settings + strictness + _examples(examples, _template_rows)
    return Column(Expr.call("semantic_map", [literal(prompt)._expr], settings))


def _shown_examples(examples: MapExampleCollection | None, response_format: Any) -> str:
    """Examples as a part of the question, where their outputs have fields."""
    shown = ""
    for place, example in enumerate(examples.examples if examples is not None else [], 1):
        if not isinstance(response_format, type) or not isinstance(example.output, response_format):
            wanted = getattr(response_format, "__name__", repr(response_format))
            raise InvalidExampleCollectionError(f"example {place} must have an output of {wanted}, the response_format of the call")
        output: Any = example.output
        inputs = json.dumps(dict(example.input), ensure_ascii=False, default=str)
        shown += f"\n\nExample {place}\nInputs: {inputs}\nAnswer: {output.model_dump_json()}"
    # the text of an example is no template; a sign of one in it is written as JSON has it, so that none can end the raw part
    return "{% raw %}" + shown.replace("{%", "{\\u0025") + "{% endraw %}" if shown else ""


def predicate(
    predicate: str,
    /,
    *,
    strict: bool = True,
    examples: PredicateExampleCollection | None = None,
    model_alias: str | ModelAlias | None = None,
    temperature: float | None = None,
    request_timeout: float | None = None,
    **columns: ColumnOrName,
) -> Column:
    """Decides whether a template's question or claim is true of each row: a condition for ``filter``.

    Args:
        predicate: The template; ``{{ name }}`` takes the column given as ``name=``.
        strict: A row with a NULL among its inputs is NULL. Without it, NULL is blank in the template.
        examples: Inputs with their answers, shown to the model.
        model_alias: Whom to ask.
        temperature: Sampling temperature; the profile's, else 0.
        request_timeout: The most seconds a row may take over all its attempts.
        columns: The columns of the template.

    Returns:
        True, false or NULL.
    """
    strictness = [] if strict else [("strict", literal(False)._expr)]
    settings = _columns(predicate, columns, "predicate") + _settings(model_alias, temperature, None, request_timeout)
    settings = settings + strictness + _examples(examples, _template_rows)
    return Column(Expr.call("semantic_predicate", [literal(predicate)._expr], settings))


def extract(
    column: ColumnOrName,
    response_format: Any,
    max_output_tokens: int | None = None,
    temperature: float | None = None,
    model_alias: str | ModelAlias | None = None,
    request_timeout: float | None = None,
) -> Column:
    """Takes facts out of a text.

    Args:
        column: The text.
        response_format: What is looked for: a Pydantic model, JSON Schema as a dict, or the short form
            (``"product string, stars int?"``).
        max_output_tokens: The most tokens of the answer. Given, it is never raised.
        temperature: Sampling temperature; the profile's, else 0.
        model_alias: Whom to ask.
        request_timeout: The most seconds a row may take over all its attempts.

    Returns:
        A struct with the fields of the schema.
    """
    settings = _settings(model_alias, temperature, max_output_tokens, request_timeout)
    arguments = [named(column)._expr, literal(schema_text(response_format))._expr]
    return Column(Expr.call("semantic_extract", arguments, settings))


def classify(
    column: ColumnOrName,
    classes: Sequence[str] | Sequence[ClassDefinition],
    examples: ClassifyExampleCollection | None = None,
    model_alias: str | ModelAlias | None = None,
    temperature: float | None = None,
    request_timeout: float | None = None,
) -> Column:
    """Puts each text under one of the labels, never under anything else.

    Args:
        column: The text.
        classes: Labels, or :class:`~corsac.types.ClassDefinition` with what belongs under each.
        examples: Texts with their labels, shown to the model.
        model_alias: Whom to ask.
        temperature: Sampling temperature; the profile's, else 0.
        request_timeout: The most seconds a row may take over all its attempts.

    Returns:
        A label.
    """
    if isinstance(classes, str) or not all(isinstance(one, (str, ClassDefinition)) for one in classes):
        raise UsageError("classes are a list of texts, or of ClassDefinition")
    names = [one.label if isinstance(one, ClassDefinition) else one for one in classes]
    if len(names) < 2:
        raise UsageError(f"a text is put under one of at least two labels, and there are {len(names)}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"a label stands for one class, and there are several of {', '.join(twice)}")
    for place, example in enumerate(examples.examples if examples is not None else [], 1):
        if example.output not in names:
            raise InvalidExampleCollectionError(f"example {place} has the label {example.output!r}, which is none of {', '.join(names)}")
    labels: list[Any] = []
    described = any(isinstance(one, ClassDefinition) for one in classes)
    for one in classes:
        label = one.label if isinstance(one, ClassDefinition) else one
        description = one.description if isinstance(one, ClassDefinition) else None
        labels.append({"label": label, "description": description} if described else label)
    if described and all(one["description"] is None for one in labels):
        labels = [one["label"] for one in labels]
    settings = _settings(model_alias, temperature, None, request_timeout) + _examples(examples, _template_rows)
    return Column(Expr.call("semantic_classify", [named(column)._expr, literal(labels)._expr], settings))


def analyze_sentiment(
    column: ColumnOrName,
    model_alias: str | ModelAlias | None = None,
    temperature: float | None = None,
    request_timeout: float | None = None,
) -> Column:
    """Tells whether a text is ``positive``, ``negative`` or ``neutral``.

    Args:
        column: The text.
        model_alias: Whom to ask.
        temperature: Sampling temperature; the profile's, else 0.
        request_timeout: The most seconds a row may take over all its attempts.
    """
    settings = _settings(model_alias, temperature, None, request_timeout)
    return Column(Expr.call("semantic_analyze_sentiment", [named(column)._expr], settings))


def summarize(
    column: ColumnOrName,
    format: KeyPoints | Paragraph | None = None,
    temperature: float | None = None,
    model_alias: str | ModelAlias | None = None,
    request_timeout: float | None = None,
) -> Column:
    """Shortens a text. The model is told how long it may be; nothing is cut.

    Args:
        column: The text.
        format: :class:`~corsac.types.Paragraph` or :class:`~corsac.types.KeyPoints`.
        temperature: Sampling temperature; the profile's, else 0.
        model_alias: Whom to ask.
        request_timeout: The most seconds a row may take over all its attempts.
    """
    wanted = format or Paragraph()
    if not isinstance(wanted, (KeyPoints, Paragraph)):
        raise UsageError(f"a summary is a KeyPoints(…) or a Paragraph(…), not {wanted!r}")
    form = "key points" if isinstance(wanted, KeyPoints) else "paragraph"
    # a point is a sentence of about fifteen words
    words = wanted.max_points * 15 if isinstance(wanted, KeyPoints) else wanted.max_words
    settings = [("max_words", literal(words)._expr), *_settings(model_alias, temperature, None, request_timeout)]
    return Column(Expr.call("semantic_summarize", [named(column)._expr, literal(form)._expr], settings))


def reduce(
    prompt: str,
    column: ColumnOrName,
    *,
    group_context: dict[str, Column] | None = None,
    order_by: Sequence[ColumnOrName] | ColumnOrName | None = None,
    model_alias: str | ModelAlias | None = None,
    temperature: float | None = None,
    max_output_tokens: int | None = None,
    request_timeout: float | None = None,
) -> Column:
    """Makes one text of the rows of each group: an aggregate for ``agg``. Groups of any size are asked about in parts.

    Args:
        prompt: What to make of the rows. Names of ``group_context`` may stand in it as ``{{ name }}``.
        column: The texts of the rows.
        group_context: Columns of the group that the prompt names.
        order_by: The order of a group's rows in the question.
        model_alias: Whom to ask.
        temperature: Sampling temperature; the profile's, else 0.
        max_output_tokens: The most tokens of the answer. Given, it is never raised.
        request_timeout: The most seconds a group may take over all its attempts.
    """
    keys: Sequence[ColumnOrName] = [] if order_by is None else [order_by] if isinstance(order_by, (str, Column)) else order_by
    rows = "rows"
    while rows in (group_context or {}):
        rows += "_"
    context = [(name, _column(value)._expr) for name, value in (group_context or {}).items()]
    settings = [(rows, named(column)._expr), *context, *_settings(model_alias, temperature, max_output_tokens, request_timeout)]
    # the rows stand below what is to be made of them
    template = f"{prompt}\n\n{{{{ {rows} }}}}"
    return Column(Expr.aggregate("semantic_reduce", [literal(template)._expr], settings, order_by=[sort_key(key) for key in keys]))


def embed(column: ColumnOrName, model_alias: str | ModelAlias | None = None, dimensions: int | None = None) -> Column:
    """The vector of each text.

    Args:
        column: The text.
        model_alias: Which embedding model to ask.
        dimensions: Numbers of the vector, for models that let one choose.
    """
    settings = _settings(model_alias)
    if dimensions is not None:
        settings.append(("dimensions", literal(dimensions)._expr))
    return Column(Expr.call("semantic_embed", [named(column)._expr], settings))
