"""OpenRouter's own Python SDK: chat, streams, tools, structured outputs, reasoning, embeddings, responses."""

import base64
import json
import math
import struct

import pytest
from openrouter import errors

from conftest import CHAT_MODEL, CLOCK, EMBEDDING_MODEL, TOOL_MODEL, WEATHER, failing, user


def test_a_chat_and_who_asked(client, server):
    answer = client.chat.send(model=CHAT_MODEL, max_tokens=60, messages=user("Tell me about red foxes"))
    choice = answer.choices[0]
    assert (answer.object, choice.finish_reason, choice.message.role) == ("chat.completion", "stop", "assistant")
    assert choice.message.content
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.cost == pytest.approx(usage.prompt_tokens * 15e-8 + usage.completion_tokens * 6e-7)
    headers = server.seen()["headers_by_route"]["POST /chat/completions"]
    assert headers["http-referer"]["last"] == "https://clients.example"
    assert "Official clients" in server.seen()["attribution_titles"]


def test_seed_stop_and_max_tokens(client):
    ask = lambda **more: client.chat.send(model=CHAT_MODEL, messages=user("Describe autumn leaves in detail"), **more)
    plain = ask(max_tokens=60).choices[0].message.content
    assert ask(max_tokens=60).choices[0].message.content == plain
    assert ask(max_tokens=60, seed=1).choices[0].message.content == ask(max_tokens=60, seed=1).choices[0].message.content
    stop = plain.split(" ")[2]
    stopped = ask(max_tokens=60, stop=[stop]).choices[0]
    assert stopped.message.content == plain[: plain.index(stop)] and stopped.finish_reason == "stop"
    cut = ask(max_tokens=2)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 2)


def test_log_probabilities(client):
    answer = client.chat.send(
        model=CHAT_MODEL, max_tokens=60, messages=user("Probable words"), logprobs=True, top_logprobs=2
    )
    told = answer.choices[0].logprobs.content
    assert "".join(token.token for token in told) == answer.choices[0].message.content
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in told)


def test_a_stream_adds_up_and_ends_with_its_usage(client):
    # several questions, because the usage stands in one of three places
    for number in range(8):
        question = user(f"Tell me about the number {number} and all it stands for")
        whole = client.chat.send(model=CHAT_MODEL, max_tokens=80, messages=question)
        text, usages, finishes = "", [], []
        with client.chat.send(model=CHAT_MODEL, max_tokens=80, messages=question, stream=True) as stream:
            for chunk in stream:
                assert chunk.object == "chat.completion.chunk"
                if chunk.usage:
                    usages.append(chunk.usage)
                for choice in chunk.choices:
                    assert choice.delta.role == "assistant"
                    text += choice.delta.content or ""
                    finishes += [choice.finish_reason] if choice.finish_reason else []
        assert text == whole.choices[0].message.content
        assert finishes == ["stop"]
        assert [usage.total_tokens for usage in usages] == [whole.usage.total_tokens]
        assert usages[0].cost == pytest.approx(whole.usage.cost)


def tools(*functions):
    return [{"type": "function", "function": function} for function in functions]


def test_a_tool_loop(client):
    messages = user("Use get_weather and get_time for Oslo")
    first = client.chat.send(model=TOOL_MODEL, max_tokens=300, messages=messages, tools=tools(WEATHER, CLOCK))
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert sorted(call.function.name for call in message.tool_calls) == ["get_time", "get_weather"]
    assert len({call.id for call in message.tool_calls}) == 2
    for call in message.tool_calls:
        arguments = json.loads(call.function.arguments)
        assert isinstance(arguments["city"], str)
        if call.function.name == "get_weather":
            assert arguments["unit"] in ("C", "F")
    messages = [*messages, message]
    results = {"get_weather": "minus four degrees", "get_time": "half past nine"}
    for call in message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": results[call.function.name]})
    last = client.chat.send(model=TOOL_MODEL, max_tokens=300, messages=messages, tools=tools(WEATHER, CLOCK))
    assert last.choices[0].finish_reason == "stop"
    for result in results.values():
        assert result in last.choices[0].message.content


def test_tools_are_chosen_as_asked(client):
    def ask(choice, **more):
        return client.chat.send(
            model=TOOL_MODEL,
            max_tokens=300,
            messages=user("Use get_weather and get_time for Oslo"),
            tools=tools(WEATHER, CLOCK),
            tool_choice=choice,
            **more,
        ).choices[0].message

    assert not ask("none").tool_calls and ask("none").content
    named = ask({"type": "function", "function": {"name": "get_time"}})
    assert [call.function.name for call in named.tool_calls] == ["get_time"]
    assert len(ask("required", parallel_tool_calls=False).tool_calls) == 1
    assert len(ask("auto").tool_calls) == 2


