"""The Python package beside fenic and beside DSPy's own client, in one run against one simulated service: tables for the page.

`benches/python/run` starts it. FENIC_PYTHON and DSPY_PYTHON are the interpreters that have them; the package is put beside both.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import stand  # noqa: E402

ROWS = int(os.environ.get("CORSAC_BENCH_ROWS", "2000"))
CALLS = int(os.environ.get("CORSAC_BENCH_CALLS", "400"))
ROUNDS = int(os.environ.get("CORSAC_BENCH_ROUNDS", "3"))
FENIC, DSPY = os.environ["FENIC_PYTHON"], os.environ["DSPY_PYTHON"]
ANSWER = '[[rule]]\ncontent = """[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"""\n'
WORKS = {"map": "map", "extract": "extract three fields", "classify": "classify", "sentiment": "sentiment"}
CLIENTS = {"own": "DSPy's client", "own-headers": "the same with `extra_headers` (LiteLLM)", "corsac-headers": "Corsac with `extra_headers`"}


def package(folder):
    """The package as it would be installed, for any interpreter that has this folder on its path."""
    place = folder / "package"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(stand.TREE / "crates" / "python" / "python" / "corsac", place / "corsac", ignore=ignore)
    shutil.copy(stand.extension(), place / "corsac" / "_corsac.abi3.so")
    return place


def last_line(cost):
    return json.loads(cost.out.strip().splitlines()[-1])


def frames(binary, workplace, around):
    """Each work by fenic once, and by Corsac in every round."""
    file = workplace.folder / "rows.json"
    file.write_text(json.dumps([{"id": n, "text": f"review {n} of a product that came on time and works as it should", "stars": n % 5 + 1} for n in range(ROWS)]))

    def work(name, of):
        folder = workplace.folder / of
        folder.mkdir(exist_ok=True)
        with stand.Simulator(binary) as server:
            home = workplace.new_home()
            command = [FENIC, HERE.parent / "fenic" / "work.py", server.base_url, name, file, stand.tokenizers(), of]
            cost = stand.run(command, {**around, **home}, folder=folder)
            workplace.drop_home(home)
            return {**last_line(cost), "asked": server.asked()}

    # the first import reads hundreds of megabytes from the disk, which says nothing of fenic
    work("count", "fenic")
    rows, memory = [], []
    for name, title in WORKS.items():
        theirs = work(name, "fenic")
        ours = [work(name, "corsac") for _ in range(ROUNDS)]
        own = {figure: statistics.median(one[figure] for one in ours) for figure in ("query_s", "query_cpu_s", "peak_mb", "start_s")}
        for told, by in ((theirs, "fenic"), *((one, "Corsac") for one in ours)):
            if (told["valued"], told["asked"]) != (ROWS, ROWS):
                rows.append([f"**{by}: {told['valued']} values from {told['asked']} requests**", *[""] * 7])
        cpu = [figures["query_cpu_s"] / ROWS * 1e6 for figures in (theirs, own)]
        times = [f"{theirs['query_s']:.2f} s", f"{own['query_s']:.2f} s", f"{theirs['query_s'] / own['query_s']:.0f} ×"]
        rows.append([f"{title}, {ROWS:,} rows", *times, f"{cpu[0]:,.0f} µs", f"{cpu[1]:,.0f} µs", f"{cpu[0] / cpu[1]:.0f} ×"])
        memory.append([title, f"{theirs['peak_mb']:.0f} MB", f"{own['peak_mb']:.0f} MB", f"{theirs['start_s']:.2f} s", f"{own['start_s']:.2f} s"])
        print(f"  {title}: fenic {theirs['query_s']:.2f} s, Corsac {own['query_s']:.2f} s", flush=True)
    return [
        stand.table(["a DataFrame's query", "fenic", "Corsac", "faster", "fenic, processor time a row", "Corsac", "less"], rows),
        stand.table(["the whole process", "fenic, most memory", "Corsac", "fenic, import and session", "Corsac"], memory),
    ]


def clients(binary, workplace, around):
    """DSPy's clients in turns, each in a process of its own; medians over the rounds."""
    found = {client: [] for client in CLIENTS}
    for _ in range(ROUNDS):
        for client in CLIENTS:
            with stand.Simulator(binary, ANSWER) as server:
                home = workplace.new_home()
                cache = {"DSPY_CACHEDIR": home["CORSAC_HOME"], "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
                told = last_line(stand.run([DSPY, HERE / "calls.py", client, server.base_url, CALLS], {**around, **home, **cache}))
                if server.asked() != told["asked"]:
                    sys.exit(f"{client} sent {server.asked()} requests for {told['asked']} calls")
                workplace.drop_home(home)
            found[client].append(told)
            print(f"  {client}: {told['one_cpu_ms']:.2f} ms a call one by one, {told['many_cpu_ms']:.2f} ms at once", flush=True)
    medians = {client: {name: statistics.median(one[name] for one in rounds) for name in rounds[0]} for client, rounds in found.items()}
    lines = [
        ("processor time a call, one by one", "one_cpu_ms", "{:.2f} ms"),
        ("processor time a call, 64 at once", "many_cpu_ms", "{:.2f} ms"),
        ("calls a second, one by one", "one_rate", "{:,.0f}"),
        ("calls a second, 64 at once", "many_rate", "{:,.0f}"),
        ("first call", "first_s", "{:.2f} s"),
        ("resident memory", "resident_mb", "{:.0f} MB"),
    ]
    rows = [[title, *(form.format(medians[client][name]) for client in CLIENTS)] for title, name, form in lines]
    verdicts = [
        goal(f"less processor time a call than DSPy's own client, {title}: {medians['corsac-headers'][name] / medians['own'][name]:.2f} of it", medians["corsac-headers"][name] < medians["own"][name])
        for title, name in (("one by one", "one_cpu_ms"), ("64 at once", "many_cpu_ms"))
    ]
    return [stand.table([f"`Predict`, {CALLS} calls", *CLIENTS.values()], rows), "\n".join(f"- {verdict}" for verdict in verdicts)]


def imports(around):
    """Seconds that an import takes in a fresh process, beyond the interpreter's own start."""

    def seconds(python, module, before=""):
        code = f"import sys, time\n{before}\nbegan = time.perf_counter()\nimport {module}\nprint(time.perf_counter() - began)"
        return statistics.median(float(stand.run([python, "-c", code], around).out) for _ in range(ROUNDS + 2))

    rows = [
        ["`import fenic`", f"{1e3 * seconds(FENIC, 'fenic'):,.0f} ms"],
        ["`import corsac`", f"{1e3 * seconds(FENIC, 'corsac'):,.0f} ms"],
        ["`import dspy`", f"{1e3 * seconds(DSPY, 'dspy'):,.0f} ms"],
        ["`import corsac.dspy`, after DSPy", f"{1e3 * seconds(DSPY, 'corsac.dspy', 'import dspy'):,.0f} ms"],
    ]
    return stand.table(["import", "takes"], rows)


def version(python, name):
    code = f"from importlib import metadata; print(metadata.version({name!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def goal(text, reached):
    return f"Goal {'reached' if reached else '**not reached**'}: {text}."


def main():
    binary = stand.program("corsac")
    with stand.Workplace() as workplace:
        around = {"PYTHONPATH": str(package(workplace.folder)), "PYTHONDONTWRITEBYTECODE": "1"}
        parts = [*frames(binary, workplace, around), *clients(binary, workplace, around), imports(around)]
    words = f"""
The package beside fenic {version(FENIC, "fenic")} and beside DSPy {version(DSPY, "dspy")}'s own client, one after the other in one run against `corsac sim`, which answers at once:
`benches/python/run`. The same script asks with fenic and with Corsac; what is told is the query alone. Each figure comes from a process of its own (Corsac's and DSPy's are medians of {ROUNDS}). Corsac has its
ledger on disk: a call one by one waits until its answer is there, 64 at once share that wait. DSPy asks without its cache.
"""
    stand.publish("python", "The Python package", "\n\n".join([words.strip(), *parts]))


if __name__ == "__main__":
    main()
