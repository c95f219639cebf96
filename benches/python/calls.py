"""DSPy on one client, in a process of its own: `calls.py CLIENT BASE_URL CALLS` prints a line of JSON.

CLIENT is `own` (DSPy's client), `own-headers` (the same with `extra_headers`, which it leaves to LiteLLM), or `corsac-headers`. The
service answers at once. Processor time is that of the whole process, so that no thread is left out.
"""

import asyncio
import json
import os
import sys
import time
import warnings

client, base_url, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
HEADERS = {"HTTP-Referer": "https://8bitoracle.ai", "X-Title": "8-Bit Oracle"}
WARM = 20

began = time.perf_counter()
import dspy  # noqa: E402

imported = time.perf_counter()
kind = dspy.LM
if client.startswith("corsac"):
    import corsac.dspy

    kind = corsac.dspy.LM
ready = time.perf_counter()
warnings.simplefilter("ignore")


def resident_mb():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def timed(work):
    """Processor time and wall time a call."""
    spent, began = time.process_time(), time.perf_counter()
    work()
    wall = time.perf_counter() - began
    return (time.process_time() - spent) / calls * 1e3, calls / wall


def one_by_one():
    for number in range(calls):
        predict(question=f"Number {number}?")


async def at_once():
    gate = asyncio.Semaphore(64)

    async def ask(number):
        async with gate:
            await predict.acall(question=f"Other {number}?")

    await asyncio.gather(*(ask(number) for number in range(calls)))


more = {"extra_headers": HEADERS} if client.endswith("headers") else {}
dspy.configure(lm=kind("openrouter/openai/gpt-4o-mini", api_base=base_url, api_key="sk-or-v1-measured", cache=False, **more))
predict = dspy.Predict("question -> answer")
first = time.perf_counter()
predict(question="The first?")
first_s = time.perf_counter() - first
for number in range(WARM):
    predict(question=f"Warm {number}?")
one_cpu, one_rate = timed(one_by_one)
many_cpu, many_rate = timed(lambda: asyncio.run(at_once()))
print(
    json.dumps(
        {
            "dspy_s": imported - began,
            "corsac_s": ready - imported,
            "first_s": first_s,
            "one_cpu_ms": one_cpu,
            "one_rate": one_rate,
            "many_cpu_ms": many_cpu,
            "many_rate": many_rate,
            "resident_mb": resident_mb(),
            "asked": 1 + WARM + 2 * calls,
        }
    )
)
