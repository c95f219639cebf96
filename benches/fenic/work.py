"""One piece of work by fenic, in a process of its own: `work.py BASE_URL WORK ROWS.json FOLDER_OF_TOKENIZERS` prints a line of JSON.

What is told of the query is the query alone: importing fenic and opening a session are told apart. With `corsac` as one word more,
the same lines are run by Corsac's Python package, in the same interpreter.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import List

began = time.perf_counter()
base_url, work, rows, tokenizers = sys.argv[1], sys.argv[2], json.loads(Path(sys.argv[3]).read_text()), Path(sys.argv[4])
# the client underneath insists on a second key, which is sent nowhere
os.environ["OPENROUTER_API_KEY"], os.environ["OPENAI_API_KEY"] = "sk-or-v1-measured", "none"

if sys.argv[5:] == ["corsac"]:
    import corsac as fc

    os.environ["OPENROUTER_BASE_URL"] = base_url
    # its ledger is the home's
    place = {}
else:
    import tiktoken.load

    # it would fetch its ranks, which this tree's build has on disk already
    tiktoken.load.read_file = lambda path: (tokenizers / path.rsplit("/", 1)[1]).read_bytes()

    import fenic as fc
    from fenic._inference.openrouter import openrouter_provider

    openrouter_provider.OPENROUTER_BASE_URL = base_url
    place = {"db_path": Path.cwd()}

from pydantic import BaseModel, Field  # noqa: E402


class Facts(BaseModel):
    product: str = Field(description="the product spoken of")
    stars: int = Field(description="stars given")
    defects: List[str] = Field(description="what is wrong with it")


model = fc.OpenRouterLanguageModel(model_name="openai/gpt-4o-mini")
session = fc.Session.get_or_create(
    fc.SessionConfig(app_name="measured", **place, semantic=fc.SemanticConfig(language_models={"model": model}))
)
table = session.create_dataframe(rows)
word = fc.semantic.map("Say in one word: {{ text }}", text=fc.col("text")).alias("value")
QUERIES = {
    "map": lambda: table.select("id", word),
    "extract": lambda: table.select("id", fc.semantic.extract("text", Facts).alias("value")),
    "classify": lambda: table.select("id", fc.semantic.classify("text", ["praise", "complaint", "question"]).alias("value")),
    "sentiment": lambda: table.select("id", fc.semantic.analyze_sentiment("text").alias("value")),
    "limit": lambda: table.select("id", word).limit(3),
    "filter": lambda: table.with_column("value", word).filter(fc.col("stars") == 5),
}

ready, spent = time.perf_counter(), time.process_time()
error = None
try:
    if work == "count":
        found = [None] * table.with_column("value", word).count()
    else:
        found = QUERIES[work]().to_pydict()["value"]
except Exception as failure:  # what comes of a query that fails is a part of what is measured
    found, error = [], str(failure).splitlines()[0][:150]
done, cpu = time.perf_counter() - ready, time.process_time() - spent
print(
    json.dumps(
        {
            "query_s": done,
            "query_cpu_s": cpu,
            "start_s": ready - began,
            "rows": len(found),
            "valued": sum(value is not None for value in found),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "error": error,
        }
    ),
    flush=True,
)
# a session's summary and the ending of its threads are no part of it
os._exit(0)
