"""The Python of the README, run over the simulator."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corsac import Simulator

README = Path(__file__).parents[3] / "README.md"


def program(sign: str) -> str:
    """The one program of the README in which this stands."""
    programs = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (found,) = [program for program in programs if sign in program]
    return str(found)


def test_the_readmes_python_runs(sim: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-the-key-of-the-readme")
    monkeypatch.setenv("OPENROUTER_BASE_URL", sim.base_url)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(program("create_dataframe"), "README.md", "exec", dont_inherit=True), names)
    for row in names["result"].data:
        assert set(row) == {"id", "product", "kind"} and row["kind"] in ("bug", "wish", "praise")
    assert names["result"].metrics.failed_rows == 0
    # the condition is asked about both rows, and facts are read out of those alone for which it holds
    assert len(sim.chats()) == 2 + len(names["result"].data)
    assert "answers" in capsys.readouterr().out


def test_the_readmes_dspy_runs(
    simulate: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dspy = pytest.importorskip("dspy")
    said = "[[ ## reasoning ## ]]\nIt lives in steppes.\n\n[[ ## answer ## ]]\nA fox.\n\n[[ ## completed ## ]]"
    sim = simulate({"rule": [{"content": said}]})
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-the-key-of-the-readme")
    monkeypatch.setenv("OPENROUTER_BASE_URL", sim.base_url)
    before = dspy.settings.lm
    try:
        exec(compile(program("corsac.dspy"), "README.md", "exec", dont_inherit=True), {})
    finally:
        dspy.configure(lm=before)
    assert capsys.readouterr().out.strip() == "A fox."
    (chat,) = sim.chats()
    assert chat["headers"]["http-referer"] == "https://8bitoracle.ai" and chat["body"]["models"] == ["anthropic/claude-3-haiku"]
