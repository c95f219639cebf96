"""OpenRouter, simulated, for tests of programs."""

from __future__ import annotations

import json
from typing import Any

from corsac._corsac import Simulator as _Simulator

__all__ = ["Simulator"]


class Simulator(_Simulator):
    """OpenRouter on a port of this machine, with faults by a script (TOML or JSON, as for ``corsac sim --script``).

    >>> with Simulator() as sim:
    ...     sim.base_url  # doctest: +ELLIPSIS
    'http://127.0.0.1:.../api/v1'
    """

    def seen(self) -> dict[str, Any]:
        """What it saw: requests by route, model, provider and status, headers, dollars, the last hundred requests."""
        seen: dict[str, Any] = json.loads(self.seen_json())
        return seen

    def chats(self) -> list[dict[str, Any]]:
        """The last chat requests, oldest first: ``headers`` (names in lower case) and ``body``."""
        recent = [request for request in self.seen()["recent"] if request["route"] == "POST /chat/completions"]
        return [
            {
                "headers": {name.lower(): value for name, value in request["headers"]},
                "body": json.loads(request["body"]),
            }
            for request in recent
        ]

    def __enter__(self) -> Simulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
