"""Programs: modules over signatures, run, measured, improved, saved. The work is the engine's; here is what Python sees of it.

>>> import corsac
>>> lm = corsac.LM("openai/gpt-4o-mini")                        # doctest: +SKIP
>>> judge = corsac.ChainOfThought("review -> sentiment: Literal['good', 'bad']", lm=lm)  # doctest: +SKIP
>>> judge(review="Broke after a day.").sentiment                # doctest: +SKIP
'bad'
"""

from __future__ import annotations

import copy
import inspect
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from corsac import _corsac
from corsac.engine import Engine, open_engine, settings_of
from corsac.errors import UsageError
from corsac.signature import Signature, field_type, plain, valued

__all__ = [
    "LM",
    "BestOfN",
    "ChainOfThought",
    "Example",
    "Module",
    "MultiChainComparison",
    "Predict",
    "Prediction",
    "ReAct",
    "Refine",
    "configure",
    "load",
]

#: How predictors may be put to a model.
ADAPTERS = ("auto", "chat", "json", "xml", "baml", "two_step")

#: Where a program that is written in Python runs, while it runs.
_place: ContextVar[Any] = ContextVar("corsac_place", default=None)
_configured: dict[str, Any] = {"lm": None}
_lock = threading.Lock()


class LM:
    """A model for programs: which one, with what to fall back on, under which profile and budget.

    Args:
        model: Its id or alias, such as ``"openai/gpt-4o-mini"``; without one, what ``corsac.toml`` says.
        fallbacks: Models asked in this order when the ones before them fail.
        temperature: What predictors sample with that name no temperature of their own.
        max_tokens: The most tokens of an answer.
        adapter: How predictors are put to it: ``"auto"`` (JSON, in whatever way the model's endpoints take it), ``"chat"``,
            ``"json"``, ``"xml"``, ``"baml"`` or ``"two_step"``.
        fresh: Asks anew although an answer is known.
        home: Where the ledger is, in place of ``CORSAC_HOME``.
        settings: ``api_key``, ``base_url``, ``app_name``, ``app_url``, ``extra_headers``, ``model_list``, ``profile``,
            ``profiles``, ``budget`` (dollars), ``timeout``, ``engine`` and so on.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        fallbacks: Sequence[str] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        adapter: str | None = None,
        fresh: bool = False,
        home: str | os.PathLike[str] | None = None,
        environment: bool = True,
        **settings: Any,
    ) -> None:
        self.model = model
        self.engine: Engine = open_engine(
            settings_of(model=model, fallbacks=fallbacks, **settings), environment=environment, home=home
        )
        self._asking = _asking(temperature=temperature, max_tokens=max_tokens, adapter=adapter, fresh=fresh)

    def summary(self) -> dict[str, Any]:
        """What was done so far: answers, requests, dollars, tokens, who served."""
        return self.engine.summary()

    def __repr__(self) -> str:
        return f"LM({self.model!r})"


def _asking(
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    adapter: str | None = None,
    fresh: bool = False,
    model: str | None = None,
    profile: str | None = None,
) -> str | None:
    if adapter is not None and adapter not in ADAPTERS:
        raise UsageError(f"there is no adapter {adapter!r}; there are {', '.join(ADAPTERS)}")
    written: Any = {"two_step": {"extractor": None}} if adapter == "two_step" else adapter
    said = {
        "temperature": temperature,
        "max_tokens": max_tokens,
        "adapter": written,
        "fresh": fresh or None,
        "model": model,
        "profile": profile,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    return json.dumps(kept) if kept else None


def configure(*, lm: LM | None = None) -> None:
    """Sets the model that programs ask which are given none."""
    _configured["lm"] = lm


def _lm(given: LM | None) -> LM:
    if given is not None:
        return given
    with _lock:
        if _configured["lm"] is None:
            _configured["lm"] = LM()
        lm: LM = _configured["lm"]
    return lm


class Prediction(Mapping[str, Any]):
    """What a program gave, and what it took to get it.

    Outputs are attributes and items: ``prediction.answer``, ``prediction["answer"]``.

    Attributes:
        cost: What all calls behind it cost, in dollars; 0.0 where all came from memory.
        model: The model that served last.
        provider: The provider that served last, if it was named.
        attempts: Requests sent.
        served: Every answered call: predictor, model, provider, cost, attempts, source.
    """

    def __init__(self, outputs: Mapping[str, Any] | None = None, **more: Any) -> None:
        self._outputs = {**(outputs or {}), **more}
        self.cost: float = 0.0
        self.model: str | None = None
        self.provider: str | None = None
        self.attempts: int = 0
        self.served: list[dict[str, Any]] = []

    @classmethod
    def _read(cls, told: Mapping[str, Any], hints: Mapping[str, Any]) -> Prediction:
        outputs = {name: valued(hints.get(name, Any), value) for name, value in told["outputs"].items()}
        made = cls(outputs)
        made.cost, made.attempts, made.served = told["cost"], told["attempts"], told["served"]
        made.model, made.provider = told["model"], told["provider"]
        return made

    def __getattr__(self, name: str) -> Any:
        outputs = self.__dict__.get("_outputs", {})
        if name in outputs:
            return outputs[name]
        raise AttributeError(f"the prediction has no output {name!r}; it has {', '.join(outputs) or 'none'}")

    def __getitem__(self, name: str) -> Any:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        return f"Prediction({', '.join(f'{name}={value!r}' for name, value in self._outputs.items())})"


class Example(Mapping[str, Any]):
    """A row of data: values, and which of them a program is given."""

    def __init__(self, values: Mapping[str, Any] | None = None, **more: Any) -> None:
        self._values = {**(values or {}), **more}
        self._inputs: tuple[str, ...] | None = None

    def with_inputs(self, *names: str) -> Example:
        """The same row with its inputs named; the others are what a program is measured by."""
        made = Example(self._values)
        made._inputs = names
        return made

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        raise AttributeError(name)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Example({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"


class Module:
    """Something that turns inputs into outputs by asking models.

    Write one of your own by giving ``forward`` and keeping other modules as attributes:

    >>> class Careful(Module):
    ...     def __init__(self):
    ...         self.draft = Predict("question -> answer")
    ...         self.check = ChainOfThought("question, answer -> verdict: bool")
    ...
    ...     def forward(self, question):
    ...         answer = self.draft(question=question).answer
    ...         return Prediction(answer=answer, sure=self.check(question=question, answer=answer).verdict)
    """

    #: The model asked, where this one has its own.
    lm: LM | None = None
    _hints: Mapping[str, Any] = {}
    _built: Any = None

    def forward(self, **inputs: Any) -> Any:
        """What a module of one's own does with its inputs: it gives a :class:`Prediction` or a mapping. Inputs and outputs are
        values as JSON has them."""
        raise UsageError(f"{type(self).__name__} does nothing: give it forward(self, …)")

    def __call__(self, **inputs: Any) -> Prediction:
        """Runs it once."""
        program, engine, given, asking, place = self._prepared(inputs)
        return Prediction._read(json.loads(program.run(engine, given, asking, place)), self._hints)

    async def acall(self, **inputs: Any) -> Prediction:
        """Runs it once, in an event loop."""
        program, engine, given, asking, place = self._prepared(inputs)
        return Prediction._read(json.loads(await program.run_async(engine, given, asking, place)), self._hints)

    def _prepared(self, inputs: Mapping[str, Any]) -> tuple[Any, Engine, str, str | None, Any]:
        lm = _lm(self.lm)
        return self._program(), lm.engine, json.dumps(plain(inputs)), lm._asking, _place.get()

    def _program(self) -> Any:
        """The program as the engine has it."""
        if self._built is None:
            self._built = _corsac.Program.written(type(self).__name__, self._forwarded, list(self._parts()))
        return self._built

    def _parts(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value._program()
            elif isinstance(value, (list, tuple)):
                for place, item in enumerate(value):
                    if isinstance(item, Module):
                        yield f"{name}[{place}]", item._program()
            elif isinstance(value, dict):
                for key, item in value.items():
                    if isinstance(item, Module):
                        yield f"{name}[{key!r}]", item._program()

    def _forwarded(self, place: Any, inputs: str) -> str:
        token = _place.set(place)
        try:
            given = self.forward(**json.loads(inputs))
        finally:
            _place.reset(token)
        if not isinstance(given, Mapping):
            raise UsageError(f"{type(self).__name__}.forward gave {given!r}: give a Prediction or a mapping of outputs")
        return json.dumps(plain(given))

    def predictors(self) -> list[dict[str, Any]]:
        """The predictors inside: path, signature, demonstrations."""
        told: list[dict[str, Any]] = json.loads(self._program().predictors())
        return told

    def with_demos(self, demos: Iterable[Mapping[str, Any]], path: str | None = None) -> Any:
        """The same with demonstrations for a predictor; the only one, where no path is given."""
        paths = [one["path"] for one in self.predictors()]
        if path is None and len(paths) != 1:
            raise UsageError(f"say which predictor: path= one of {', '.join(paths)}")
        chosen = paths[0] if path is None else path
        return self._over(self._program().with_demos(chosen, json.dumps([plain(demo) for demo in demos])))

    def _over(self, program: Any) -> Any:
        """The same with another program below."""
        made = copy.copy(self)
        made._built = program
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a JSON file, which DSPy reads too. No key is in it."""
        target = Path(path)
        beside = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        beside.write_text(self._program().saved(), encoding="utf-8")
        beside.replace(target)

    def loaded(self, path: str | os.PathLike[str]) -> Any:
        """The same with what a file says laid over it: one of Corsac's or of DSPy's."""
        return self._over(self._program().with_saved(Path(path).read_text(encoding="utf-8")))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Lays over it what a file says, as DSPy's ``load`` does."""
        self._built = self._program().with_saved(Path(path).read_text(encoding="utf-8"))


