"""Functions of texts."""

from __future__ import annotations

import builtins
import re
from typing import Any, Literal, get_args

from corsac._corsac import Expr
from corsac.column import Column, ColumnOrName, _call, _column, literal, named
from corsac.errors import UsageError
from corsac.types import FuzzySimilarityMethod

__all__ = [
    "array_join",
    "btrim",
    "byte_length",
    "character_chunk",
    "compute_fuzzy_ratio",
    "compute_fuzzy_token_set_ratio",
    "compute_fuzzy_token_sort_ratio",
    "concat",
    "concat_ws",
    "count_tokens",
    "extract",
    "jinja",
    "length",
    "lit",
    "lower",
    "ltrim",
    "parse_transcript",
    "recursive_character_chunk",
    "recursive_token_chunk",
    "recursive_word_chunk",
    "regexp_count",
    "regexp_extract",
    "regexp_extract_all",
    "regexp_instr",
    "regexp_replace",
    "regexp_substr",
    "replace",
    "rtrim",
    "split",
    "split_part",
    "title_case",
    "token_chunk",
    "trim",
    "upper",
    "word_chunk",
]


_METHODS = get_args(FuzzySimilarityMethod)

# everything that Unicode calls white space
_BLANK = "".join(chr(point) for point in (*range(9, 14), 32, 133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288))


def lit(value: Any) -> Column:
    """A constant."""
    return literal(value)


def _on(function: str, column: ColumnOrName, *constants: Any) -> Column:
    return _call(function, named(column), *(_column(constant) for constant in constants))


def array_join(column: ColumnOrName, delimiter: str) -> Column:
    """The items of a list as one text, with this between them."""
    return _on("array_to_string", column, delimiter)


def btrim(col: ColumnOrName, trim: Column | str | None = None) -> Column:
    """Without these characters at both ends; without white space, if none are named."""
    return _on("btrim", col, _BLANK if trim is None else trim)


def byte_length(column: ColumnOrName) -> Column:
    """The length in bytes."""
    return _on("octet_length", column).cast("int64")


def _where_known(value: Column, *cols: ColumnOrName) -> Column:
    """The value, and NULL where one of these is NULL."""
    if not cols:
        raise UsageError("there is nothing to put together: name at least one column")
    known = [named(column)._expr.is_not_null() for column in cols]
    whole = known[0]
    for one in known[1:]:
        whole = whole.binary("&", one)
    return Column(Expr.case([(whole, value._expr)], None))


def _blank_where_known(column: ColumnOrName) -> Column:
    return Column(Expr.case([(named(column)._expr.is_not_null(), literal("")._expr)], None))


def _overlap(percentage: int) -> str:
    if not 0 <= percentage < 100:
        raise UsageError(f"an overlap is from 0 to 99 percent of a piece, not {percentage}")
    return f"{percentage}%"


def character_chunk(column: ColumnOrName, chunk_size: int, chunk_overlap_percentage: int = 0) -> Column:
    """Pieces of so many characters."""
    return _on("text_chunk_characters", column, chunk_size, _overlap(chunk_overlap_percentage))


def word_chunk(column: ColumnOrName, chunk_size: int, chunk_overlap_percentage: int = 0) -> Column:
    """Pieces of so many words."""
    return _on("text_chunk_words", column, chunk_size, _overlap(chunk_overlap_percentage))


def token_chunk(column: ColumnOrName, chunk_size: int, chunk_overlap_percentage: int = 0) -> Column:
    """Pieces of so many tokens."""
    return _on("text_chunk_tokens", column, chunk_size, _overlap(chunk_overlap_percentage), "cl100k_base")


def _recursive(column: ColumnOrName, unit: str, size: int, overlap: int, separators: list[str] | None) -> Column:
    constants = [size, _overlap(overlap), unit] + ([separators] if separators else [])
    return _on("text_chunk_recursive", column, *constants)


def recursive_character_chunk(
    column: ColumnOrName,
    chunk_size: int,
    chunk_overlap_percentage: int,
    chunking_character_set_custom_characters: list[str] | None = None,
) -> Column:
    """Pieces of at most so many characters, cut where the text itself has a break."""
    return _recursive(column, "characters", chunk_size, chunk_overlap_percentage, chunking_character_set_custom_characters)


def recursive_word_chunk(
    column: ColumnOrName,
    chunk_size: int,
    chunk_overlap_percentage: int,
    chunking_character_set_custom_characters: list[str] | None = None,
) -> Column:
    """Pieces of at most so many words, cut where the text itself has a break."""
    return _recursive(column, "words", chunk_size, chunk_overlap_percentage, chunking_character_set_custom_characters)


def recursive_token_chunk(
    column: ColumnOrName,
    chunk_size: int,
    chunk_overlap_percentage: int,
    chunking_character_set_custom_characters: list[str] | None = None,
) -> Column:
    """Pieces of at most so many tokens, cut where the text itself has a break."""
    return _recursive(column, "cl100k_base", chunk_size, chunk_overlap_percentage, chunking_character_set_custom_characters)


def _method(method: str) -> Column:
    if method not in _METHODS:
        raise UsageError(f"{method!r} is no way to compare texts: there are {', '.join(_METHODS)}")
    return literal(method)


def compute_fuzzy_ratio(column: ColumnOrName, other: Column | str, method: FuzzySimilarityMethod = "indel") -> Column:
    """How alike two texts are, from 0 to 100. ``other`` is a column, or the text itself."""
    return _call("fuzzy_ratio", named(column), _column(other), _method(method))