def test_streamed_tool_calls_add_up(client):
    calls = {}
    with client.chat.send(
        model=TOOL_MODEL,
        max_tokens=300,
        messages=user("Weather in Oslo and Bergen"),
        tools=tools(WEATHER),
        stream=True,
    ) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                for piece in choice.delta.tool_calls or []:
                    known = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                    known["id"] += piece.id or ""
                    known["name"] += (piece.function.name if piece.function else None) or ""
                    known["arguments"] += (piece.function.arguments if piece.function else None) or ""
    assert sorted(calls) == [0, 1] and calls[0]["id"] != calls[1]["id"]
    for call in calls.values():
        assert call["name"] == "get_weather"
        assert json.loads(call["arguments"])["unit"] in ("C", "F")


SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["positive", "negative", "neutral"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "reasons": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["label", "stars", "reasons"],
    "additionalProperties": False,
}


def test_structured_outputs(client):
    answer = client.chat.send(
        model=CHAT_MODEL,
        max_tokens=300,
        messages=user("I love these shoes, great quality"),
        response_format={"type": "json_schema", "json_schema": {"name": "review", "strict": True, "schema": SCHEMA}},
        provider={"require_parameters": True},
    )
    review = json.loads(answer.choices[0].message.content)
    assert review["label"] == "positive" and 4 <= review["stars"] <= 5 and isinstance(review["reasons"], list)
    with pytest.raises(errors.NotFoundResponseError) as refused:
        client.chat.send(
            model="anthropic/claude-3-haiku",
            messages=user("x"),
            response_format={"type": "json_schema", "json_schema": {"name": "review", "schema": SCHEMA}},
            provider={"require_parameters": True},
        )
    metadata = json.loads(refused.value.body)["error"]["metadata"]
    assert metadata["failed_routing_step"] == "Filter by Parameters"
    assert [step["endpoint_count"] for step in metadata["routing_funnel"]] == [3, 0]
    loose = {"type": "object", "properties": {"a": {"type": "string"}}}
    with pytest.raises(errors.BadRequestResponseError, match="Provider returned error"):
        client.chat.send(
            model=CHAT_MODEL,
            messages=user("x"),
            response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": loose}},
        )


def test_reasoning_must_come_back_in_a_tool_loop(client):
    messages = user("Use get_time for Oslo")
    ask = lambda messages: client.chat.send(
        model="google/gemini-3-pro-preview", max_tokens=900, messages=messages, tools=tools(CLOCK), reasoning={"effort": "low"}
    )
    first = ask(messages)
    message = first.choices[0].message
    assert message.reasoning and message.reasoning_details
    assert first.usage.completion_tokens_details.reasoning_tokens > 0
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "noon"}
    assert "noon" in ask([*messages, message, result]).choices[0].message.content
    forgetful = {"role": "assistant", "content": None, "tool_calls": message.tool_calls}
    with pytest.raises(errors.BadRequestResponseError) as refused:
        ask([*messages, forgetful, result])
    assert "reasoning details to be preserved" in json.loads(refused.value.body)["error"]["metadata"]["raw"]


def test_fallback_models_and_metadata(start):
    from conftest import openrouter_client

    other = start('down = [{ model = "openai/gpt-4o", fault = "http_503" }]')
    with openrouter_client(other.url) as client:
        answer = client.chat.send(
            model="openai/gpt-4o",
            models=["anthropic/claude-3-haiku"],
            messages=user("hi"),
            x_open_router_metadata="enabled",
        )
        assert answer.model == "anthropic/claude-3-haiku"
        assert answer.openrouter_metadata.strategy == "fallback"
        assert [attempt.status for attempt in answer.openrouter_metadata.attempts] == [503, 200]


def test_the_response_cache(client):
    cached = {"X-OpenRouter-Cache": "true"}
    ask = lambda: client.chat.send(model=CHAT_MODEL, max_tokens=40, messages=user("cache me"), http_headers=cached)
    first, second = ask(), ask()
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.usage.total_tokens > 0 and second.usage.total_tokens == 0
    assert first.id != second.id


def unit(vector):
    return math.isclose(sum(value * value for value in vector), 1.0, rel_tol=1e-4)


def near(one, other):
    return sum(a * b for a, b in zip(one, other))


def test_embeddings(client):
    texts = ["red running shoes", "blue running shoes", "a quarterly tax report"]
    got = client.embeddings.generate(model=EMBEDDING_MODEL, input=texts, dimensions=256)
    shoes, more_shoes, taxes = [entry.embedding for entry in got.data]
    assert len(shoes) == 256 and unit(shoes) and unit(taxes)
    assert near(shoes, more_shoes) > near(shoes, taxes)
    assert got.usage.prompt_tokens > 0 and got.usage.cost > 0
    packed = client.embeddings.generate(
        model=EMBEDDING_MODEL, input=texts[0], dimensions=256, encoding_format="base64"
    )
    values = struct.unpack("<256f", base64.b64decode(packed.data[0].embedding))
    assert values == pytest.approx(shoes, abs=1e-6)
    tokens = client.embeddings.generate(model=EMBEDDING_MODEL, input=[[1, 2, 3], [4]])
    assert len(tokens.data) == 2 and tokens.usage.prompt_tokens == 4
    with pytest.raises(errors.BadRequestResponseError):
        client.embeddings.generate(model=CHAT_MODEL, input="x")


