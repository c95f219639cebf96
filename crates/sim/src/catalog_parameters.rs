//! Which parameters the endpoints of a family support, as the catalog lists them.

pub(crate) const OPENAI: &[&str] = &[
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "prediction",
    "presence_penalty",
    "response_format",
    "seed",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
];
/// The GPT-5 family takes no sampling parameters.
pub(crate) const OPENAI_REASONING: &[&str] = &[
    "include_reasoning",
    "max_completion_tokens",
    "max_tokens",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "seed",
    "structured_outputs",
    "tool_choice",
    "tools",
    "verbosity",
];
pub(crate) const CLAUDE_TOOLS: &[&str] = &["max_tokens", "stop", "temperature", "tool_choice", "tools", "top_k", "top_p"];
pub(crate) const CLAUDE_REASONING: &[&str] =
    &["include_reasoning", "max_tokens", "reasoning", "stop", "temperature", "tool_choice", "tools", "top_k", "top_p"];
pub(crate) const CLAUDE_STRUCTURED: &[&str] = &[
    "include_reasoning",
    "max_tokens",
    "reasoning",
    "response_format",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
pub(crate) const GEMINI: &[&str] = &[
    "include_reasoning",
    "max_tokens",
    "reasoning",
    "response_format",
    "seed",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
];
/// What most hosts of open weights support; also what a model of a script gets.
pub(crate) const OPEN_STRUCTURED: &[&str] = &[
    "frequency_penalty",
    "logit_bias",
    "max_tokens",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "response_format",
    "seed",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
/// JSON mode and tools, but no schema.
pub(crate) const OPEN_JSON: &[&str] = &[
    "frequency_penalty",
    "max_tokens",
    "presence_penalty",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
/// Neither tools nor JSON.
pub(crate) const OPEN_BARE: &[&str] = &["frequency_penalty", "max_tokens", "presence_penalty", "stop", "temperature", "top_k", "top_p"];
pub(crate) const OPEN_REASONING: &[&str] = &[
    "frequency_penalty",
    "include_reasoning",
    "max_tokens",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "seed",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
pub(crate) const EMBEDDING: &[&str] = &[];
