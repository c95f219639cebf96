"""What the tests of single DSPy calls share: a model over a simulator, and silence about DSPy's own plans."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import corsac.dspy
from corsac import Simulator
from dspy_programs import MODEL

KEY = "sk-or-v1-a-key-for-tests"
Start = Callable[..., Simulator]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No warning of DSPy's about itself is shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def model(simulator: Simulator, name: str = MODEL, **settings: Any) -> Any:
    return corsac.dspy.LM(name, api_base=simulator.base_url, api_key=KEY, **settings)
