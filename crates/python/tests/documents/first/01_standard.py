import dspy

lm = dspy.LM(
    model="openrouter/deepseek/deepseek-chat-v3-0324",
    api_base="https://openrouter.ai/api/v1",
    api_key=api_key,
)
