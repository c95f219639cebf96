"""``corsac.dspy.LM`` beyond single answers: memory, samples, cost, errors, streams, event loops, saved states, optimizers."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

dspy = pytest.importorskip("dspy")

import corsac.dspy  # noqa: E402
from corsac import ConfigurationError, Simulator, UsageError  # noqa: E402
from dspy_models import KEY, Start, model, quiet  # noqa: E402, F401
from dspy_programs import CAPITAL, CASES, MODEL, QA, marked, script  # noqa: E402

# memory: the ledger is the cache


def test_an_answer_is_remembered_and_costs_nothing_again(sim: Simulator) -> None:
    lm = model(sim)
    first = lm("Say hello.")
    assert lm("Say hello.") == first
    assert len(sim.chats()) == 1
    asked, remembered = lm.history
    assert asked["cost"] > 0 and not asked["cache_hit"]
    assert remembered["cost"] == 0 and remembered["cache_hit"] and remembered["usage"] == {}


def test_cache_false_asks_anew_each_time(sim: Simulator) -> None:
    lm = model(sim)
    lm("Say hello.")
    lm("Say hello.", cache=False)
    lm.copy(cache=False)("Say hello.")
    assert len(sim.chats()) == 3


def test_dspys_caches_turned_off_are_off(sim: Simulator) -> None:
    lm = model(sim)
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    try:
        lm("Say hello.")
        lm("Say hello.")
    finally:
        dspy.configure_cache()
    assert len(sim.chats()) == 2


def test_rollouts_and_settings_are_asked_by_themselves(sim: Simulator) -> None:
    lm = model(sim, temperature=1.0)
    for said in ({}, {"rollout_id": 1}, {"rollout_id": 2}, {"temperature": 0.5}, {"top_p": 0.9}, {"stop": ["x"]}):
        lm("Say hello.", **said)
        lm("Say hello.", **said)
    assert len(sim.chats()) == 6
    assert "rollout_id" not in json.dumps([chat["body"] for chat in sim.chats()])


def test_several_answers_are_several_requests(sim: Simulator) -> None:
    lm = model(sim, temperature=1.0)
    assert len(lm("Say hello.", n=3)) == 3
    assert len(sim.chats()) == 3
    assert len(lm("Say hello.", n=3)) == 3
    assert len(sim.chats()) == 3, "all three are remembered"


def test_equal_questions_at_once_are_one(simulate: Start) -> None:
    sim = simulate(latency_ms=50)
    lm = model(sim)

    async def ask() -> list[Any]:
        return await asyncio.gather(*(lm.acall("Say hello.") for _ in range(8)))

    answers = asyncio.run(ask())
    assert len({answer[0] for answer in answers}) == 1
    assert len(sim.chats()) == 1


def test_both_ways_of_calling_share_a_memory(sim: Simulator) -> None:
    lm = model(sim)
    assert asyncio.run(lm.acall("Say hello.")) == lm("Say hello.")
    assert len(sim.chats()) == 1


# what it cost, and who answered


def test_cost_is_the_services_own(sim: Simulator) -> None:
    lm = model(sim)
    with dspy.track_usage() as tracker:
        lm("Say hello.")
    billed = float(sim.seen()["cost_dollars"])
    assert billed > 0
    assert lm.history[-1]["cost"] == pytest.approx(billed, abs=1e-12)
    assert lm.history[-1]["cost_details"]["kind"] == "billed"
    used = tracker.get_total_tokens()[MODEL]
    assert used["cost"] == pytest.approx(billed, abs=1e-12)
    assert used["prompt_tokens"] == sim.seen()["prompt_tokens"]
    assert lm.corsac.summary()["cost"] == pytest.approx(billed, abs=1e-12)


def test_a_prediction_tells_its_usage(simulate: Start) -> None:
    sim = simulate(script(CASES["predict"], "chat"))
    with dspy.context(lm=model(sim), track_usage=True):
        made = dspy.Predict("question -> answer")(**CAPITAL)
    assert made.get_lm_usage()[MODEL]["cost"] > 0


def test_a_budget_holds(simulate: Start) -> None:
    sim = simulate()
    lm = model(sim, budget=0.00005, max_tokens=20)
    with pytest.raises(dspy.LMError) as caught:
        for number in range(200):
            lm(f"Say hello to number {number}.")
    assert isinstance(caught.value, dspy.utils.exceptions.LMBillingError)
    assert float(sim.seen()["cost_dollars"]) <= 0.00005


def test_the_ledger_has_the_run(sim: Simulator, home: Path) -> None:
    lm = model(sim)
    lm("Say hello.")
    assert (home / "ledger.sqlite").is_file()
    assert lm.history[-1]["run"] == lm.corsac.run_id


# errors


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("unauthorized_401", "LMAuthError"),
        ("no_credits_402", "LMBillingError"),
        ("context_length_400", "ContextWindowExceededError"),
        ("no_endpoints_404", "LMUnsupportedModelError"),
        ("moderation_403", "LMInvalidRequestError"),
        ("http_400", "LMInvalidRequestError"),
    ],
)
def test_errors_are_dspys(simulate: Start, fault: str, expected: str) -> None:
    sim = simulate({"rule": [{"fault": fault}]})
    lm = model(sim)
    with pytest.raises(dspy.LMError) as caught:
        lm("Say hello.")
    assert type(caught.value).__name__ == expected, caught.value
    told = caught.value.__cause__.__cause__
    assert isinstance(told, corsac.CallError)
    assert told.attempts >= 1 and told.status == caught.value.status
    assert KEY not in str(caught.value)


def test_react_forgets_its_oldest_steps_when_the_context_is_full(simulate: Start) -> None:
    """On DSPy's own client the refusal is no ContextWindowExceededError, and this never happens."""
    case = CASES["react"]
    again = {"next_thought": "More.", "next_tool_name": "look_up", "next_tool_args": {"city": "Paris"}}
    sim = simulate(
        {
            "rule": [
                {"contains": "observation_2", "times": 1, "fault": "context_length_400"},
                {"contains": "`reasoning`", "content": marked(CASES["react"].says)},
                {"contains": "observation_2", "content": marked(case.turns[1][1])},
                {"content": marked(again)},
            ]
        }
    )
    with dspy.context(lm=model(sim)):
        made = dspy.ReAct("question -> answer", tools=[case.make().tools["look_up"].func], max_iters=4)(**CAPITAL)
    assert made.answer == QA["answer"]
    assert sim.seen()["by_fault"] == {"context_length_400": 1}


