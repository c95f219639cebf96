"""Measures a client as the example `calls` measures Corsac: the same questions, warm-up, clocks and line of JSON."""

import asyncio
import json
import re
import resource
import sys
import time

MODEL = "openai/gpt-4o-mini"
KEY = "sk-or-v1-measured"
SYSTEM = "Do what the user's message asks. Reply with the result alone."
MAX_TOKENS = 512
WARM_UP = 200
QUIET_S = 0.3


def question(row):
    return f"Say in one word: review {row} of a product that came on time and works as it should"


def messages(row):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question(row)}]


def held(answer):
    """How long the server says it held the request, in microseconds."""
    number = re.fullmatch(r"held (\d+) us", answer)
    if number is None:
        raise ValueError(f"not the server's answer: {answer!r}")
    return int(number[1])


def run(client, one_after_another, at_once):
    """Measures a client named on the command line's behalf: BASE_URL COUNT IN_FLIGHT.

    `one_after_another(base_url)` gives a context manager over a function from a row to its answer, for a single caller;
    `at_once(base_url)` an async context manager over an async one, for many.
    """
    base_url, count, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if in_flight == 1:
        measured = _one_after_another(one_after_another, base_url, count)
    else:
        measured = asyncio.run(_at_once(at_once, base_url, count, in_flight))
    added, took, spent = measured
    added.sort()
    print(
        json.dumps(
            {
                "client": client,
                "calls": count,
                "in_flight": in_flight,
                "cpu_us_per_call": spent * 1e6 / count,
                "calls_per_s": count / took,
                "p50_us": _quantile(added, 0.50),
                "p99_us": _quantile(added, 0.99),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


def _one_after_another(connect, base_url, count):
    def each(ask, rows):
        added = []
        for row in rows:
            started = time.perf_counter()
            answer = ask(row)
            added.append((time.perf_counter() - started) * 1e6 - held(answer))
        return added

    with connect(base_url) as ask:
        each(ask, range(WARM_UP))
        started, before = time.perf_counter(), time.process_time()
        added = each(ask, range(WARM_UP, WARM_UP + count))
        took = time.perf_counter() - started
        # what is still done after the last answer counts too
        time.sleep(QUIET_S)
        return added, took, time.process_time() - before


async def _at_once(connect, base_url, count, in_flight):
    async def each(ask, rows):
        rows, added = iter(rows), []

        async def asker():
            for row in rows:
                started = time.perf_counter()
                answer = await ask(row)
                added.append((time.perf_counter() - started) * 1e6 - held(answer))

        await asyncio.gather(*(asker() for _ in range(in_flight)))
        return added

    async with connect(base_url) as ask:
        await each(ask, range(WARM_UP))
        started, before = time.perf_counter(), time.process_time()
        added = await each(ask, range(WARM_UP, WARM_UP + count))
        took = time.perf_counter() - started
        await asyncio.sleep(QUIET_S)
        return added, took, time.process_time() - before


def _quantile(ordered, share):
    return ordered[max(1, -int(-len(ordered) * share // 1)) - 1]
