# Configure DSPy with proper OpenRouter integration
lm = dspy.LM(
    model="openrouter/gpt-4o-mini",
    api_key=api_key,
    api_base="https://openrouter.ai/api/v1",
    extra_headers={
        "HTTP-Referer": "https://8bitoracle.ai",
        "X-Title": "8-Bit Oracle"
    }
)
dspy.configure(lm=lm)

# Create and use a DSPy module with failover
qa = dspy.ChainOfThought('question -> answer')
response = qa(question="What is DSPy? Please give a brief explanation.")