def test_what_makes_no_sense_is_said_at_once(sim: Simulator) -> None:
    with pytest.raises(ConfigurationError, match="careful"):
        model(sim, profile="careful")
    with pytest.raises(ConfigurationError, match="temperature"):
        model(sim, profiles={"hot": {"temperature": 7}})
    with pytest.raises(UsageError, match="fallbacks"):
        model(sim)("Say hello.", fallbacks=["a/b"])
    with pytest.raises(UsageError, match="no engine"):
        corsac.dspy.LM(MODEL, engine="nobody")
    assert not sim.chats()


# what is sent


def test_settings_reach_the_wire(sim: Simulator) -> None:
    lm = model(
        sim,
        temperature=0.3,
        max_tokens=77,
        top_k=5,
        reasoning_effort="low",
        provider={"sort": "price", "max_price": {"prompt": 1}},
        extra_body={"transforms": ["middle-out"]},
        app_name="8-Bit Oracle",
        app_url="https://8bitoracle.ai",
    )
    lm("Say hello.", seed=7)
    (chat,) = sim.chats()
    body = chat["body"]
    assert body["temperature"] == 0.3 and body["max_tokens"] == 77 and body["seed"] == 7
    assert body["provider"]["sort"] == "price" and float(body["provider"]["max_price"]["prompt"]) == 1
    assert body["transforms"] == ["middle-out"]
    assert chat["headers"]["http-referer"] == "https://8bitoracle.ai"


def test_a_copy_may_name_another_model(sim: Simulator) -> None:
    lm = model(sim)
    other = lm.copy(model="openrouter/anthropic/claude-3-haiku", top_a=0.5)
    other("Say hello.")
    assert sim.chats()[0]["body"]["model"] == "anthropic/claude-3-haiku"
    assert other.corsac is lm.corsac


