"""Both clients against the same server in turn, and how many times less Corsac takes: `beside.py PREDICT BENCH_PY BASE_URL COUNT ROUNDS`.

The medians over the rounds are compared; the clients take turns, so that what else the machine does falls on both.
"""

import json
import statistics
import subprocess
import sys

predict, bench, base_url, count, rounds = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
CLIENTS = {
    "corsac": lambda *what: [predict, "disk", base_url, *what],
    "corsac, outlives a kill": lambda *what: [predict, "system", base_url, *what],
    "corsac, ledger in memory": lambda *what: [predict, "memory", base_url, *what],
    "dspy": lambda *what: [sys.executable, bench, base_url, *what],
}
ROWS = {
    "one at a time": ("calls", count, "1"),
    "64 in flight": ("calls", count, "64"),
    "1,000 examples evaluated": ("evaluate", "1000", "64"),
    "one call and out": ("calls", "1", "1"),
}


def measured(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


results = {row: {client: [] for client in CLIENTS} for row in ROWS}
for _ in range(rounds):
    for row, what in ROWS.items():
        for client, command in CLIENTS.items():
            results[row][client].append(measured(command(*what)))

MEASURES = [
    ("CPU a call", "one at a time", "cpu_us_per_call", "µs", True),
    ("CPU a call", "64 in flight", "cpu_us_per_call", "µs", True),
    ("calls a second", "one at a time", "calls_per_s", "", False),
    ("calls a second", "64 in flight", "calls_per_s", "", False),
    ("CPU an example", "1,000 examples evaluated", "cpu_us_per_call", "µs", True),
    ("examples a second", "1,000 examples evaluated", "calls_per_s", "", False),
    ("most memory", "64 in flight", "peak_mb", "MB", True),
    ("start to first answer", "one call and out", "to_first_answer_ms", "ms", True),
]
print(f"{'':22} {'':25} " + " ".join(f"{client:>25}" for client in CLIENTS) + f" {'corsac beside dspy':>20}")
for name, row, key, unit, less_is_better in MEASURES:
    values = {client: statistics.median(one[key] for one in results[row][client]) for client in CLIENTS}
    corsac, dspy = values["corsac"], values["dspy"]
    ratio = (dspy / corsac if less_is_better else corsac / dspy) if corsac and dspy else float("nan")
    cells = " ".join(f"{value:>22,.0f} {unit:2}" for value in values.values())
    print(f"{name:22} {row:25} {cells} {ratio:>18.1f} x")
