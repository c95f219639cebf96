"""The simulator on a loopback port, and the official clients that talk to it."""

import os
import subprocess
import tempfile

import anthropic
import httpx
import openai
import pytest
from openrouter import OpenRouter
from openrouter.utils import RetryConfig

KEY = "sk-or-v1-official-client-0001"
MANAGER = "sk-or-v1-official-manager-0002"
CHAT_MODEL = "openai/gpt-4o-mini"
TOOL_MODEL = "anthropic/claude-haiku-4.5"
EMBEDDING_MODEL = "openai/text-embedding-3-small"

# Faults that a test asks for by writing "please: NAME" to the model.
FAULTS = [
    "http_400", "unauthorized_401", "no_credits_402", "in_flight_402", "moderation_403", "guardrail_403", "budget_403",
    "key_limit_403", "no_endpoints_404", "parameter_filter_404", "data_policy_404", "http_408", "http_413", "http_422",
    "rate_limited", "upstream_rate_limited", "free_per_day", "capacity_exhausted", "http_500", "http_502", "http_503",
    "http_504", "http_524", "http_524_html", "http_529", "schema_refused_400", "context_length_400", "error_in_200",
    "choice_error", "midstream_error", "midstream_error_no_choices", "truncated_stream", "refusal", "length",
    "empty_stop", "content_filter", "tool_empty_arguments", "garbage_body",
]

SCRIPT = f"""
seed = 11
generation_delay_ms = 400

[keys]
management = ["{MANAGER}"]
credits_dollars = "25"
key_limit_dollars = "20"
key_limit_reset = "monthly"
""" + "".join(
    f"""
[[rule]]
contains = "please: {fault}."
fault = "{fault}"
"""
    for fault in FAULTS
)


class Server:
    """One simulator in a process of its own."""

    def __init__(self, script):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "script.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        self.process = subprocess.Popen(
            [os.environ["SIMULATOR_SERVER"], "0", path], stdout=subprocess.PIPE, text=True
        )
        first = self.process.stdout.readline()
        assert first.startswith("base URL "), first
        self.url = first.removeprefix("base URL ").strip()

    def seen(self):
        return httpx.get(f"{self.url}/sim/seen").raise_for_status().json()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.folder.cleanup()


@pytest.fixture(scope="session")
def server():
    server = Server(SCRIPT)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def start():
    """Starts further simulators with scripts of their own."""
    started = []

    def make(script):
        started.append(Server(script))
        return started[-1]

    yield make
    for server in started:
        server.stop()


def openrouter_client(url, key=KEY, **settings):
    # without a bound the client would retry a 5xx for an hour
    return OpenRouter(
        api_key=key, server_url=url, timeout_ms=20_000, retry_config=RetryConfig("none", None, False), **settings
    )


@pytest.fixture(scope="session")
def client(server):
    return openrouter_client(
        server.url, http_referer="https://clients.example", x_open_router_title="Official clients"
    )


@pytest.fixture(scope="session")
def manager(server):
    return openrouter_client(server.url, MANAGER)


@pytest.fixture(scope="session")
def openai_client(server):
    return openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0, timeout=20)


@pytest.fixture(scope="session")
def anthropic_client(server):
    return anthropic.Anthropic(
        base_url=server.url.removesuffix("/v1"), auth_token=KEY, api_key=None, max_retries=0, timeout=20
    )


def user(text):
    return [{"role": "user", "content": text}]


def failing(fault):
    return user(f"please: {fault}.")


WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
CLOCK = {
    "name": "get_time",
    "description": "The time in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
