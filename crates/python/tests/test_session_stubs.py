"""The stubs of the extension module say what is there: the same names, with the same arguments."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

import corsac
from corsac import _corsac

STUBS = ast.parse((Path(corsac.__file__).parent / "_corsac.pyi").read_text())
CLASSES = {node.name: node for node in STUBS.body if isinstance(node, ast.ClassDef)}
FUNCTIONS = {node.name: node for node in STUBS.body if isinstance(node, ast.FunctionDef)}


def arguments_of(function: ast.FunctionDef) -> list[str]:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def arguments_there(value: Any) -> list[str]:
    return [name for name in inspect.signature(value).parameters if name not in ("self", "cls")]


def methods_of(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {inner.name: inner for inner in node.body if isinstance(inner, ast.FunctionDef)}


def test_the_same_names() -> None:
    there = {name for name in vars(_corsac) if not name.startswith("_")}
    assert {name for name in (*CLASSES, *FUNCTIONS) if not name.startswith("_")} == there


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_the_same_methods(name: str) -> None:
    value = getattr(_corsac, name)
    public = {method for method in vars(value) if not method.startswith("_")}
    told = methods_of(CLASSES[name])
    assert {method for method in told if not method.startswith("_")} == public
    for method, node in told.items():
        if method == "__init__":
            assert arguments_of(node) == arguments_there(value)
        elif not method.startswith("_") and callable(getattr(value, method)):
            assert arguments_of(node) == arguments_there(getattr(value, method)), method


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_same_functions(name: str) -> None:
    assert arguments_of(FUNCTIONS[name]) == arguments_there(getattr(_corsac, name))
