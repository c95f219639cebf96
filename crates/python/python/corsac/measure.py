"""Measuring programs on data, and improving them by data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corsac import _corsac
from corsac.errors import UsageError
from corsac.programs import LM, Example, Module, Prediction, _lm
from corsac.signature import plain

__all__ = ["Evaluation", "Measured", "Tuned", "aevaluate", "atune", "evaluate", "tune"]

#: A metric by name, or a function of the example and the prediction.
Metric = str | Callable[[Example, Prediction], float | bool]


@dataclass(frozen=True)
class Measured:
    """What became of one example."""

    row: int
    prediction: Prediction | None
    #: ``None`` where the program failed, or the metric could not measure.
    score: float | None
    error: str | None
    error_kind: str | None
    cost: float
    attempts: int


class Evaluation:
    """What an evaluation came to. Failures are no zeros: they are counted apart.

    Attributes:
        score: The mean over examples that have a score.
        interval: Its 95 % interval, ``(low, high)``.
        failed: Examples without a score.
        failures: How many failed, by class.
        cost: Dollars.
        outcomes: Every example's outcome, in order.
    """

    def __init__(self, told: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
        self.metric: str = told["metric"]
        self.score: float | None = told["score"]
        interval = told["interval"]
        self.interval: tuple[float, float] | None = (interval["low"], interval["high"]) if interval else None
        self.failed: int = told["failed"]
        self.failures: dict[str, int] = told["failures"]
        self.cost: float = told["cost"]
        self.stopped_early: bool = told["stopped_early"]
        self._report: str = told["report"]
        self.outcomes = [
            Measured(**{**one, "prediction": Prediction._read(one["prediction"], hints) if one["prediction"] else None})
            for one in told["outcomes"]
        ]

    def __str__(self) -> str:
        return self._report

    def __repr__(self) -> str:
        score = f"{self.score:.3f}" if self.score is not None else "none"
        return f"Evaluation({self.metric} {score}, {len(self.outcomes)} examples, {self.failed} failed, ${self.cost:.6f})"


class Tuned:
    """What a search came to.

    Attributes:
        program: The best program that was found.
        candidates: Every candidate: name, score, interval, failed, cost, calls, best.
        spent: Dollars.
        calls: Calls that were asked.
        complete: Whether the search went through; ``False`` where its budget ended first.
    """

    def __init__(self, program: Any, told: Mapping[str, Any]) -> None:
        self.program = program
        self.candidates: list[dict[str, Any]] = told["candidates"]
        self.spent: float = told["spent"]
        self.calls: int = told["calls"]
        self.complete: bool = told["complete"]
        self._report: str = told["report"]

    def __str__(self) -> str:
        return self._report

    def __repr__(self) -> str:
        return f"Tuned({len(self.candidates)} candidates, ${self.spent:.6f})"


def _rows(data: Any, program: Module) -> str:
    if hasattr(data, "to_dict") and hasattr(data, "columns"):  # pandas
        data = data.to_dict("records")
    elif hasattr(data, "to_dicts"):  # polars
        data = data.to_dicts()
    named = getattr(getattr(program, "signature", None), "input_names", None)
    rows = []
    for row in data:
        inputs = getattr(row, "_inputs", None) or getattr(row, "_input_keys", None) or named
        if not inputs:
            raise UsageError("say which values the program is given: Example(…).with_inputs('question')")
        values = row.toDict() if hasattr(row, "toDict") else dict(row)
        rows.append({"values": plain(values), "inputs": sorted(inputs)})
    return json.dumps(rows)


def _metric(metric: Metric, hints: Mapping[str, Any]) -> Any:
    if isinstance(metric, str):
        return metric

    def score(values: str, prediction: str) -> float:
        return float(metric(Example(json.loads(values)), Prediction._read(json.loads(prediction), hints)))

    score.__name__ = getattr(metric, "__name__", "metric")
    return score


def _evaluate(
    program: Module, data: Iterable[Any], metric: Metric, field: str | None, lm: LM | None, at_once: int, seed: int, *, later: bool
) -> Any:
    model = _lm(lm if lm is not None else program.lm)
    return _corsac.evaluate_program(
        model.engine,
        program._program(),
        _rows(data, program),
        _metric(metric, program._hints),
        field=field,
        settings=model._asking,
        at_once=at_once,
        seed=seed,
        asynchronous=later,
    )


def evaluate(
    program: Module,
    data: Iterable[Any],
    metric: Metric = "exact",
    *,
    field: str | None = None,
    lm: LM | None = None,
    at_once: int = 64,
    seed: int = 0,
) -> Evaluation:
    """Runs a program on every example and measures it.

    Args:
        program: The program.
        data: Examples, mappings, or a frame of pandas or polars.
        metric: ``"exact"``, ``"f1"``, ``"classify"``, ``"semantic_f1"``, or a function of the example and the prediction.
        field: The output that is compared; by default the one that has a label.
        lm: The model asked, in place of the program's own.
        at_once: How many examples run at once.
        seed: For the interval.
    """
    told = _evaluate(program, data, metric, field, lm, at_once, seed, later=False)
    return Evaluation(json.loads(told), program._hints)


async def aevaluate(
    program: Module,
    data: Iterable[Any],
    metric: Metric = "exact",
    *,
    field: str | None = None,
    lm: LM | None = None,
    at_once: int = 64,
    seed: int = 0,
) -> Evaluation:
    """:func:`evaluate`, in an event loop."""
    told = await _evaluate(program, data, metric, field, lm, at_once, seed, later=True)
    return Evaluation(json.loads(told), program._hints)


def _tune(
    program: Module,
    data: Iterable[Any],
    metric: Metric,
    optimizer: str,
    budget: float | str | None,
    calls: int | None,
    held_out: float | Sequence[Any],
    candidates: int | None,
    field: str | None,
    lm: LM | None,
    seed: int,
    *,
    later: bool,
) -> Any:
    model = _lm(lm if lm is not None else program.lm)
    search: dict[str, Any] = {"optimizer": optimizer, "seed": seed}
    if budget is not None:
        search["dollars"] = budget if isinstance(budget, str) else f"{budget:.12f}"
    if calls is not None:
        search["calls"] = calls
    if candidates is not None:
        search["candidates"] = candidates
    rows = None
    if isinstance(held_out, (int, float)):
        search["held_out"] = float(held_out)
    else:
        rows = _rows(held_out, program)
    return _corsac.tune_program(
        model.engine,
        program._program(),
        _rows(data, program),
        _metric(metric, program._hints),
        json.dumps(search),
        held_out=rows,
        field=field,
        settings=model._asking,
        asynchronous=later,
    )


def tune(
    program: Module,
    data: Iterable[Any],
    metric: Metric = "exact",
    *,
    optimizer: str = "random-search",
    budget: float | str | None = None,
    calls: int | None = None,
    held_out: float | Sequence[Any] = 0.5,
    candidates: int | None = None,
    field: str | None = None,
    lm: LM | None = None,
    seed: int = 0,
) -> Tuned:
    """Searches for a better program. Stopped at its budget, or killed, it goes on where it was when it is run again.

    Args:
        program: The program, which stays as it is.
        data: Examples to learn from; see :func:`evaluate`.
        metric: What is measured.
        optimizer: ``"labeled"``, ``"bootstrap"`` or ``"random-search"``.
        budget: The most dollars.
        calls: The most calls.
        held_out: The share of the examples by which candidates are measured, or examples of their own.
        candidates: How many shuffles a random search tries.
        field: The output that is compared.
        lm: The model asked, in place of the program's own.
        seed: For everything that is drawn.
    """
    better, told = _tune(
        program, data, metric, optimizer, budget, calls, held_out, candidates, field, lm, seed, later=False
    )
    return Tuned(program._over(better), json.loads(told))


async def atune(
    program: Module,
    data: Iterable[Any],
    metric: Metric = "exact",
    *,
    optimizer: str = "random-search",
    budget: float | str | None = None,
    calls: int | None = None,
    held_out: float | Sequence[Any] = 0.5,
    candidates: int | None = None,
    field: str | None = None,
    lm: LM | None = None,
    seed: int = 0,
) -> Tuned:
    """:func:`tune`, in an event loop."""
    better, told = await _tune(
        program, data, metric, optimizer, budget, calls, held_out, candidates, field, lm, seed, later=True
    )
    return Tuned(program._over(better), json.loads(told))
