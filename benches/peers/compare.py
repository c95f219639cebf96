"""Runs Corsac and its peers against one server in one go, interleaved in rounds, and prints the medians as a table.

Started by `run`, in the environment that has the peers: `compare.py FOLDER_OF_THE_EXAMPLES`.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
import urllib.request
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = Path(sys.argv[1])
ROUNDS = int(os.environ.get("CORSAC_BENCH_ROUNDS", "3"))
# no further round starts that would not end by then
LONGEST_ALL_S = 170
LONGEST_ONE_S = 60
WARM_UP = 200

# what is measured, the server's delay in milliseconds, calls, calls in flight
SCENARIOS = [
    ("one call after another, each answered after 5 ms", 5, 300, 1),
    ("64 calls in flight, each answered after 20 ms", 20, 2_000, 64),
]
CORSAC = "corsac"
# the name in the table, the command, the package where it is a peer's
CLIENTS = [
    (CORSAC, [EXAMPLES / "calls", "corsac"], None),
    ("corsac, ledger in memory", [EXAMPLES / "calls", "corsac-in-memory"], None),
    ("bare HTTP loop (hyper)", [EXAMPLES / "calls", "bare"], None),
    ("openai", [sys.executable, HERE / "openai_calls.py"], "openai"),
    ("litellm", [sys.executable, HERE / "litellm_calls.py"], "litellm"),
    ("tensorzero, embedded", [sys.executable, HERE / "tensorzero_calls.py"], "tensorzero"),
]


def main():
    server = subprocess.Popen([EXAMPLES / "server"], stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        facts()
        results, rounds = measure(address)
    finally:
        server.terminate()
        server.wait()
    for scenario in SCENARIOS:
        table(scenario[0], results[scenario[0]])
    print(f"\nMedians of {rounds} rounds. Load at the end: {load()}")


def facts():
    versions = ", ".join(f"{package} {version(package) or 'not installed'}" for _, _, package in CLIENTS if package)
    print(f"{os.cpu_count()} processors, {processor()}; Python {platform.python_version()}; {versions}. Load at the start: {load()}")


def measure(address):
    """By scenario and client, the measurements of all rounds, or why there are none."""
    began = time.monotonic()
    results = {scenario[0]: {client[0]: [] for client in CLIENTS} for scenario in SCENARIOS}
    for done in range(ROUNDS):
        spent = time.monotonic() - began
        if done and spent + spent / done > LONGEST_ALL_S:
            return results, done
        for name, delay, calls, in_flight in SCENARIOS:
            for client, command, package in CLIENTS:
                so_far = results[name][client]
                if isinstance(so_far, str):
                    continue
                if package and version(package) is None:
                    results[name][client] = "not installed here"
                    continue
                try:
                    so_far.append(one(address, command, delay, calls, in_flight))
                except (ValueError, subprocess.SubprocessError) as error:
                    results[name][client] = f"failed: {error}"
    return results, ROUNDS


def one(address, command, delay, calls, in_flight):
    """One measurement in a process of its own. That it asked the server as often as it says is checked."""
    asked = count(address)
    base_url = f"http://{address}/{delay}/api/v1"
    done = subprocess.run([*command, base_url, str(calls), str(in_flight)], capture_output=True, text=True, timeout=LONGEST_ONE_S)
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    asked = count(address) - asked
    if asked != calls + WARM_UP:
        raise ValueError(f"the server was asked {asked} times instead of {calls + WARM_UP}")
    # some print what they are doing before
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(name, results):
    own = medians(results[CORSAC])
    print(f"\n{name}:\n")
    print("| client | CPU a call | × Corsac | added p50 | added p99 | calls/s | peak memory |")
    print("|---|---|---|---|---|---|---|")
    for client, measured in results.items():
        if isinstance(measured, str):
            print(f"| {client} | {measured} | | | | | |")
            continue
        found = medians(measured)
        ratio = f"{found['cpu_us_per_call'] / own['cpu_us_per_call']:.2g}" if own else ""
        print(
            f"| {client} | {found['cpu_us_per_call']:,.0f} µs | {ratio} | {found['p50_us'] / 1e3:.2f} ms | {found['p99_us'] / 1e3:.2f} ms "
            f"| {found['calls_per_s']:,.0f} | {found['peak_mb']:.0f} MB |"
        )


def medians(measured):
    if isinstance(measured, str):
        return None
    return {key: statistics.median(round[key] for round in measured) for key in measured[0] if key != "client"}


def count(address):
    with urllib.request.urlopen(f"http://{address}/count", timeout=10) as reply:
        return int(reply.read())


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def load():
    return f"{os.getloadavg()[0]:.1f}"


main()
