"""Functions of markdown."""

from __future__ import annotations

from corsac.column import Column, ColumnOrName, _call, literal, named

__all__ = ["extract_header_chunks", "generate_toc", "get_code_blocks", "to_json"]


def extract_header_chunks(column: ColumnOrName, header_level: int) -> Column:
    """The sections under headings down to a level, as a list of structs."""
    return _call("markdown_sections", named(column), literal(header_level))


def generate_toc(column: ColumnOrName, max_level: int | None = None) -> Column:
    """The headings as a table of contents."""
    levels = [] if max_level is None else [literal(max_level)]
    return _call("markdown_toc", named(column), *levels)


def get_code_blocks(column: ColumnOrName, language_filter: str | None = None) -> Column:
    """The blocks of code, as a list of structs; those of one language, if it is named."""
    languages = [] if language_filter is None else [literal(language_filter)]
    return _call("markdown_code_blocks", named(column), *languages)


def to_json(column: ColumnOrName) -> Column:
    """The document as a tree in JSON."""
    return _call("markdown_to_json", named(column))
