"""Below everything: imports are quick, waits let others run, Ctrl-C ends them, children of a fork have an engine of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import corsac
from corsac import Simulator
from corsac.engine import open_engine, settings_of
from frames import listens_to_ctrl_c

KEY = "sk-or-v1-a-key-for-tests"
Start = Callable[..., Simulator]


def predict(simulator: Simulator, **settings: object) -> corsac.Predict:
    lm = corsac.LM("openai/gpt-4o-mini", base_url=simulator.base_url, api_key=KEY, **settings)  # type: ignore[arg-type]
    return corsac.Predict("question -> answer", lm=lm)


def run(program: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Runs a program of its own."""
    around = {**os.environ, **more}
    asked = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.Popen(asked, env=around, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listens_to_ctrl_c)


def test_an_import_brings_nothing_heavy() -> None:
    child = run("import sys, corsac; print(*sorted(sys.modules))")
    brought = set(child.communicate(timeout=60)[0].split())
    assert "corsac._corsac" in brought
    assert not brought & {"dspy", "pandas", "polars", "pyarrow", "numpy", "pydantic", "asyncio", "corsac.dspy", "corsac.programs"}


def test_other_threads_run_while_one_waits(simulate: Start) -> None:
    asking = predict(simulate({"rule": [{"fault": "hang"}]}))
    ran = threading.Event()

    def wait() -> None:
        with contextlib.suppress(corsac.CallError):
            asking(question="Where?")

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    threading.Thread(target=ran.set).start()
    assert ran.wait(30) and waiting.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_a_wait(simulate: Start) -> None:
    sim = simulate({"rule": [{"contains": "Nobody", "fault": "hang"}]})
    child = run(
        """
        import sys, corsac
        lm = corsac.LM("openai/gpt-4o-mini", base_url=sys.argv[1], api_key="sk-or-v1-a-key-for-tests")
        ask = corsac.Predict("question -> answer", lm=lm)
        ask(question="Somebody?")
        print("asking", flush=True)
        try:
            ask(question="Nobody?")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(lm.summary()["answered"], flush=True)
        import os
        os._exit(0)
        """,
        sim.base_url,
    )
    assert child.stdout is not None and child.stdout.readline().strip() == "asking"
    # the request must be under way, or the signal ends something else
    while len(sim.chats()) < 2:
        pass
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60)[0].split() == ["interrupted", "1"]


def test_a_run_that_ends_with_its_program_is_completed(sim: Simulator, home: Path) -> None:
    child = run(
        """
        import sys, corsac
        lm = corsac.LM("openai/gpt-4o-mini", base_url=sys.argv[1], api_key="sk-or-v1-a-key-for-tests")
        corsac.Predict("question -> answer", lm=lm)(question="Where?")
        """,
        sim.base_url,
    )
    assert child.wait(60) == 0
    import sqlite3

    with sqlite3.connect(home / "ledger.sqlite") as ledger:
        ended = ledger.execute("SELECT ended_ms IS NOT NULL, state FROM run").fetchall()
    assert ended == [(1, 1)], "1 is completed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_fork_asks_for_itself(sim: Simulator) -> None:
    child = run(
        """
        import os, sys, corsac
        lm = corsac.LM("openai/gpt-4o-mini", base_url=sys.argv[1], api_key="sk-or-v1-a-key-for-tests")
        ask = corsac.Predict("question -> answer", lm=lm)
        mine = ask(question="Parent?").answer
        process = os.fork()
        if process == 0:
            same = ask(question="Parent?")
            other = ask(question="Child?")
            os._exit(0 if same.answer == mine and same.cost == 0 and other.attempts == 1 else 1)
        assert os.waitpid(process, 0)[1] == 0
        assert ask(question="After?").attempts == 1
        print("done")
        """,
        sim.base_url,
    )
    said, wrong = child.communicate(timeout=60)
    assert said.strip() == "done", wrong
    assert len(sim.chats()) == 3


def test_equal_settings_are_one_engine(sim: Simulator) -> None:
    settings = settings_of(model="openai/gpt-4o-mini", base_url=sim.base_url, api_key=KEY)
    assert open_engine(settings) is open_engine(dict(reversed(settings.items())))
    assert open_engine(settings) is not open_engine({**settings, "budget": 1})
    assert KEY not in repr(open_engine(settings))


def test_the_simulator_answers_inside_the_process() -> None:
    made = corsac.Predict("question -> answer", lm=corsac.LM("openai/gpt-4o-mini", engine="sim"))(question="Where?")
    assert made.model == "openai/gpt-4o-mini" and made.attempts == 1


def test_without_a_key_it_is_said_what_to_do() -> None:
    with pytest.raises(corsac.ConfigurationError, match="OPENROUTER_API_KEY"):
        corsac.Predict("question -> answer", lm=corsac.LM("openai/gpt-4o-mini"))(question="Where?")


def test_the_key_comes_from_the_environment(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setenv("OPENROUTER_BASE_URL", sim.base_url)
    corsac.Predict("question -> answer", lm=corsac.LM("openai/gpt-4o-mini"))(question="Where?")
    assert sim.chats()[0]["headers"]["authorization"].endswith(KEY[-4:])
