"""Rows a second and memory from a thousand rows to a million: `python3 benches/growth.py [ROWS …]`.

Each size is one `corsac sql` in a process of its own against one plain server that answers at once, with rows that all
differ and with rows that repeat a thousand texts. The tables go into docs/measured.md, the curve into docs/growth.svg.
"""

import sys
from pathlib import Path

# byte code is no part of the tree
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import curve  # noqa: E402
import stand  # noqa: E402

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DISTINCT = 1_000
NAMES = ("rows that all differ", "rows that repeat 1,000 texts")
SQL = "SELECT id, semantic_map('Say in one word: {{ text }}', text) AS word FROM 'ROWS'"
PICTURE = stand.TREE / "docs" / "growth.svg"


def rows(path, count, distinct):
    with path.open("w") as out:
        out.write("id,text\n")
        for row in range(count):
            out.write(f"{row},review {row % distinct} of a product that came on time and works as it should\n")


def measure(binary, server, workplace, count, distinct):
    file, out = workplace.folder / "rows.csv", workplace.folder / "out.parquet"
    rows(file, count, distinct)
    # small sizes are over at once: the middle one of several says more
    found = []
    for _ in range(5 if count < 50_000 else 1):
        home, asked = workplace.new_home(), server.asked()
        command = [binary, "sql", SQL.replace("ROWS", str(file)), "--yes", "--quiet", "--out", out]
        cost = stand.run(command, {**home, **server.environment()})
        kept = sum(part.stat().st_size for part in Path(home["CORSAC_HOME"]).iterdir() if part.name.startswith("ledger"))
        found.append((cost.wall_s, cost, server.asked() - asked, kept / 1e6))
        workplace.drop_home(home)
    _, cost, asked, kept_mb = sorted(found, key=lambda one: one[0])[len(found) // 2]
    if asked != min(count, distinct):
        sys.exit(f"{count} rows with {distinct} texts were asked about {asked} times")
    print(f"  {count:,} rows, {min(count, distinct):,} texts: {cost.wall_s:.2f} s, {cost.peak_mb:.0f} MB", flush=True)
    return {"rows": count, "wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "peak_mb": cost.peak_mb, "asked": asked, "ledger_mb": kept_mb}


def main():
    sizes = tuple(int(size.replace("_", "")) for size in sys.argv[1:]) or SIZES
    binary, server_binary = stand.program("corsac"), stand.program("server")
    series = {name: [] for name in NAMES}
    with stand.Workplace() as workplace, stand.PlainServer(server_binary) as server:
        for count in sizes:
            for name, distinct in zip(NAMES, (count, DISTINCT)):
                series[name].append(measure(binary, server, workplace, count, min(count, distinct)))
    picture = curve.draw(
        "Rows a second and peak memory by number of rows",
        [
            ("Rows a second", "the whole command, its start included", True, points(series, lambda one: one["rows"] / one["wall_s"])),
            ("Peak memory", "MB, of the command's process", False, points(series, lambda one: one["peak_mb"])),
        ],
        NAMES,
    )
    if not stand.DRY:
        PICTURE.write_text(picture)
    stand.publish("growth", "From a thousand rows to a million", report(series))
    if stand.DRY:
        print(picture)


def points(series, value):
    return {name: [(one["rows"], value(one)) for one in found] for name, found in series.items()}


def report(series):
    lines = []
    for name, found in series.items():
        for one in found:
            lines.append([
                name,
                f"{one['rows']:,}",
                f"{one['asked']:,}",
                f"{one['wall_s']:.2f} s",
                f"{one['rows'] / one['wall_s']:,.0f}",
                f"{one['cpu_s'] / one['rows'] * 1e6:,.1f} µs",
                f"{one['peak_mb']:.0f} MB",
                f"{one['ledger_mb']:.1f} MB",
            ])
    words = """
`corsac sql` with one `semantic_map` over a CSV file, to Parquet, against a server on the same machine that answers at once: `python3 benches/growth.py`. Time is that of the
whole command, its start included; each size runs in a process of its own with a new ledger on disk (the middle one of five runs below 50,000 rows).

![Rows a second and peak memory from a thousand rows to a million](growth.svg)
"""
    head = ["rows", "number", "requests", "time", "rows/s", "processor time a row", "peak memory", "ledger on disk"]
    return words.strip() + "\n\n" + stand.table(head, lines)


if __name__ == "__main__":
    main()
