"""How often the embedded model says what people said: `python3 benches/quality.py [FOLDER]` (without one, the tree's examples).

Sentiment of review sentences against the mean of 20 people's ratings, and the section that a maintainer gave a Debian
package against all sections there are. No key is needed, nothing leaves the machine.
"""

import collections
import os
import sys
from pathlib import Path

# byte code is no part of the tree
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import labelled  # noqa: E402
import stand  # noqa: E402

REVIEWS = int(os.environ.get("CORSAC_BENCH_REVIEWS", "1000"))
PACKAGES = int(os.environ.get("CORSAC_BENCH_PACKAGES", "2000"))
# the first 700 sentences are what programs are improved by and measured on (optimize.py)
KEPT_FOR_PROGRAMS = 700


def ask(binary, workplace, sql):
    """Rows of a query that the embedded model answers, and what they cost."""
    out = workplace.folder / "out.csv"
    home = workplace.new_home()
    cost = stand.run([binary, "sql", sql, "--engine", "local", "--yes", "--quiet", "--out", out], home)
    workplace.drop_home(home)
    return labelled.read(out), cost


def sentiment(binary, workplace, folder):
    rows, name = labelled.reviews(folder)
    told = f"`{name}`, {len(rows):,} sentences"
    rows = (rows[KEPT_FOR_PROGRAMS:] or rows)[:REVIEWS]
    file = workplace.folder / "held.csv"
    labelled.write(file, ["people", "border", "text"], [[labelled.people(row), abs(abs(row["mean"]) - labelled.BORDER), row["text"]] for row in rows])
    found, cost = ask(binary, workplace, f"SELECT people, border, semantic_analyze_sentiment(text) AS model FROM '{file}'")
    lines = []
    for label in labelled.SENTIMENTS:
        said, meant = [row for row in found if row["model"] == label], [row for row in found if row["people"] == label]
        lines.append([label, len(meant), agreement(meant), agreement(said)])
    firm = [row for row in found if row["people"] != "neutral"]
    clear = [row for row in found if float(row["border"]) >= 0.25]
    summary = [
        ["all three labels", len(found), agreement(found), baseline(found)],
        ["sentences that people found positive or negative", len(firm), agreement(firm), baseline(firm)],
        ["sentences whose mean lies 0.25 or more from a border between labels", len(clear), agreement(clear), baseline(clear)],
    ]
    words = f"""
**Sentiment of review sentences.** {told} with the mean of 20 people's ratings (−4 … 4); {len(found):,} of them, drawn by a hash of their id and used for nothing else.
Labels: positive (mean above 0.5), negative (below −0.5), neutral. Asked: `semantic_analyze_sentiment(text)`. Only the mean of the ratings is published with the sentences,
so how far people agree with each other cannot be told from it; {percent_of(len(found) - len(clear), len(found))} of the sentences lie within 0.25 of a border, where 20 others might
have said something else.
"""
    return section(words, summary, "sentences", lines, "label", found, cost)


def sections(binary, workplace, folder):
    path = Path(folder) / "debian_packages.parquet"
    if not path.exists():
        return f"**Section of Debian packages.** Not measured: there is no `debian_packages.parquet` in the folder.", None
    out = workplace.folder / "all.csv"
    home = workplace.new_home()
    sql = f"SELECT package, section, description FROM '{path}' WHERE description IS NOT NULL"
    stand.run([binary, "sql", sql, "--quiet", "--out", out], home)
    rows = labelled.read(out)
    labels = sorted({row["section"] for row in rows})
    rows = sorted(rows, key=lambda row: labelled.drawn(row["package"]))[:PACKAGES]
    file = workplace.folder / "packages.csv"
    labelled.write(file, ["people", "text"], [[row["section"], f"{row['package']}: {row['description']}"] for row in rows])
    listed = ", ".join(f"'{label}'" for label in labels)
    found, cost = ask(binary, workplace, f"SELECT people, semantic_classify(text, [{listed}]) AS model FROM '{file}'")
    lines = []
    for label, _ in collections.Counter(row["people"] for row in found).most_common(8):
        said, meant = [row for row in found if row["model"] == label], [row for row in found if row["people"] == label]
        lines.append([label, len(meant), agreement(meant), agreement(said)])
    summary = [[f"all {len(labels)} sections", len(found), agreement(found), baseline(found)]]
    words = f"""
**Section of Debian packages.** {len(found):,} packages of `debian_packages.parquet`, drawn by a hash of their name. Labels: all {len(labels)} sections; a section is one maintainer's decision,
so there is no second opinion to compare with. Asked: `semantic_classify(text, […])` with nothing but the sections' names, over name and short description. Drawing a section
by chance would be right in {100 / len(labels):.1f} %. The eight sections with the most packages:
"""
    return section(words, summary, "packages", lines, "section", found, cost)


def section(words, summary, what, lines, label, found, cost):
    unanswered = sum(not row["model"] for row in found)
    speed = f"{len(found)} answers, {unanswered} without one, in {cost.wall_s:.0f} s: {len(found) / cost.wall_s:.1f} a second, {1000 * cost.cpu_s / len(found):.0f} ms of processor time each, {cost.peak_mb:.0f} MB at most."
    tables = [
        stand.table(["", what, "agreement (95 %)", "always the most frequent label"], summary),
        stand.table([label, what, "found of them (95 %)", "right where said (95 %)"], lines),
    ]
    return "\n\n".join([words.strip(), *tables, speed]), agreement(found)


def agreement(rows):
    return stand.percent(sum(row["model"] == row["people"] for row in rows), len(rows))


def baseline(rows):
    label, count = collections.Counter(row["people"] for row in rows).most_common(1)[0]
    return f"{label}: {percent_of(count, len(rows))}"


def percent_of(count, of):
    return f"{100 * count / of:.1f} %"


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else stand.TREE / "examples"
    binary = stand.program("corsac")
    with stand.Workplace() as workplace:
        parts = []
        for measured in (sentiment, sections):
            text, found = measured(binary, workplace, folder)
            print(f"  {measured.__name__}: {found}", flush=True)
            parts.append(text)
    words = """
What the model that is built in (SmolLM2-135M-Instruct, 98 MB) makes of data that people labelled: `python3 benches/quality.py FOLDER`. Intervals are 95 % Wilson intervals. These figures are
about the smallest model there is, not about Corsac: they tell what to expect of it without a key.
"""
    stand.publish("quality", "Beside people, with the embedded model", "\n\n".join([words.strip(), *parts]))


if __name__ == "__main__":
    main()