class _OverSignature(Module):
    """A module of the engine's over a signature."""

    _kind = "Predict"

    def __init__(
        self,
        signature: Any,
        instructions: str | None = None,
        *,
        lm: LM | None = None,
        model: str | None = None,
        profile: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        adapter: str | None = None,
    ) -> None:
        self.lm = lm
        self.signature = _signature(signature, instructions)
        self._hints = self.signature._hints
        asking = _asking(temperature=temperature, max_tokens=max_tokens, adapter=adapter, model=model, profile=profile)
        self._built = _corsac.Program.over_signature(self._kind, json.dumps(self.signature._json()), asking)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.signature!r})"


def _signature(given: Any, instructions: str | None = None) -> Any:
    if isinstance(given, str):
        return Signature(given, instructions)  # type: ignore[call-arg]
    if isinstance(given, type) and issubclass(given, Signature):
        return given if instructions is None else given.with_instructions(instructions)
    raise UsageError(f"{given!r} is no signature: write a text, 'question -> answer', or a class of corsac.Signature")


class Predict(_OverSignature):
    """One question to a model, as often as it is called.

    Args:
        signature: As text or as a class of :class:`corsac.Signature`.
        instructions: What the model should do, where the signature does not say it.
        lm: The model asked; else the one of :func:`corsac.configure`.
        model: A model in place of the ``lm``'s own, by id or alias.
        profile: A profile in place of the ``lm``'s own.
        temperature: Sampling temperature.
        max_tokens: The most tokens of an answer.
        adapter: How it is put to the model; see :class:`LM`.
    """

    _kind = "Predict"


