"""Ask a language model about every row of a table, reliably, and prove what it got and what it cost.

Three ways in: sessions with semantic frames, programs (:class:`Signature`, :class:`Predict`, …), and ``corsac.dspy``, DSPy on
this engine. Each is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corsac._corsac import __version__

if TYPE_CHECKING:
    from corsac.errors import CallError as CallError
    from corsac.errors import ConfigurationError as ConfigurationError
    from corsac.errors import CorsacError as CorsacError
    from corsac.errors import UsageError as UsageError
    from corsac.measure import aevaluate as aevaluate
    from corsac.measure import atune as atune
    from corsac.measure import evaluate as evaluate
    from corsac.measure import tune as tune
    from corsac.programs import LM as LM
    from corsac.programs import BestOfN as BestOfN
    from corsac.programs import ChainOfThought as ChainOfThought
    from corsac.programs import Example as Example
    from corsac.programs import Module as Module
    from corsac.programs import MultiChainComparison as MultiChainComparison
    from corsac.programs import Predict as Predict
    from corsac.programs import Prediction as Prediction
    from corsac.programs import ReAct as ReAct
    from corsac.programs import Refine as Refine
    from corsac.programs import configure as configure
    from corsac.programs import load as load
    from corsac.signature import InputField as InputField
    from corsac.signature import OutputField as OutputField
    from corsac.signature import Signature as Signature
    from corsac.simulator import Simulator as Simulator

#: Names of the package and the modules that define them.
_LAZY = {
    "CallError": "corsac.errors",
    "ConfigurationError": "corsac.errors",
    "CorsacError": "corsac.errors",
    "UsageError": "corsac.errors",
    "Simulator": "corsac.simulator",
    "Signature": "corsac.signature",
    "InputField": "corsac.signature",
    "OutputField": "corsac.signature",
    "LM": "corsac.programs",
    "BestOfN": "corsac.programs",
    "ChainOfThought": "corsac.programs",
    "Example": "corsac.programs",
    "Module": "corsac.programs",
    "MultiChainComparison": "corsac.programs",
    "Predict": "corsac.programs",
    "Prediction": "corsac.programs",
    "ReAct": "corsac.programs",
    "Refine": "corsac.programs",
    "configure": "corsac.programs",
    "load": "corsac.programs",
    "aevaluate": "corsac.measure",
    "atune": "corsac.measure",
    "evaluate": "corsac.measure",
    "tune": "corsac.measure",
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'corsac' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
