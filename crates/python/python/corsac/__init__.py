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
    from corsac.simulator import Simulator as Simulator

#: Names of the package and the modules that define them.
_LAZY = {
    "CallError": "corsac.errors",
    "ConfigurationError": "corsac.errors",
    "CorsacError": "corsac.errors",
    "UsageError": "corsac.errors",
    "Simulator": "corsac.simulator",
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
