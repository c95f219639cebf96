"""Calls through the `openai` package."""

from contextlib import asynccontextmanager, contextmanager

import measure
from openai import AsyncOpenAI, OpenAI


def parameters(row):
    return {"model": measure.MODEL, "messages": measure.messages(row), "max_tokens": measure.MAX_TOKENS, "temperature": 0.0}


@contextmanager
def one_after_another(base_url):
    with OpenAI(base_url=base_url, api_key=measure.KEY) as client:
        yield lambda row: client.chat.completions.create(**parameters(row)).choices[0].message.content


@asynccontextmanager
async def at_once(base_url):
    async with AsyncOpenAI(base_url=base_url, api_key=measure.KEY) as client:

        async def ask(row):
            return (await client.chat.completions.create(**parameters(row))).choices[0].message.content

        yield ask


measure.run("openai", one_after_another, at_once)
