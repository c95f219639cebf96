"""What every measurement stands on: the command that is measured, servers, what a process cost, and the page of figures.

Only Python's standard library, so that a measurement needs nothing but the tree. A section of `docs/measured.md` stands
between two comments with its name; publishing replaces that section and leaves the others as they are.
"""

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
PAGE = TREE / "docs" / "measured.md"
PROFILE = os.environ.get("CORSAC_BENCH_PROFILE", "dev")
KEY = "sk-or-v1-measured"
# sections are printed and the page is left as it is
DRY = bool(os.environ.get("CORSAC_BENCH_DRY"))


def build(*arguments):
    """Builds, and gives the path of every program that came out, by its name."""
    command = ["cargo", "build", "--quiet", "--profile", PROFILE, "--message-format=json", *arguments]
    done = subprocess.run(command, cwd=TREE, stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return {message["target"]["name"]: Path(message["executable"]) for message in messages if message.get("executable")}


WHERE = {
    "corsac": ("-p", "corsac-cli"),
    "server": ("-p", "corsac-dispatch", "--example", "server"),
    "serve": ("-p", "corsac-sim", "--example", "serve"),
    "predict": ("-p", "corsac-program", "--example", "predict"),
}


def program(name):
    """A program of this tree, built as it stands, or taken from the folder of built ones that CORSAC_BENCH_PROGRAMS names."""
    folder = os.environ.get("CORSAC_BENCH_PROGRAMS")
    return Path(folder) / name if folder else build(*WHERE[name])[name]


def extension():
    """The Python package's extension module, built as it stands, or taken from the folder of built ones."""
    folder = os.environ.get("CORSAC_BENCH_PROGRAMS")
    if folder:
        return Path(folder) / "lib_corsac.so"
    command = ["cargo", "build", "--quiet", "--profile", PROFILE, "--message-format=json", "-p", "corsac-python"]
    done = subprocess.run(command, cwd=TREE, stdout=subprocess.PIPE, text=True, check=True)
    messages = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    files = [file for message in messages if message.get("target", {}).get("name") == "_corsac" for file in message.get("filenames", [])]
    return Path(next(file for file in files if file.endswith((".so", ".dylib"))))


def tokenizers():
    """The folder of the rank files in the build's own tokenizer crate."""
    told = subprocess.run(["cargo", "metadata", "--format-version", "1"], cwd=TREE, capture_output=True, text=True, check=True)
    crate = next(package for package in json.loads(told.stdout)["packages"] if package["name"] == "tiktoken-rs")
    return Path(crate["manifest_path"]).parent / "assets"


class Cost:
    """What a process took: wall and processor time in seconds, the most memory it held in megabytes, what it printed."""

    def __init__(self, wall_s, cpu_s, peak_mb, code, out, err):
        self.wall_s, self.cpu_s, self.peak_mb, self.code, self.out, self.err = wall_s, cpu_s, peak_mb, code, out, err


def run(command, environment=None, accept=(0,), folder=None):
    """Runs a command to its end and tells what it cost, its own children included."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env={**clean_environment(), **(environment or {})},
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        texts = [file.read().decode(errors="replace") for file in (out, err)]
    if process.returncode not in accept:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{texts[1][-2000:]}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode, *texts)


FOREIGN = ("CORSAC_", "OPENROUTER_", "OPENAI_", "OTEL_")


def clean_environment():
    """The environment without what would lead the command to somebody's key, settings or ledger."""
    return {name: value for name, value in os.environ.items() if name.startswith("CORSAC_LOCAL_") or not name.startswith(FOREIGN)}


class Simulator:
    """`corsac sim` on a free port, with a script of its own; it ends with the `with` block."""

    def __init__(self, binary, script=""):
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "script.toml"
        path.write_text(script)
        self.process = subprocess.Popen(
            [binary, "sim", "--port", "0", "--open", "--script", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.base_url = re.search(r"http://\S+", self.process.stdout.readline())[0]

    def seen(self):
        return json.loads(fetch(f"{self.base_url}/sim/seen"))

    def asked(self):
        """Chat and embedding requests so far; catalog and key look-ups are no questions."""
        routes = self.seen()["by_route"]
        return sum(count for route, count in routes.items() if route.startswith("POST"))

    def environment(self):
        return {"OPENROUTER_BASE_URL": self.base_url, "OPENROUTER_API_KEY": KEY}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class PlainServer(Simulator):
    """The example `server` of corsac-dispatch: one fixed answer after as many milliseconds as are asked for, counted."""

    def __init__(self, binary, delay_ms=0):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([binary], stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        self.base_url = f"http://{self.address}/{delay_ms}/api/v1"

    def asked(self):
        return int(fetch(f"http://{self.address}/count"))


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read().decode()


class Workplace:
    """A folder for a measurement's files, with a new CORSAC_HOME for each run, so that nothing comes from memory."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="corsac-bench-"))
        self.homes = 0

    def new_home(self):
        self.homes += 1
        return {"CORSAC_HOME": str(self.folder / f"home-{self.homes}")}

    def drop_home(self, home):
        shutil.rmtree(home["CORSAC_HOME"], ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def facts():
    """Whose figures these are: the machine, the profile, and how busy the machine was."""
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors ({processor()}), cargo profile {PROFILE}, load {load():.1f}"


def processor():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def load():
    return os.getloadavg()[0]


def table(head, rows, left=1):
    """A markdown table; the first `left` columns are words, the others numbers."""
    marks = ["---" if column < left else "--:" for column in range(len(head))]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in [head, marks, *rows])


def wilson(hits, of):
    """A share and its 95 % Wilson interval."""
    if of == 0:
        return 0.0, 0.0, 1.0
    z, share = 1.959964, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * (share * (1 - share) / of + z * z / (4 * of * of)) ** 0.5
    return share, middle - half, middle + half


def percent(hits, of):
    share, low, high = wilson(hits, of)
    return f"{100 * share:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def median(costs, name):
    return statistics.median(getattr(cost, name) for cost in costs)


def publish(name, title, body):
    """Prints a section, and puts it into the page of figures."""
    section = f"## {title}\n\n{body.strip()}\n\n*{facts()}.*"
    print(f"\n{section}\n", flush=True)
    if DRY:
        return
    page = PAGE.read_text()
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if start not in page or end not in page:
        sys.exit(f"{PAGE} has no place for {name!r}: put {start} and {end} where it belongs")
    before, rest = page.split(start, 1)
    after = rest.split(end, 1)[1]
    PAGE.write_text(f"{before}{start}\n{section}\n{end}{after}")
