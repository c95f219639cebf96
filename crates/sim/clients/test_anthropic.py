"""Anthropic's Python SDK against `/messages`: text, streams, tools, thinking, errors in their own envelope."""

import anthropic
import pytest

from conftest import TOOL_MODEL, WEATHER, user

TOOLS = [{"name": "get_weather", "description": "The weather in a city", "input_schema": WEATHER["parameters"]}]


def test_a_message(anthropic_client):
    message = anthropic_client.messages.create(
        model=TOOL_MODEL, max_tokens=80, system="Be brief", messages=user("Tell me about red foxes")
    )
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert message.content[0].type == "text" and message.content[0].text
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0
    cut = anthropic_client.messages.create(model=TOOL_MODEL, max_tokens=2, messages=user("Tell me about red foxes"))
    assert cut.stop_reason == "max_tokens"
    word = message.content[0].text.split(" ")[1]
    stopped = anthropic_client.messages.create(
        model=TOOL_MODEL, max_tokens=80, system="Be brief", messages=user("Tell me about red foxes"), stop_sequences=[word]
    )
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)


def test_a_stream(anthropic_client):
    question = dict(model=TOOL_MODEL, max_tokens=80, messages=user("Tell me about blue whales"))
    with anthropic_client.messages.stream(**question) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    whole = anthropic_client.messages.create(**question)
    assert text == whole.content[0].text == final.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens and final.stop_reason == "end_turn"


def test_a_tool_loop_with_thinking(anthropic_client):
    ask = lambda messages: anthropic_client.messages.create(
        model=TOOL_MODEL,
        max_tokens=2_000,
        messages=messages,
        tools=TOOLS,
        thinking={"type": "enabled", "budget_tokens": 1_024},
    )
    messages = user("Use get_weather for Oslo")
    first = ask(messages)
    assert first.stop_reason == "tool_use"
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    call = first.content[1]
    assert call.input["unit"] in ("C", "F")
    result = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "minus four degrees"}],
    }
    last = ask([*messages, {"role": "assistant", "content": first.content}, result])
    assert last.stop_reason == "end_turn" and "minus four degrees" in last.content[-1].text
    with pytest.raises(anthropic.BadRequestError):
        ask([*messages, {"role": "assistant", "content": [call]}, result])


def test_a_streamed_tool_call(anthropic_client):
    with anthropic_client.messages.stream(
        model=TOOL_MODEL, max_tokens=400, messages=user("Use get_weather for Oslo"), tools=TOOLS
    ) as stream:
        final = stream.get_final_message()
    assert final.content[-1].type == "tool_use" and final.content[-1].input["city"]


@pytest.mark.parametrize(
    ("fault", "expected", "kind"),
    [
        ("http_400", anthropic.BadRequestError, "invalid_request_error"),
        ("unauthorized_401", anthropic.AuthenticationError, "authentication_error"),
        ("no_credits_402", anthropic.APIStatusError, "billing_error"),
        ("moderation_403", anthropic.PermissionDeniedError, "permission_error"),
        ("no_endpoints_404", anthropic.NotFoundError, "not_found_error"),
        ("rate_limited", anthropic.RateLimitError, "rate_limit_error"),
        ("http_500", anthropic.InternalServerError, "api_error"),
        ("http_529", anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_errors(anthropic_client, fault, expected, kind):
    with pytest.raises(expected) as raised:
        anthropic_client.messages.create(model=TOOL_MODEL, max_tokens=50, messages=user(f"please: {fault}."))
    body = raised.value.body
    assert body["type"] == "error" and body["error"]["type"] == kind and body["error"]["message"]


def test_an_unknown_key(server):
    stranger = anthropic.Anthropic(base_url=server.url.removesuffix("/v1"), auth_token="sk-nobody", api_key=None, max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as raised:
        stranger.messages.create(model=TOOL_MODEL, max_tokens=50, messages=user("hi"))
    assert raised.value.body["error"]["error_type"] == "authentication"


def test_a_stream_that_fails_in_the_middle(anthropic_client):
    with pytest.raises(anthropic.APIStatusError):
        with anthropic_client.messages.stream(
            model=TOOL_MODEL, max_tokens=80, messages=user("please: midstream_error.")
        ) as stream:
            list(stream)
