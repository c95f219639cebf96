"""The Python of the README, run over the simulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from corsac import Simulator

README = Path(__file__).parents[3] / "README.md"


def test_the_readmes_python_runs(sim: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-the-key-of-the-readme")
    monkeypatch.setenv("OPENROUTER_BASE_URL", sim.base_url)
    programs = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (program,) = [program for program in programs if "create_dataframe" in program]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(program, "README.md", "exec", dont_inherit=True), names)
    for row in names["result"].data:
        assert set(row) == {"id", "product", "kind"} and row["kind"] in ("bug", "wish", "praise")
    assert names["result"].metrics.failed_rows == 0
    # the condition is asked about both rows, and facts are read out of those alone for which it holds
    assert len(sim.chats()) == 2 + len(names["result"].data)
    assert "answers" in capsys.readouterr().out
