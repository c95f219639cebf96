"""What an optimizer makes of a program for the embedded model: `python3 benches/optimize.py [FOLDER]` (without one, the tree's examples).

Sentiment of review sentences: `corsac tune` searches with 200 of them, the program before and the one after are measured on
500 others. No key is needed, nothing leaves the machine.
"""

import json
import os
import re
import sys
from pathlib import Path

# byte code is no part of the tree
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import labelled  # noqa: E402
import stand  # noqa: E402

SIGNATURE = "text -> label: Literal['positive', 'negative', 'neutral']"
INSTRUCTIONS = "The text is a sentence of a product review. Tell what its writer feels about the product."
CANDIDATES = os.environ.get("CORSAC_BENCH_CANDIDATES", "6")
TRAIN, HELD_OUT = 200, 500


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else stand.TREE / "examples"
    binary = stand.program("corsac")
    rows, name = labelled.reviews(folder)
    train = rows[: min(TRAIN, len(rows) * 2 // 5)]
    held = rows[len(train) :][:HELD_OUT]
    with stand.Workplace() as workplace:
        home, place = workplace.new_home(), workplace.folder
        for file, part in (("train.csv", train), ("held.csv", held)):
            labelled.write(place / file, ["text", "label"], [[row["text"], labelled.people(row)] for row in part])
        asking = ["--engine", "local", "--metric", "classify", "--quiet"]
        plain = ["--signature", SIGNATURE, "--instructions", INSTRUCTIONS]

        def corsac(*arguments):
            return stand.run([binary, *arguments, *asking], home, folder=place)

        tuned = corsac("tune", *plain, "--data", "train.csv", "--optimizer", "random-search", "--candidates", CANDIDATES, "--out", "better.json")
        print(tuned.out, flush=True)
        before = corsac("eval", *plain, "--data", "held.csv", "--out", "before.jsonl")
        after = corsac("eval", "--program", "better.json", "--data", "held.csv", "--out", "after.jsonl")
        scores = [[json.loads(line) for line in (place / file).read_text().splitlines()] for file in ("before.jsonl", "after.jsonl")]
        # all of it is in the ledger by now: nothing is asked again
        paired = corsac("eval", *plain, "--data", "held.csv", "--compare", "better.json").out.strip().splitlines()[-1]
        demos = len(json.loads((place / "better.json").read_text()).get("demos", []))
    stand.publish("optimize", "A program improved by data, with the embedded model", report(name, train, held, tuned, scores, (before, after), paired, demos))


def report(name, train, held, tuned, scores, costs, paired, demos):
    right = [sum(bool(line["score"]) for line in side) for side in scores]
    label, count = max(((label, sum(labelled.people(row) == label for row in held)) for label in labelled.SENTIMENTS), key=lambda pair: pair[1])
    lines = [["always " + label, stand.percent(count, len(held)), "", ""]]
    for title, hits, side, cost in zip(("before", "after"), right, scores, costs):
        lines.append([title, stand.percent(hits, len(side)), sum(line["score"] is None for line in side), f"{cost.wall_s:.0f} s"])
    difference = re.search(r"[+-]\d.*", paired)[0]
    counts = re.search(r"better at (\d+), worse at (\d+)", paired)
    gained, lost = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    if right[1] > right[0]:
        verdict = f"The program is better by {100 * (right[1] - right[0]) / len(held):.1f} points: right now in {gained} sentences where it was wrong, and wrong in {lost} where it was right."
    else:
        verdict = "The search did not make the program better."
    return f"""
`corsac tune` with BootstrapFewShotWithRandomSearch ({CANDIDATES} shuffles beside its four fixed candidates) on {len(train)} sentences of `{name}`, half of which it learns from and half of which it picks by; the
program before and after on {len(held)} others, which it has not seen: `python3 benches/optimize.py FOLDER`. The program is `{SIGNATURE}`; what it found are {demos} demonstrations.

{stand.table(["program", f"right of {len(held)} (95 % Wilson)", "failed", "time"], lines)}

Compared on the same sentences (`corsac eval --compare`): {difference}. {verdict}

What the search tried ({tuned.wall_s:.0f} s):

```text
{tuned.out.strip()}
```
"""


if __name__ == "__main__":
    main()