def test_native_calls_of_tools(simulate: Start) -> None:
    sim = simulate()

    class Call(dspy.Signature):
        """Call a tool."""

        question: str = dspy.InputField()
        tools: list[dspy.Tool] = dspy.InputField()
        calls: dspy.ToolCalls = dspy.OutputField()

    def look_up(city: str) -> str:
        """Says in which country a city lies."""
        return city

    with dspy.context(lm=model(sim), adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        made = dspy.Predict(Call)(question="Where is Paris?", tools=[dspy.Tool(look_up)])
    assert {call.name for call in made.calls.tool_calls} == {"look_up"}
    assert sim.chats()[0]["body"]["tools"][0]["function"]["name"] == "look_up"


# event loops and streams


def test_programs_run_in_event_loops(simulate: Start) -> None:
    sim = simulate(script(CASES["chain_of_thought"], "chat"), latency_ms=20)
    lm = model(sim)

    async def run() -> list[Any]:
        cot = dspy.ChainOfThought("question -> answer")
        with dspy.context(lm=lm):
            return await asyncio.gather(*(cot.acall(question=f"Number {number}?") for number in range(20)))

    assert {made.answer for made in asyncio.run(run())} == {"Paris"}
    assert len(sim.chats()) == 20
    assert sim.seen()["concurrent_peak"] > 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_streams(simulate: Start, asynchronous: bool) -> None:
    sim = simulate(script(CASES["chain_of_thought"], "chat"))
    program = dspy.streamify(
        dspy.ChainOfThought("question -> answer"),
        stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")],
        is_async_program=asynchronous,
    )

    async def run() -> list[Any]:
        with dspy.context(lm=model(sim)):
            return [piece async for piece in program(**CAPITAL)]

    *pieces, made = asyncio.run(run())
    assert made.answer == "Paris"
    assert "".join(piece.chunk for piece in pieces).strip() == "Paris"
    assert sim.chats()[0]["body"]["stream"] is True


def test_a_stream_fails_over_before_its_first_piece(simulate: Start) -> None:
    sim = simulate({**script(CASES["chain_of_thought"], "chat"), "down": [{"model": "openai/gpt-4o-mini", "fault": "http_503"}]})
    program = dspy.streamify(
        dspy.ChainOfThought("question -> answer"),
        stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")],
    )
    lm = model(sim, fallbacks=["anthropic/claude-3-haiku"])

    async def run() -> list[Any]:
        with dspy.context(lm=lm):
            return [piece async for piece in program(**CAPITAL)]

    assert asyncio.run(run())[-1].answer == "Paris"
    assert sim.seen()["by_model"] == {"anthropic/claude-3-haiku": 1}


# states


def test_a_saved_state_holds_no_key(sim: Simulator, tmp_path: Path) -> None:
    listed = [{"model_name": "a", "litellm_params": {"model": "openrouter/openai/gpt-4o-mini", "api_key": KEY}}]
    lm = model(sim, model_list=listed, extra_headers={"X-Title": "8-Bit Oracle", "Authorization": f"Bearer {KEY}"})
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    program.save(tmp_path / "program.json")
    written = (tmp_path / "program.json").read_text()
    assert KEY not in written and KEY not in json.dumps(lm.dump_state()) and KEY.encode() not in pickle.dumps(lm)
    assert KEY not in repr(lm.engine) and KEY not in repr(lm.corsac)
    assert "8-Bit Oracle" in written


def test_a_saved_program_is_loaded(simulate: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = simulate(script(CASES["predict"], "chat"))
    program = dspy.Predict("question -> answer")
    program.set_lm(model(sim, temperature=0.5, fallbacks=["anthropic/claude-3-haiku"]))
    program.save(tmp_path / "program.json")
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    loaded = dspy.Predict("question -> answer")
    loaded.load(tmp_path / "program.json", allow_unsafe_lm_state=True)
    assert isinstance(loaded.lm, corsac.dspy.LM)
    assert loaded.lm.kwargs["temperature"] == 0.5
    assert loaded(**CAPITAL).answer == "Paris"


def test_models_are_copied_and_pickled(sim: Simulator) -> None:
    lm = model(sim)
    assert copy.deepcopy(lm).corsac is lm.corsac
    assert pickle.loads(pickle.dumps(lm)).model == MODEL


# what stands on it


def test_an_optimizer_learns(simulate: Start) -> None:
    sim = simulate(script(CASES["chain_of_thought"], "chat"))
    train = [dspy.Example(question=f"Number {number}?", answer="Paris").with_inputs("question") for number in range(6)]
    optimizer = dspy.BootstrapFewShot(metric=lambda gold, made, trace=None: gold.answer == made.answer, max_bootstrapped_demos=2)
    with dspy.context(lm=model(sim)):
        better = optimizer.compile(dspy.ChainOfThought("question -> answer"), trainset=train)
        score = dspy.Evaluate(devset=train, metric=lambda gold, made: gold.answer == made.answer, display_progress=False)(better)
    assert score.score == 100.0
    assert len(better.predict.demos) >= 2


def test_everything_of_dspy_is_there() -> None:
    assert corsac.dspy.Predict is dspy.Predict
    assert corsac.dspy.settings is dspy.settings
    assert corsac.dspy.teleprompt is dspy.teleprompt
    assert corsac.dspy.LM is not dspy.LM and issubclass(corsac.dspy.LM, dspy.LM)
    with pytest.raises(AttributeError):
        _ = corsac.dspy.nothing_of_that_name


# other adapters, other modules


def test_in_two_steps(simulate: Start) -> None:
    sim = simulate({"rule": [{"contains": "[[ ## ", "content": marked(QA)}, {"content": "It is Paris, of course."}]})
    lm = model(sim)
    with dspy.context(lm=lm, adapter=dspy.TwoStepAdapter(lm)):
        assert dspy.Predict("question -> answer")(**CAPITAL).answer == "Paris"
    assert len(sim.chats()) == 2


def test_bamls_types(simulate: Start) -> None:
    from dspy.adapters.baml_adapter import BAMLAdapter

    case = CASES["predict_class"]
    sim = simulate(script(case, "json"))
    with dspy.context(lm=model(sim), adapter=BAMLAdapter()):
        made = case.make()(**case.inputs)
    assert made.person == case.gives["person"] and made.tags == case.gives["tags"]


def test_chat_falls_back_to_json_as_dspy_does(simulate: Start) -> None:
    """What is no chat answer is an AdapterParseError, and DSPy asks for JSON."""
    sim = simulate({"rule": [{"times": 1, "content": "Paris, plainly."}, {"content": '{"answer": "Paris"}'}]})
    with dspy.context(lm=model(sim)):
        assert dspy.Predict("question -> answer")(**CAPITAL).answer == "Paris"
    first, second = (chat["body"] for chat in sim.chats())
    assert "response_format" not in first and second["response_format"]["type"] == "json_schema"


def test_an_error_of_the_service_is_not_taken_for_a_bad_answer(simulate: Start) -> None:
    """So no second call is paid for in another form."""
    sim = simulate({"rule": [{"fault": "http_400"}]})
    with dspy.context(lm=model(sim)), pytest.raises(dspy.LMError):
        dspy.Predict("question -> answer")(**CAPITAL)
    assert len(sim.chats()) == 1


def test_pictures_are_sent(simulate: Start) -> None:
    sim = simulate({"rule": [{"content": marked(QA)}]})
    picture = dspy.Image(url="https://example.com/paris.png")
    with dspy.context(lm=model(sim)):
        assert dspy.Predict("picture: dspy.Image -> answer")(picture=picture).answer == "Paris"
    parts = sim.chats()[0]["body"]["messages"][-1]["content"]
    assert any(part["type"] == "image_url" and part["image_url"]["url"] == picture.url for part in parts)


def test_a_canonical_request_gives_a_canonical_response(sim: Simulator) -> None:
    from dspy.lm15 import Config, Message, Request, Response

    lm = model(sim)
    asked = Request(model=MODEL, messages=(Message.user("Say hello."),), config=Config(max_tokens=50))
    answered = lm(asked)
    assert isinstance(answered, Response) and answered.text
    assert answered.usage.input_tokens and answered.provider_data["usage"]["cost"] > 0
    assert sim.chats()[0]["body"]["max_tokens"] == 50


def test_more_optimizers(simulate: Start) -> None:
    sim = simulate(script(CASES["predict"], "chat"))
    train = [dspy.Example(question=f"Number {number}?", answer="Paris").with_inputs("question") for number in range(6)]
    metric = lambda gold, made, trace=None: gold.answer == made.answer  # noqa: E731
    with dspy.context(lm=model(sim)):
        labelled = dspy.LabeledFewShot(k=2).compile(dspy.Predict("question -> answer"), trainset=train)
        searched = dspy.BootstrapFewShotWithRandomSearch(
            metric=metric, num_candidate_programs=2, max_bootstrapped_demos=1, max_labeled_demos=2
        ).compile(dspy.Predict("question -> answer"), trainset=train)
    assert len(labelled.demos) == 2
    assert searched.candidate_programs[0]["score"] == 100.0


def test_the_embedded_model_needs_no_key() -> None:
    """It is opened when it is asked; here it is only set up."""
    lm = corsac.dspy.LM("local", engine="local")
    assert not lm.supports_function_calling and lm.supports_response_schema


def test_an_agent_with_the_apis_own_tools(sim: Simulator) -> None:
    """Calls and their results go back and forth as messages; at the end the answer is forced."""

    def look_up(city: str) -> str:
        """Says in which country a city lies."""
        return "France"

    with dspy.context(lm=model(sim), adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        made = dspy.ReActV2("question -> answer", tools=[look_up], max_iters=2)(question="Where is Paris?")
    assert isinstance(made.answer, str) and made.termination_reason == "forced_submit"
    bodies = [chat["body"] for chat in sim.chats()]
    assert [message["role"] for message in bodies[1]["messages"]][:4] == ["system", "user", "assistant", "tool"]
    assert bodies[1]["messages"][3]["content"] == "France"
    assert bodies[-1]["tool_choice"] == {"type": "function", "function": {"name": "submit"}}
