"""The same work by Corsac and by fenic against the same simulated service, in one run, and a table with the ratios.

`benches/fenic/run` starts it in the environment that has fenic.
"""

import csv
import json
import os
import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import stand  # noqa: E402

HERE = Path(__file__).resolve().parent
ROWS = int(os.environ.get("CORSAC_BENCH_ROWS", "2000"))
# Corsac's runs are short, so that one alone would say little; fenic's are long
CORSAC_ROUNDS = 5
MAP = "semantic_map('Say in one word: {{ text }}', text)"
BAD = '[[rule]]\ncontains = "number of trouble"\nfault = "moderation_403"\n'


class Work:
    """A query in both languages, its rows, and what it needs."""

    def __init__(self, name, title, sql, rows, needed, values, script="", always_valued=True):
        self.name, self.title, self.sql, self.rows = name, title, sql, rows
        self.needed, self.values, self.script, self.always_valued = needed, values, script, always_valued


def works():
    rows = texts(ROWS)
    bad = [{**row, "text": "the number of trouble " + row["text"]} if row["id"] % 100 == 7 else row for row in rows]
    few = texts(50)
    fives = sum(row["stars"] == 5 for row in few)
    select = f"SELECT id, {MAP} AS value FROM 'ROWS'"
    facts = "semantic_extract(text, 'product string ''the product spoken of'', stars int ''stars given'', defects list<string> ''what is wrong with it''')"
    outcome = f"SELECT id, o['value'] AS value, o['error_kind'] AS reason FROM (SELECT id, outcome({MAP}) AS o FROM 'ROWS')"
    return [
        Work("map", f"map {ROWS:,} rows, answered at once", select, rows, ROWS, ROWS),
        Work("map", f"map {ROWS:,} rows, answered after 1 s", select, rows, ROWS, ROWS, "latency_ms = 1000\n"),
        Work("extract", f"extract three fields, {ROWS:,} rows", f"SELECT id, {facts} AS value FROM 'ROWS'", rows, ROWS, ROWS),
        Work("classify", f"classify {ROWS:,} rows", f"SELECT id, semantic_classify(text, ['praise', 'complaint', 'question']) AS value FROM 'ROWS'", rows, ROWS, ROWS),
        Work("sentiment", f"sentiment of {ROWS:,} rows", "SELECT id, semantic_analyze_sentiment(text) AS value FROM 'ROWS'", rows, ROWS, ROWS),
        Work("map", f"map {ROWS:,} rows, 1 % of them refused", outcome, bad, ROWS, ROWS, BAD, always_valued=False),
        Work("limit", "map, `LIMIT 3` of 50", select + " LIMIT 3", few, 3, 3),
        Work("filter", f"map, filter on another column, {fives} of 50", f"SELECT id, value FROM (SELECT id, stars, {MAP} AS value FROM 'ROWS') WHERE stars = 5", few, fives, fives),
        Work("count", "count the rows of a map, 50", f"SELECT count(*) AS value FROM (SELECT id, {MAP} AS value FROM 'ROWS')", few, 0, 50),
    ]


def texts(count):
    return [
        {"id": number, "text": f"review {number} of a product that came on time and works as it should", "stars": number % 5 + 1}
        for number in range(count)
    ]


def by_corsac(binary, workplace, work):
    """Medians over the rounds; the whole command from its start to its end. Every round must come to the same."""
    file = workplace.folder / "rows.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["id", "text", "stars"])
        writer.writeheader()
        writer.writerows(work.rows)
    costs, told = [], set()
    for _ in range(1 if "latency" in work.script else CORSAC_ROUNDS):
        with stand.Simulator(binary, work.script) as server:
            home, out = workplace.new_home(), workplace.folder / "out.csv"
            command = [binary, "sql", work.sql.replace("ROWS", str(file)), "--yes", "--quiet", "--out", out]
            costs.append(stand.run(command, {**home, **server.environment()}, accept=(0, 3)))
            with out.open(newline="") as found:
                rows = list(csv.DictReader(found))
            workplace.drop_home(home)
            kept = int(rows[0]["value"]) if work.name == "count" else sum(bool(row["value"] or row.get("reason")) for row in rows)
            told.add((server.asked(), work.values - kept))
    if len(told) > 1:
        print(f"  {work.title}: rounds differ in (asked, lost): {sorted(told)}")
    asked, lost = max(told)
    return {"s": stand.median(costs, "wall_s"), "cpu_s": stand.median(costs, "cpu_s"), "peak_mb": stand.median(costs, "peak_mb"), "asked": asked, "lost": lost}


