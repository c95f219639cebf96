lm = dspy.LM(
    model="openrouter/gpt-4o-mini",  # Primary model
    api_key=api_key,
    api_base="https://openrouter.ai/api/v1",
    model_list=[
        {
            "model_name": "openrouter/gpt-4o-mini",
            "litellm_params": {
                "model": "openrouter/gpt-4o-mini",
                "api_key": api_key,
                "api_base": "https://openrouter.ai/api/v1"
            }
        },
        {
            "model_name": "openrouter/claude-3-haiku", 
            "litellm_params": {
                "model": "openrouter/claude-3-haiku",
                "api_key": api_key,
                "api_base": "https://openrouter.ai/api/v1"
            }
        }
    ],
    extra_headers={
        "HTTP-Referer": "https://8bitoracle.ai",
        "X-Title": "8-Bit Oracle"
    }
)
