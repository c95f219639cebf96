import dspy

lm = dspy.LM(
    model="openrouter/gpt-4o-mini",
    api_key=api_key,
    api_base="https://openrouter.ai/api/v1",
    extra_headers={
        "HTTP-Referer": "https://8bitoracle.ai",
        "X-Title": "8-Bit Oracle"
    }
)
