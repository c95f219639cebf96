"""Saved programs and prompts, held against DSPy: what it saves loads here, what is saved here loads there."""

import json
import os
import subprocess
from typing import Literal, Optional

import dspy
import pytest

STATE = os.environ["PROGRAM_STATE"]
KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
SIGNATURE = "review, stars: int -> label: Literal['good', 'bad'], score: float, tags: list[str]"
VALUES = {"review": "Fine & quiet.", "stars": 4, "label": "good", "score": 0.5, "tags": ["short", "a, b"]}


def state(*arguments):
    done = subprocess.run([STATE, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def signature():
    return dspy.Signature(SIGNATURE, "Judge a review.\nBe fair.")


def demo(**more):
    return dspy.Example(**VALUES, **more).with_inputs("review", "stars")


class Pipeline(dspy.Module):
    def __init__(self):
        super().__init__()
        self.first = dspy.ChainOfThought("question -> answer")
        self.second = dspy.Predict("answer -> verdict: bool")


def saved(module, folder, name="saved.json"):
    path = str(folder / name)
    module.save(path)
    return path


def resaved(path, kind, text, folder):
    again = folder / "again.json"
    again.write_text(state("resave", path, kind, text), encoding="utf-8")
    return str(again)


@pytest.mark.parametrize("kind", ["Predict", "ChainOfThought"])
def test_a_program_goes_there_and_back(kind, tmp_path):
    module = getattr(dspy, kind)(signature())
    predictor = module.predictors()[0]
    predictor.demos = [demo(reasoning="So.", augmented=True) if kind == "ChainOfThought" else demo()]
    path = saved(module, tmp_path)
    again = resaved(path, kind, SIGNATURE, tmp_path)
    loaded = getattr(dspy, kind)(dspy.Signature(SIGNATURE))
    loaded.load(again)
    assert loaded.predictors()[0].signature.instructions == "Judge a review.\nBe fair."
    assert [dict(one) for one in loaded.predictors()[0].demos] == [dict(one) for one in predictor.demos]
    before, after = json.load(open(path)), json.load(open(again))
    assert after["metadata"].pop("corsac")["module"] == kind
    assert after == before


def test_a_key_in_the_file_is_not_written_again(tmp_path):
    module = dspy.Predict(signature())
    module.lm = dspy.LM("openrouter/openai/gpt-4o-mini", api_key=KEY, temperature=0.25, extra_headers={"Authorization": f"Bearer {KEY}", "X-Title": "Mine"})
    path = saved(module, tmp_path)
    assert KEY in open(path).read(), "DSPy itself leaves it in a header"
    again = resaved(path, "Predict", SIGNATURE, tmp_path)
    assert KEY not in open(again).read()
    loaded = dspy.Predict(signature())
    loaded.load(again)
    assert loaded.lm.model == "openrouter/openai/gpt-4o-mini"
    assert loaded.lm.kwargs["temperature"] == 0.25 and loaded.lm.kwargs["extra_headers"] == {"X-Title": "Mine"}


def test_what_is_made_here_behaves_there(tmp_path):
    made = {"instructions": "Answer like an accountant.", "demos": [{"question": "Two?", "reasoning": "Count.", "answer": "2"}]}
    path = tmp_path / "made.json"
    path.write_text(state("make", "ChainOfThought", "question -> answer", json.dumps(made)), encoding="utf-8")
    module = dspy.ChainOfThought("question -> answer")
    module.load(str(path))
    seen = []

    class Listening(dspy.utils.DummyLM):
        def forward(self, prompt=None, messages=None, **kwargs):
            seen.append(json.dumps(messages))
            return super().forward(prompt=prompt, messages=messages, **kwargs)

    with dspy.context(lm=Listening([{"reasoning": "r", "answer": "5"}])):
        assert module(question="Two and three?").answer == "5"
    for part in ["Answer like an accountant.", "Two?", "Count.", "Two and three?"]:
        assert any(part in messages for messages in seen), part


def test_what_is_saved_there_reaches_the_prompt_here(tmp_path):
    module = dspy.Predict(signature())
    module.demos = [demo()]
    path = saved(module, tmp_path)
    prompt = json.loads(state("prompt", path, "Predict", SIGNATURE, json.dumps({"review": "Loud.", "stars": 1})))
    assert "Judge a review.\nBe fair." in prompt["system"]
    assert [message["role"] for message in prompt["messages"]] == ["user", "assistant", "user"]
    assert "Fine & quiet." in prompt["messages"][0]["content"] and "Loud." in prompt["messages"][2]["content"]


def test_a_demo_looks_as_it_does_there(tmp_path):
    module = dspy.Predict(signature())
    module.demos = [demo()]
    prompt = json.loads(state("prompt", saved(module, tmp_path), "Predict", SIGNATURE, json.dumps({"review": "Loud.", "stars": 1})))
    there = dspy.ChatAdapter().format(signature(), [dict(VALUES)], {"review": "Loud.", "stars": 1})
    assert [message["content"] for message in prompt["messages"][:2]] == [message["content"] for message in there[1:3]]


@pytest.mark.parametrize(("name", "adapter"), [("chat", dspy.ChatAdapter()), ("json", dspy.JSONAdapter()), ("xml", dspy.XMLAdapter())])
def test_replies_are_understood_on_both_sides(name, adapter, tmp_path):
    outputs = {key: VALUES[key] for key in ("label", "score", "tags")}
    reply = adapter.format_assistant_message_content(signature(), outputs)
    assert json.loads(state("read", name, SIGNATURE, reply)) == outputs
    assert adapter.parse(signature(), reply) == outputs


def test_paths_are_the_same(tmp_path):
    """A program of several predictors is taken over by its paths."""
    path = saved(Pipeline(), tmp_path)
    assert set(json.load(open(path))) == {"first.predict", "second", "metadata"}
    refused = subprocess.run([STATE, "resave", path, "Predict", "a -> b"], capture_output=True, text=True)
    assert "first.predict, second" in refused.stderr
    react = json.load(open(saved(dspy.ReAct("question -> answer", tools=[len]), tmp_path, "react.json")))
    assert set(react) == {"react", "extract.predict", "metadata"}


def test_signatures_are_the_same_here_and_there():
    text = "context: list[str], question -> answer: str, kind: Literal['a', 'b'], when: Optional[int], scores: dict[str, float]"
    there = dspy.Signature(text)
    made = json.loads(state("make", "Predict", text, json.dumps({"instructions": there.instructions, "demos": []})))
    assert made["signature"] == there.dump_state()
    assert there.output_fields["kind"].annotation == Literal["a", "b"] and there.output_fields["when"].annotation == Optional[int]
