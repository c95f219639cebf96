"""The paths under which users of other frames look for things: ``corsac.api.functions``, ``corsac.api.session`` and so on."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    import corsac

    return getattr(corsac, name)
