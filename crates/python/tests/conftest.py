"""What all tests of the package share: a home of their own, no keys of the person who runs them, and the simulator."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corsac import Simulator


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of the test's own, and nothing of the environment that would lead elsewhere."""
    for name in list(os.environ):
        if name.startswith(("OPENROUTER_", "CORSAC_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "corsac-home"
    monkeypatch.setenv("CORSAC_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def simulate() -> Iterator[Callable[..., Simulator]]:
    """Starts simulators; a script is TOML, or a mapping that is written as JSON."""
    started: list[Simulator] = []

    def start(script: str | dict[str, Any] | None = None, **options: Any) -> Simulator:
        text = json.dumps(script) if isinstance(script, dict) else script
        started.append(Simulator(text, **options))
        return started[-1]

    yield start
    for simulator in started:
        simulator.close()


@pytest.fixture
def sim(simulate: Callable[..., Simulator]) -> Simulator:
    """OpenRouter on a good day."""
    return simulate()