def by_fenic(binary, workplace, work, tokenizers):
    file = workplace.folder / "rows.json"
    file.write_text(json.dumps(work.rows))
    folder = workplace.folder / "fenic"
    with stand.Simulator(binary, work.script) as server:
        folder.mkdir(exist_ok=True)
        cost = stand.run([sys.executable, HERE / "work.py", server.base_url, work.name, file, tokenizers], folder=folder)
        found = json.loads(cost.out.strip().splitlines()[-1])
        kept = found["rows"] if work.name == "count" else found["valued"]
        return {**found, "whole_s": cost.wall_s, "asked": server.asked(), "lost": work.values - kept}


def main():
    binary, ranks = stand.program("corsac"), stand.tokenizers()
    results = []
    with stand.Workplace() as workplace:
        one = Work("map", "a single row", f"SELECT id, {MAP} AS value FROM 'ROWS'", texts(1), 1, 1)
        start_s = by_corsac(binary, workplace, one)["s"]
        # the first import reads hundreds of megabytes from the disk, which says nothing of fenic
        by_fenic(binary, workplace, one, ranks)
        for work in works():
            own, theirs = by_corsac(binary, workplace, work), by_fenic(binary, workplace, work, ranks)
            results.append((work, own, theirs))
            print(f"  {work.title}: Corsac {own['s']:.2f} s, fenic {theirs['query_s']:.2f} s", flush=True)
    stand.publish("fenic", f"Beside fenic {metadata.version('fenic')}", report(results, start_s))


def report(results, start_s):
    seconds, cost, counts = [], [], []
    for work, own, theirs in results:
        rows, failed = len(work.rows), theirs["error"] is not None
        whole = ["failed", f"{own['s']:.2f} s", ""] if failed else [f"{theirs['whole_s']:.2f} s", f"{own['s']:.2f} s", f"{theirs['whole_s'] / own['s']:.0f} ×"]
        alone = [""] * 5
        query_s = own["s"] - start_s
        if rows >= ROWS and not failed and query_s > 0:
            alone = [f"{theirs['query_s']:.2f} s", f"{query_s:.2f} s", f"{theirs['query_s'] / query_s:.0f} ×", f"{rows / theirs['query_s']:,.0f}", f"{rows / query_s:,.0f}"]
        seconds.append([work.title, *whole, *alone])
        if rows >= ROWS:
            own_cpu, their_cpu = own["cpu_s"] / rows * 1e6, theirs["query_cpu_s"] / rows * 1e6
            shown = ["failed", f"{own_cpu:,.0f} µs", ""] if failed else [f"{their_cpu:,.0f} µs", f"{own_cpu:,.0f} µs", f"{their_cpu / own_cpu:.0f} ×"]
            cost.append([work.title, *shown, f"{theirs['peak_mb']:.0f} MB", f"{own['peak_mb']:.0f} MB"])
        counts.append([work.title, work.needed, theirs["asked"], own["asked"], f"{theirs['lost']:,}", f"{own['lost']:,}"])
    start = sum(theirs["start_s"] for _, _, theirs in results) / len(results)
    refused = next((theirs["error"] for _, _, theirs in results if theirs["error"]), None)
    _, own, theirs = results[0]
    whole, alone = theirs["whole_s"] / own["s"], theirs["query_s"] / max(own["s"] - start_s, 1e-3)
    verdicts = [
        goal(f"50 times fenic's rows a second at 0 ms: {whole:.0f} × by whole processes, {alone:.0f} × by the queries alone", min(whole, alone) >= 50),
        goal("never more requests than needed", all(own["asked"] <= work.needed for work, own, _ in results)),
        goal("no row lost", all(own["lost"] == 0 for _, own, _ in results)),
    ]
    words = f"""
The same rows, the same simulated service (`corsac sim`), one after the other in one run: `benches/fenic/run`. Whole processes are timed from their start to their end: `corsac sql` with its
ledger on disk and the result written to a file (medians of {CORSAC_ROUNDS} runs, one where each answer takes 1 s), and a Python script that imports fenic and opens a session ({start:.1f} s on average). The
queries alone leave that out; of Corsac's time they leave out what the same command takes for a single row ({1000 * start_s:.0f} ms).
"""
    tables = [
        stand.table(["work", "fenic, whole", "Corsac, whole", "faster", "fenic, query", "Corsac, query", "faster", "fenic rows/s", "Corsac rows/s"], seconds),
        stand.table(["processor time a row", "fenic, query alone", "Corsac, whole process", "less", "fenic peak memory", "Corsac peak memory"], cost),
        stand.table(["requests and rows", "requests needed", "fenic asked", "Corsac asked", "rows fenic lost", "rows Corsac lost"], counts),
    ]
    ends = "A row is lost when it has neither a value nor a reason." + (f" Where rows are refused, fenic's query ends with: `{refused}`" if refused else "")
    return "\n\n".join([words.strip(), *tables, ends, "\n".join(f"- {verdict}" for verdict in verdicts)])


def goal(text, reached):
    return f"Goal {'reached' if reached else '**not reached**'}: {text}."


if __name__ == "__main__":
    main()
