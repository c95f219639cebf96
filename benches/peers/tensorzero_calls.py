"""Calls through TensorZero's gateway embedded in this process, without a database: it records nothing."""

import os
import tempfile
from contextlib import asynccontextmanager, contextmanager

os.environ["TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS"] = "1"

import measure
from tensorzero import AsyncTensorZeroGateway, TensorZeroGateway

CONFIG = """
[gateway]
observability.enabled = false

[models.measured]
routing = ["server"]

[models.measured.providers.server]
type = "openai"
model_name = "{model}"
api_base = "{base_url}/"
api_key_location = "env::MEASURED_KEY"
"""


@contextmanager
def config(base_url):
    os.environ["MEASURED_KEY"] = measure.KEY
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(CONFIG.format(model=measure.MODEL, base_url=base_url))
        file.flush()
        yield file.name


def parameters(row):
    return {
        "model_name": "measured",
        "input": {"system": measure.SYSTEM, "messages": [{"role": "user", "content": measure.question(row)}]},
        "params": {"chat_completion": {"temperature": 0.0, "max_tokens": measure.MAX_TOKENS}},
    }


@contextmanager
def one_after_another(base_url):
    with config(base_url) as file, TensorZeroGateway.build_embedded(config_file=file) as client:
        yield lambda row: client.inference(**parameters(row)).content[0].text


@asynccontextmanager
async def at_once(base_url):
    with config(base_url) as file:
        async with await AsyncTensorZeroGateway.build_embedded(config_file=file) as client:

            async def ask(row):
                return (await client.inference(**parameters(row))).content[0].text

            yield ask


measure.run("tensorzero", one_after_another, at_once)
