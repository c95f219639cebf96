"""OpenAI's Python SDK against the same base URL: chat, parse, embeddings, responses, text completions, errors."""

import json

import openai
import pytest
from pydantic import BaseModel

from conftest import CHAT_MODEL, EMBEDDING_MODEL, TOOL_MODEL, WEATHER, failing, user


class Review(BaseModel):
    label: str
    stars: int
    reasons: list[str]


def test_models_and_a_chat(openai_client):
    assert CHAT_MODEL in {model.id for model in openai_client.models.list()}
    answer = openai_client.chat.completions.create(
        model=CHAT_MODEL, max_tokens=60, messages=user("Tell me about red foxes"), n=2
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.finish_reason == "stop" and choice.message.content for choice in answer.choices)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream(openai_client):
    text, usages = "", []
    stream = openai_client.chat.completions.create(
        model=CHAT_MODEL, messages=user("Tell me about blue whales"), stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        usages += [chunk.usage] if chunk.usage else []
        for choice in chunk.choices:
            text += choice.delta.content or ""
    whole = openai_client.chat.completions.create(model=CHAT_MODEL, messages=user("Tell me about blue whales"))
    assert text == whole.choices[0].message.content and len(usages) == 1


def test_parsing_into_a_type(openai_client):
    parsed = openai_client.chat.completions.parse(
        model=CHAT_MODEL, messages=user("Terrible, it broke after 3 days"), response_format=Review
    )
    review = parsed.choices[0].message.parsed
    assert isinstance(review, Review) and isinstance(review.stars, int)
    with openai_client.chat.completions.stream(
        model=CHAT_MODEL, messages=user("Terrible, it broke after 3 days"), response_format=Review
    ) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == review
    refused = openai_client.chat.completions.parse(model=CHAT_MODEL, messages=failing("refusal"), response_format=Review)
    assert refused.choices[0].message.refusal and refused.choices[0].message.parsed is None
    with pytest.raises(openai.LengthFinishReasonError):
        openai_client.chat.completions.parse(model=CHAT_MODEL, messages=failing("length"), response_format=Review)


def test_a_tool_loop(openai_client):
    tools = [{"type": "function", "function": WEATHER}]
    messages = user("Weather in Oslo and Bergen")
    first = openai_client.chat.completions.create(model=TOOL_MODEL, messages=messages, tools=tools)
    calls = first.choices[0].message.tool_calls
    assert len(calls) == 2 and all(json.loads(call.function.arguments)["city"] for call in calls)
    messages = [*messages, first.choices[0].message]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"result {n}"} for n, call in enumerate(calls)]
    last = openai_client.chat.completions.create(model=TOOL_MODEL, messages=messages, tools=tools)
    assert "result 0" in last.choices[0].message.content and "result 1" in last.choices[0].message.content
    with pytest.raises(openai.BadRequestError, match="Provider returned error"):
        openai_client.chat.completions.create(model=TOOL_MODEL, messages=messages[:-1], tools=tools)


