"""The embedded model, asked from Python. Its weights are not fetched here: without them there is nothing to test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import corsac
from corsac import LocalLanguageModel, Session, SessionConfig, semantic

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "corsac" / "models"
WEIGHTS = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
pytestmark = pytest.mark.skipif(not WEIGHTS.exists(), reason="the embedded model's weights are not here: corsac models pull")

TEXTS = {"t": ["I love it, thank you!", "It broke after a day."]}
LABELS = ["praise", "complaint"]


@pytest.mark.parametrize(
    "config",
    [SessionConfig(engine="local"), SessionConfig(language_model=LocalLanguageModel()), SessionConfig()],
    ids=["the engine", "a model", "without a key and a model"],
)
def test_a_table_is_read_without_a_key(config: SessionConfig) -> None:
    frame = Session(config).create_dataframe(TEXTS).select("t", semantic.classify("t", LABELS).alias("kind"))
    asked = frame.collect("pylist")
    assert {row["kind"] for row in asked.data} <= set(LABELS)
    assert (asked.metrics.answered, asked.metrics.failed_rows, asked.metrics.cost) == (2, 0, 0.0)
    # and remembered
    again = frame.collect("pylist")
    assert again.data == asked.data and again.metrics.from_memory == 2


def test_a_program_is_run_without_a_key() -> None:
    lm = corsac.LM(engine="local")
    made = corsac.Predict("text -> kind: Literal['praise', 'complaint']", lm=lm)(text=TEXTS["t"][0])
    assert made.kind in LABELS and made.cost == 0.0
    assert made.model == "SmolLM2-135M-Instruct"


def test_dspy_is_answered_without_a_key() -> None:
    dspy = pytest.importorskip("dspy")
    import corsac.dspy

    lm = corsac.dspy.LM("local", engine="local", max_tokens=400)
    assert not lm.supports_function_calling
    (answer,) = lm("Say one word.")
    assert isinstance(answer, str) and answer
    assert lm.history[-1]["cost"] == 0.0
    assert dspy.LM is not type(lm)