def compute_fuzzy_token_set_ratio(column: ColumnOrName, other: Column | str, method: FuzzySimilarityMethod = "indel") -> Column:
    """How alike the sets of words of two texts are, from 0 to 100."""
    return _call("fuzzy_token_set_ratio", named(column), _column(other), _method(method))


def compute_fuzzy_token_sort_ratio(column: ColumnOrName, other: Column | str, method: FuzzySimilarityMethod = "indel") -> Column:
    """How alike two texts are once their words are sorted, from 0 to 100."""
    return _call("fuzzy_token_sort_ratio", named(column), _column(other), _method(method))


def concat(*cols: ColumnOrName) -> Column:
    """Texts one after the other. NULL makes it NULL; where it must not, write ``coalesce(column, lit(""))``."""
    return _where_known(_call("concat", *map(named, cols)), *cols)


def concat_ws(separator: str, *cols: ColumnOrName) -> Column:
    """Texts one after the other with this between them. NULL makes it NULL."""
    return _where_known(_call("concat_ws", literal(separator), *map(named, cols)), *cols)


def count_tokens(column: ColumnOrName) -> Column:
    """How many tokens the text has, in the vocabulary cl100k."""
    return _on("text_token_count", column, "cl100k_base")


def extract(column: ColumnOrName, template: str) -> Column:
    """The parts of a text by a template such as ``"${date}: ${message}"``, as a struct; one of NULLs where it does not fit."""
    fields = [name for name, _ in re.findall(r"\$\{\s*([^:}\s]+)\s*(:[^}]*)?\}", template)]
    nothing = [part for name in fields for part in (literal(name), literal(None, "string"))]
    found = _on("text_extract", column, template)
    return _call("coalesce", found, _call("named_struct", *nothing)) if fields else found


def jinja(jinja_template: str, /, strict: bool = True, **columns: ColumnOrName) -> Column:
    """A Jinja template over columns. With ``strict``, NULL makes it NULL; without, NULL is blank."""
    arguments = [literal(jinja_template)._expr]
    for name, column in columns.items():
        value = named(column)
        if not strict:
            value = _call("coalesce", value.cast("string"), literal(""))
        arguments.append(value._expr.alias(name))
    return Column(Expr.call("text_render", arguments))


def length(column: ColumnOrName) -> Column:
    """The length in characters."""
    return _on("length", column).cast("int64")


def lower(column: ColumnOrName) -> Column:
    """In small letters."""
    return _on("lower", column)


def upper(column: ColumnOrName) -> Column:
    """In capital letters."""
    return _on("upper", column)


def title_case(column: ColumnOrName) -> Column:
    """Every word with a capital letter."""
    return _on("initcap", column)


def trim(column: ColumnOrName) -> Column:
    """Without white space at both ends."""
    return _on("btrim", column, _BLANK)


def ltrim(col: ColumnOrName) -> Column:
    """Without white space at the beginning."""
    return _on("ltrim", col, _BLANK)


def rtrim(col: ColumnOrName) -> Column:
    """Without white space at the end."""
    return _on("rtrim", col, _BLANK)


def parse_transcript(column: ColumnOrName, format: Literal["srt", "generic", "webvtt"]) -> Column:
    """The entries of a transcript, as a list of structs."""
    return _on("text_parse_transcript", column, format)


def regexp_count(src: ColumnOrName, pattern: Column | str) -> Column:
    """How often a pattern is found."""
    return _on("regexp_count", src, pattern)


def regexp_extract(src: ColumnOrName, pattern: Column | str, idx: int) -> Column:
    """A group of the first place where a pattern is found, 0 for all of it; blank where it is not found."""
    found = _on("regexp_extract", src, pattern, idx)
    return _call("coalesce", found, _blank_where_known(src))


def regexp_extract_all(src: ColumnOrName, pattern: Column | str, idx: Column | int = 0) -> Column:
    """A group of every place where a pattern is found."""
    return _on("regexp_extract_all", src, pattern, idx)


def regexp_instr(src: ColumnOrName, pattern: Column | str, idx: Column | int = 0) -> Column:
    """Where a pattern, or a group of it, is first found, from 1; 0 if it is not."""
    if isinstance(idx, builtins.int) and idx == 0:
        return _on("regexp_instr", src, pattern)
    return _on("regexp_instr", src, pattern, 1, 1, "", idx)


def regexp_replace(src: ColumnOrName, pattern: Column | str, replacement: Column | str) -> Column:
    """Another text in every place where a pattern is found."""
    return _on("regexp_replace", src, pattern, replacement, "g")


def regexp_substr(src: ColumnOrName, pattern: Column | str) -> Column:
    """The first place where a pattern is found."""
    return _on("regexp_substr", src, pattern)


def replace(src: ColumnOrName, search: Column | str, replace: Column | str) -> Column:
    """Another text in every place of one."""
    return _on("replace", src, search, replace)


def split(src: ColumnOrName, pattern: str, limit: int = -1) -> Column:
    """The parts of a text between the places where a pattern is found; at most so many with a limit above 0."""
    return _on("regexp_split", src, pattern) if limit <= 0 else _on("regexp_split", src, pattern, limit)


def split_part(src: ColumnOrName, delimiter: Column | str, part_number: Column | int) -> Column:
    """One of the parts of a text, from 1."""
    return _on("split_part", src, delimiter, part_number)