def test_pictures_and_files_are_taken(openai_client):
    parts = [
        {"type": "text", "text": "What is on the picture?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
    ]
    ask = lambda model: openai_client.chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
    assert ask(CHAT_MODEL).usage.prompt_tokens > 500
    with pytest.raises(openai.NotFoundError, match="support image input"):
        ask("deepseek/deepseek-chat-v3-0324")


def test_embeddings_are_unpacked_by_the_client(openai_client):
    # this client asks for base64 by itself
    got = openai_client.embeddings.create(model=EMBEDDING_MODEL, input=["red shoes", "a tax form"], dimensions=64)
    plain = openai_client.embeddings.create(
        model=EMBEDDING_MODEL, input=["red shoes", "a tax form"], dimensions=64, encoding_format="float"
    )
    for packed, floats in zip(got.data, plain.data):
        assert len(packed.embedding) == 64
        assert packed.embedding == pytest.approx(floats.embedding, abs=1e-6)


def test_text_completions(openai_client):
    whole = openai_client.completions.create(model=CHAT_MODEL, prompt="Tell me about red foxes", max_tokens=60, logprobs=2)
    choice = whole.choices[0]
    assert (whole.object, choice.finish_reason) == ("text_completion", "stop")
    assert "".join(choice.logprobs.tokens) == choice.text
    stream = openai_client.completions.create(
        model=CHAT_MODEL, prompt="Tell me about red foxes", max_tokens=60, stream=True
    )
    assert "".join(part.text for chunk in stream for part in chunk.choices) == choice.text


def test_responses(openai_client):
    whole = openai_client.responses.create(model=CHAT_MODEL, input="Tell me about red foxes", store=False)
    assert whole.status == "completed" and whole.output_text
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
    kinds = []
    with openai_client.responses.stream(model=CHAT_MODEL, input="Tell me about red foxes") as stream:
        for event in stream:
            kinds.append(event.type)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds
    parsed = openai_client.responses.parse(model=CHAT_MODEL, input="I love it, great", text_format=Review)
    assert isinstance(parsed.output_parsed, Review)
    for stored in ({"store": True}, {"previous_response_id": "resp_1"}):
        with pytest.raises(openai.BadRequestError):
            openai_client.responses.create(model=CHAT_MODEL, input="hi", **stored)
    cut = openai_client.responses.create(model=CHAT_MODEL, input="please: length.")
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    long = openai_client.responses.create(model=CHAT_MODEL, input="please: context_length_400.")
    assert (long.status, long.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_tool_loop_in_responses(openai_client):
    tools = [{"type": "function", **WEATHER, "strict": True}]
    first = openai_client.responses.create(
        model="google/gemini-3-pro-preview", input="Use get_weather for Oslo", tools=tools, reasoning={"effort": "low"}
    )
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    call = first.output[1]
    assert json.loads(call.arguments)["unit"] in ("C", "F")
    conversation = [
        {"role": "user", "content": "Use get_weather for Oslo"},
        *first.output,
        {"type": "function_call_output", "call_id": call.call_id, "output": "minus four degrees"},
    ]
    last = openai_client.responses.create(
        model="google/gemini-3-pro-preview", input=conversation, tools=tools, reasoning={"effort": "low"}
    )
    assert "minus four degrees" in last.output_text


def test_a_response_that_fails_in_the_middle(openai_client):
    events = list(openai_client.responses.create(model=CHAT_MODEL, input="please: midstream_error.", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.code == "server_error"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("http_400", openai.BadRequestError),
        ("unauthorized_401", openai.AuthenticationError),
        ("no_credits_402", openai.APIStatusError),
        ("moderation_403", openai.PermissionDeniedError),
        ("no_endpoints_404", openai.NotFoundError),
        ("http_408", openai.APIStatusError),
        ("http_413", openai.APIStatusError),
        ("http_422", openai.UnprocessableEntityError),
        ("rate_limited", openai.RateLimitError),
        ("upstream_rate_limited", openai.RateLimitError),
        ("http_500", openai.InternalServerError),
        ("http_502", openai.InternalServerError),
        ("http_503", openai.InternalServerError),
        ("http_504", openai.InternalServerError),
        ("http_524_html", openai.InternalServerError),
        ("http_529", openai.InternalServerError),
    ],
)
def test_errors(openai_client, fault, expected):
    with pytest.raises(expected) as chat:
        openai_client.chat.completions.create(model=CHAT_MODEL, messages=failing(fault))
    with pytest.raises(expected) as response:
        openai_client.responses.create(model=CHAT_MODEL, input=f"please: {fault}.")
    assert chat.value.status_code == response.value.status_code
    if not fault.endswith("html"):
        assert chat.value.body["message"] and response.value.body["message"]


def test_a_stream_that_fails_in_the_middle(openai_client):
    stream = openai_client.chat.completions.create(model=CHAT_MODEL, messages=failing("midstream_error"), stream=True)
    with pytest.raises(openai.APIError, match="disconnected"):
        list(stream)


def test_the_client_s_own_retries_get_through(start):
    # written out, because the wait that the fault of that name asks for would be five seconds
    body = '{ error = { message = "no", code = 503 } }'
    other = start(f'[[rule]]\ntimes = 1\nreply = {{ status = 503, headers = {{ retry-after = "1" }}, body = {body} }}')
    patient = openai.OpenAI(base_url=other.url, api_key="sk-or-v1-patient", max_retries=2, timeout=20)
    assert patient.chat.completions.create(model=CHAT_MODEL, messages=user("hi")).choices[0].message.content
    assert other.seen()["by_status"] == {"200": 1, "503": 1}