class ChainOfThought(_OverSignature):
    """As :class:`Predict`, with an output ``reasoning`` before the others."""

    _kind = "ChainOfThought"


class MultiChainComparison(_OverSignature):
    """Several chains of thought, and a last look at all of them."""

    _kind = "MultiChainComparison"


class ReAct(Module):
    """Calls tools until it knows enough.

    Args:
        signature: What it is given, and what it is to find out.
        tools: Functions with type hints and docstrings.
        max_iters: The most steps.
        native: Whether tools are the API's own function calls; by default as the catalog says that the model takes them.
        lm: The model asked.
    """

    def __init__(
        self,
        signature: Any,
        tools: Sequence[Callable[..., Any]],
        max_iters: int = 20,
        *,
        native: bool | None = None,
        lm: LM | None = None,
    ) -> None:
        self.lm = lm
        self.signature = _signature(signature)
        self._hints = self.signature._hints
        offered = [_tool(tool) for tool in tools]
        self._built = _corsac.Program.react(json.dumps(self.signature._json()), offered, most_steps=max_iters, native=native)


def _tool(function: Callable[..., Any]) -> tuple[str, str, str, Callable[[str], str]]:
    hints = inspect.get_annotations(function, eval_str=True)
    fields = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        told: dict[str, Any] = {"name": name, "type": field_type(hints.get(name, str))}
        if parameter.default is not parameter.empty:
            told["default"] = plain(parameter.default)
        fields.append(told)

    def call(arguments: str) -> str:
        given = {name: valued(hints.get(name, Any), value) for name, value in json.loads(arguments).items()}
        return json.dumps(plain(function(**given)))

    name = getattr(function, "__name__", type(function).__name__)
    return name, inspect.getdoc(function) or name, json.dumps(fields), call


class BestOfN(Module):
    """Runs a module up to ``n`` times and gives the first prediction whose reward reaches the threshold, else the best.

    ``reward`` takes the inputs and the prediction.
    """

    _advised = False

    def __init__(
        self,
        module: Module,
        n: int,
        reward: Callable[[Mapping[str, Any], Prediction], float],
        threshold: float = 1.0,
        *,
        lm: LM | None = None,
    ) -> None:
        self.lm = lm if lm is not None else module.lm
        self._hints = hints = module._hints

        def scored(inputs: str, prediction: str) -> float:
            return float(reward(json.loads(inputs), Prediction._read(json.loads(prediction), hints)))

        self._built = _corsac.Program.best_of(module._program(), n, scored, threshold, self._advised)


class Refine(BestOfN):
    """As :class:`BestOfN`, and after each try that is not good enough a model gives advice for the next."""

    _advised = True


def load(path: str | os.PathLike[str], *, module: str | None = None, signature: str | None = None, lm: LM | None = None) -> Module:
    """The program of a file. DSPy's files do not say which module they are of: then name it, and its signature."""
    described = json.dumps(_signature(signature)._json()) if signature is not None else None
    program = _corsac.Program.of_saved(Path(path).read_text(encoding="utf-8"), module, described)
    made = Module()
    made.lm, made._built = lm, program
    return made
