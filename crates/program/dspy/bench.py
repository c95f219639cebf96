"""The same predictions by DSPy: `bench.py BASE_URL COUNT IN_FLIGHT` prints one line of JSON."""

import json
import sys
import time

import dspy

base_url, count, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
WARM_UP = 50
lm = dspy.LM("openrouter/openai/gpt-4o-mini", api_key="sk-or-v1-measured", api_base=base_url, cache=False, num_retries=0)
dspy.configure(lm=lm, disable_history=True)
predict = dspy.Predict("question -> answer")


def ask(numbers):
    examples = [dspy.Example(question=f"What is number {number}?").with_inputs("question") for number in numbers]
    if in_flight == 1:
        results = [predict(**example.inputs()) for example in examples]
    else:
        results = dspy.Parallel(num_threads=in_flight, disable_progress_bar=True)([(predict, example) for example in examples])
    assert all(result.answer == "Rome" for result in results)


ask(range(WARM_UP))
started, before = time.perf_counter(), time.process_time()
ask(range(WARM_UP, WARM_UP + count))
took, spent = time.perf_counter() - started, time.process_time() - before
print(json.dumps({
    "client": f"dspy {dspy.__version__}",
    "calls": count,
    "in_flight": in_flight,
    "cpu_us_per_call": round(spent * 1e6 / count),
    "calls_per_s": round(count / took),
}))