def test_rerank(client):
    documents = ["a quarterly tax report", "red running shoes for men", "how to bake bread"]
    ranked = client.rerank.rerank(model="cohere/rerank-v3.5", query="running shoes", documents=documents, top_n=2)
    assert [result.index for result in ranked.results][0] == 1 and len(ranked.results) == 2
    assert ranked.results[0].document.text == documents[1]


def test_responses(client):
    whole = client.responses.send(model=CHAT_MODEL, input="Tell me about red foxes", max_output_tokens=60)
    assert (whole.status, whole.output[0].type) == ("completed", "message")
    text = whole.output[0].content[0].text
    chat = client.chat.send(model=CHAT_MODEL, max_tokens=60, messages=user("Tell me about red foxes"))
    assert text == chat.choices[0].message.content
    assert whole.usage.cost == pytest.approx(chat.usage.cost)
    pieces, last = "", None
    with client.responses.send(
        model=CHAT_MODEL, input="Tell me about red foxes", max_output_tokens=60, stream=True
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                pieces += event.delta
            last = event
    assert pieces == text and last.type == "response.completed"
    with pytest.raises(errors.TooManyRequestsResponseError):
        client.responses.send(model=CHAT_MODEL, input="please: rate_limited.")


@pytest.mark.parametrize(
    ("fault", "expected", "status"),
    [
        ("http_400", errors.BadRequestResponseError, 400),
        ("context_length_400", errors.BadRequestResponseError, 400),
        ("unauthorized_401", errors.UnauthorizedResponseError, 401),
        ("no_credits_402", errors.PaymentRequiredResponseError, 402),
        ("in_flight_402", errors.PaymentRequiredResponseError, 402),
        ("moderation_403", errors.ForbiddenResponseError, 403),
        ("guardrail_403", errors.ForbiddenResponseError, 403),
        ("budget_403", errors.ForbiddenResponseError, 403),
        ("key_limit_403", errors.ForbiddenResponseError, 403),
        ("no_endpoints_404", errors.NotFoundResponseError, 404),
        ("parameter_filter_404", errors.NotFoundResponseError, 404),
        ("data_policy_404", errors.NotFoundResponseError, 404),
        ("http_408", errors.RequestTimeoutResponseError, 408),
        ("http_413", errors.PayloadTooLargeResponseError, 413),
        ("http_422", errors.UnprocessableEntityResponseError, 422),
        ("rate_limited", errors.TooManyRequestsResponseError, 429),
        ("upstream_rate_limited", errors.TooManyRequestsResponseError, 429),
        ("free_per_day", errors.TooManyRequestsResponseError, 429),
        ("capacity_exhausted", errors.TooManyRequestsResponseError, 429),
        ("http_500", errors.InternalServerResponseError, 500),
        ("http_502", errors.BadGatewayResponseError, 502),
        ("http_503", errors.ServiceUnavailableResponseError, 503),
        ("http_524", errors.EdgeNetworkTimeoutResponseError, 524),
        ("http_524_html", errors.OpenRouterDefaultError, 524),
        ("http_529", errors.ProviderOverloadedResponseError, 529),
    ],
)
def test_every_class_of_error_has_its_own_exception(client, fault, expected, status):
    for stream in (False, True):
        with pytest.raises(expected) as raised:
            client.chat.send(model=CHAT_MODEL, messages=failing(fault), stream=stream)
        assert type(raised.value) is expected and raised.value.status_code == status
        if expected is not errors.OpenRouterDefaultError:
            assert raised.value.data.error.code == status and raised.value.data.error.message


def test_a_stream_that_fails_in_the_middle(client):
    for fault in ("midstream_error", "midstream_error_no_choices"):
        text, error, finish = "", None, None
        with client.chat.send(model=CHAT_MODEL, messages=failing(fault), stream=True) as stream:
            for chunk in stream:
                error = chunk.error or error
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finish = choice.finish_reason or finish
        assert error.code == 502 and error.metadata.error_type == "provider_unavailable"
        assert finish == ("error" if fault == "midstream_error" else None)


def test_limits_of_the_free_models(client):
    free = "meta-llama/llama-3.3-70b-instruct:free"
    with pytest.raises(errors.TooManyRequestsResponseError, match="free-models-per-min") as refused:
        for _ in range(30):
            client.chat.send(model=free, messages=user("for nothing"))
    assert int(refused.value.headers["x-ratelimit-reset"]) > 1_700_000_000_000
