"""DSPy on its own client and on Corsac, in one run: processor time a call, calls a second one after another and 64 at once,
resident memory, import time. A simulator answers at once, in a process of its own; each figure comes from a fresh process.

Run: python crates/python/benches/dspy_clients.py [calls]
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

ANSWER = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"
CLIENTS = ("own", "own with headers", "corsac", "corsac with headers")
HEADERS = {"HTTP-Referer": "https://8bitoracle.ai", "X-Title": "8-Bit Oracle"}


def serve() -> None:
    """The simulator, until its standard input is closed."""
    from corsac import Simulator

    simulator = Simulator(json.dumps({"rule": [{"content": ANSWER}]}))
    print(simulator.base_url, flush=True)
    sys.stdin.read()


def resident_mb() -> float:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(client: str, base_url: str, calls: int) -> dict[str, float]:
    """One client's figures."""
    started = time.perf_counter()
    import dspy

    if client.startswith("corsac"):
        import corsac.dspy

        kind: Any = corsac.dspy.LM
    else:
        kind = dspy.LM
    imported_s = time.perf_counter() - started
    import warnings

    warnings.simplefilter("ignore")
    more = {"extra_headers": HEADERS} if client.endswith("headers") else {}
    lm = kind("openrouter/openai/gpt-4o-mini", api_base=base_url, api_key="sk-or-v1-bench", cache=False, **more)
    dspy.configure(lm=lm)
    predict = dspy.Predict("question -> answer")
    first = time.perf_counter()
    predict(question="Warm?")
    first_s = time.perf_counter() - first

    used, began = processor_s(), time.perf_counter()
    for number in range(calls):
        predict(question=f"Number {number}?")
    one_s, one_cpu = time.perf_counter() - began, processor_s() - used

    async def at_once() -> None:
        gate = asyncio.Semaphore(64)

        async def ask(number: int) -> None:
            async with gate:
                await predict.acall(question=f"Other {number}?")

        await asyncio.gather(*(ask(number) for number in range(calls)))

    used, began = processor_s(), time.perf_counter()
    asyncio.run(at_once())
    many_s, many_cpu = time.perf_counter() - began, processor_s() - used
    return {
        "import s": imported_s,
        "first call s": first_s,
        "calls/s, one by one": calls / one_s,
        "CPU ms/call, one by one": one_cpu / calls * 1e3,
        "calls/s, 64 at once": calls / many_s,
        "CPU ms/call, 64 at once": many_cpu / calls * 1e3,
        "RSS MB": resident_mb(),
    }


def main(calls: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        around = {**os.environ, "CORSAC_HOME": home, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DSPY_CACHEDIR": home}
        server = subprocess.Popen(
            [sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=around
        )
        assert server.stdin is not None and server.stdout is not None
        try:
            base_url = server.stdout.readline().strip()
            figures = {}
            for client in CLIENTS:
                asked = [sys.executable, __file__, "measure", client, base_url, str(calls)]
                figures[client] = json.loads(subprocess.run(asked, env=around, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        finally:
            server.stdin.close()
            server.wait(10)
    print(f"{'':26}" + "".join(f"{client:>22}" for client in CLIENTS))
    for name in next(iter(figures.values())):
        print(f"{name:26}" + "".join(f"{figures[client][name]:22.3f}" for client in CLIENTS))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["measure", client, base_url, calls]:
            print(json.dumps(measure(client, base_url, int(calls))))
        case rest:
            main(int(rest[0]) if rest else 300)
