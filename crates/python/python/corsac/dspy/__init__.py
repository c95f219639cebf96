"""DSPy on this engine: ``import corsac.dspy as dspy`` and leave the rest of a program as it is.

Everything of DSPy is here under its own name, except :class:`LM`, which asks through Corsac: with failover, pacing, true cost,
budgets and a ledger instead of a cache. ``dspy.configure(lm=corsac.dspy.LM(…))`` with DSPy itself works as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import dspy as _dspy
except ImportError as error:  # pragma: no cover
    raise ImportError("corsac.dspy needs DSPy 3.4 or newer: pip install 'corsac[dspy]'") from error

from dspy import *  # noqa: F403

from corsac.dspy.lm import LM

if TYPE_CHECKING:
    from dspy import configure as configure
    from dspy import context as context
    from dspy import settings as settings

__all__ = [*(name for name in dir(_dspy) if not name.startswith("_")), "LM"]


def __getattr__(name: str) -> Any:
    return getattr(_dspy, name)


def __dir__() -> list[str]:
    return sorted({*dir(_dspy), *globals()})
