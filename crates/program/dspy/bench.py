"""The same predictions by DSPy: `bench.py BASE_URL (calls|evaluate) COUNT IN_FLIGHT` prints one line of JSON."""

import time

began = time.perf_counter()

import json
import resource
import sys

import dspy

base_url, what, count, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
warm_up = count // 20
lm = dspy.LM("openrouter/openai/gpt-4o-mini", api_key="sk-or-v1-measured", api_base=base_url, cache=False, num_retries=0)
dspy.configure(lm=lm, disable_history=True)
predict = dspy.Predict("question -> answer")


def examples(numbers):
    return [dspy.Example(question=f"What is number {number}?", answer="Rome").with_inputs("question") for number in numbers]


def ask(numbers):
    if in_flight == 1:
        results = [predict(**example.inputs()) for example in examples(numbers)]
    else:
        pairs = [(predict, example) for example in examples(numbers)]
        results = dspy.Parallel(num_threads=in_flight, disable_progress_bar=True)(pairs)
    assert all(result.answer == "Rome" for result in results)


def evaluate(numbers):
    measured = dspy.Evaluate(
        devset=examples(numbers), metric=dspy.evaluate.answer_exact_match, num_threads=in_flight, display_progress=False
    )(predict)
    assert measured.score == 100.0, measured.score


ask(range(max(warm_up, 1)))
started = time.perf_counter() - began
begin, before = time.perf_counter(), time.process_time()
(evaluate if what == "evaluate" else ask)(range(warm_up, warm_up + count))
took, spent = time.perf_counter() - begin, time.process_time() - before
print(json.dumps({
    "client": f"dspy {dspy.__version__}",
    "what": what,
    "calls": count,
    "in_flight": in_flight,
    "cpu_us_per_call": round(spent * 1e6 / count),
    "calls_per_s": round(count / took),
    "to_first_answer_ms": round(started * 1e3),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
