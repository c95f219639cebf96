"""Calls through LiteLLM as a library, by its own way to OpenRouter."""

import os
from contextlib import asynccontextmanager, contextmanager

# the price list that comes with the package; else one is fetched at the start
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import measure


def parameters(base_url, row):
    return {
        "model": f"openrouter/{measure.MODEL}",
        "api_base": base_url,
        "api_key": measure.KEY,
        "messages": measure.messages(row),
        "max_tokens": measure.MAX_TOKENS,
        "temperature": 0.0,
    }


@contextmanager
def one_after_another(base_url):
    yield lambda row: litellm.completion(**parameters(base_url, row)).choices[0].message.content


@asynccontextmanager
async def at_once(base_url):
    async def ask(row):
        return (await litellm.acompletion(**parameters(base_url, row))).choices[0].message.content

    yield ask


measure.run("litellm", one_after_another, at_once)
