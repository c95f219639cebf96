//! The built-in models, endpoints and providers. Ids are real; prices, contexts and speeds are
//! believable values for testing and promise nothing about the live service.

use crate::catalog::{Kind, Reasoning};
use crate::catalog_parameters::{
    CLAUDE_REASONING, CLAUDE_STRUCTURED, CLAUDE_TOOLS, EMBEDDING, GEMINI, OPEN_BARE, OPEN_JSON, OPEN_REASONING, OPEN_STRUCTURED, OPENAI,
    OPENAI_REASONING,
};

pub(crate) struct ProviderRow {
    pub(crate) name: &'static str,
    pub(crate) slug: &'static str,
    pub(crate) country: &'static str,
    pub(crate) zero_data_retention: bool,
    pub(crate) trains_on_data: bool,
}

pub(crate) struct EndpointRow {
    pub(crate) provider: &'static str,
    pub(crate) variant: &'static str,
    pub(crate) prompt_picodollars: u64,
    pub(crate) completion_picodollars: u64,
    /// None = the model's.
    pub(crate) context_length: Option<u64>,
    /// None = the model's.
    pub(crate) max_completion_tokens: Option<u64>,
    pub(crate) parameters: &'static [&'static str],
    pub(crate) quantization: &'static str,
    pub(crate) latency_ms: u32,
    pub(crate) tokens_per_second: u32,
}

pub(crate) struct ModelRow {
    pub(crate) id: &'static str,
    pub(crate) permaslug: &'static str,
    pub(crate) name: &'static str,
    pub(crate) created: u64,
    pub(crate) context_length: u64,
    pub(crate) max_completion_tokens: Option<u64>,
    pub(crate) takes_images: bool,
    pub(crate) kind: Kind,
    pub(crate) tokenizer: &'static str,
    pub(crate) instruct: Option<&'static str>,
    pub(crate) moderated: bool,
    pub(crate) knowledge_cutoff: Option<&'static str>,
    pub(crate) reasoning: Reasoning,
    pub(crate) endpoints: &'static [EndpointRow],
}

const fn provider(name: &'static str, slug: &'static str, country: &'static str) -> ProviderRow {
    ProviderRow { name, slug, country, zero_data_retention: false, trains_on_data: false }
}

const fn retains_nothing(row: ProviderRow) -> ProviderRow {
    ProviderRow { zero_data_retention: true, ..row }
}

const fn trains(row: ProviderRow) -> ProviderRow {
    ProviderRow { trains_on_data: true, ..row }
}

pub(crate) const PROVIDERS: &[ProviderRow] = &[
    provider("OpenAI", "openai", "US"),
    retains_nothing(provider("Azure", "azure", "US")),
    provider("Anthropic", "anthropic", "US"),
    retains_nothing(provider("Amazon Bedrock", "amazon-bedrock", "US")),
    retains_nothing(provider("Google", "google-vertex", "US")),
    provider("Google AI Studio", "google-ai-studio", "US"),
    retains_nothing(provider("DeepInfra", "deepinfra", "US")),
    provider("Novita", "novita", "US"),
    retains_nothing(provider("Groq", "groq", "US")),
    retains_nothing(provider("Together", "together", "US")),
    retains_nothing(provider("Fireworks", "fireworks", "US")),
    provider("Mistral", "mistral", "FR"),
    trains(provider("DeepSeek", "deepseek", "CN")),
    trains(provider("Chutes", "chutes", "US")),
    provider("Venice", "venice", "US"),
    retains_nothing(provider("Parasail", "parasail", "US")),
    provider("Cohere", "cohere", "CA"),
];

/// Names that stand for the newest model of a family.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("~anthropic/claude-haiku-latest", "anthropic/claude-haiku-4.5"),
    ("~anthropic/claude-sonnet-latest", "anthropic/claude-sonnet-4"),
    ("~openai/gpt-mini-latest", "openai/gpt-5-mini"),
    ("openrouter/auto", "openai/gpt-4o-mini"),
    ("openrouter/free", "meta-llama/llama-3.3-70b-instruct:free"),
];

/// An endpoint with its model's context; prices in 10⁻¹² dollars a token.
const fn endpoint(
    provider: &'static str,
    variant: &'static str,
    (prompt_picodollars, completion_picodollars): (u64, u64),
    parameters: &'static [&'static str],
    quantization: &'static str,
    (latency_ms, tokens_per_second): (u32, u32),
) -> EndpointRow {
    EndpointRow {
        provider,
        variant,
        prompt_picodollars,
        completion_picodollars,
        context_length: None,
        max_completion_tokens: None,
        parameters,
        quantization,
        latency_ms,
        tokens_per_second,
    }
}

/// The same endpoint with a context and a longest answer of its own.
const fn smaller(row: EndpointRow, context_length: u64, max_completion_tokens: u64) -> EndpointRow {
    EndpointRow { context_length: Some(context_length), max_completion_tokens: Some(max_completion_tokens), ..row }
}

/// A text model that reasons never; the rest is said by struct update.
const TEXT: ModelRow = ModelRow {
    id: "",
    permaslug: "",
    name: "",
    created: 0,
    context_length: 0,
    max_completion_tokens: None,
    takes_images: false,
    kind: Kind::Text,
    tokenizer: "Other",
    instruct: None,
    moderated: false,
    knowledge_cutoff: None,
    reasoning: Reasoning::Never,
    endpoints: &[],
};

pub(crate) const MODELS: &[ModelRow] = &[
    ModelRow {
        id: "openai/gpt-4o-mini",
        permaslug: "openai/gpt-4o-mini",
        name: "OpenAI: GPT-4o-mini",
        created: 1_721_260_800,
        context_length: 128_000,
        max_completion_tokens: Some(16_384),
        takes_images: true,
        tokenizer: "GPT",
        moderated: true,
        knowledge_cutoff: Some("2023-10-31"),
        endpoints: &[
            endpoint("openai", "", (150_000, 600_000), OPENAI, "unknown", (410, 92)),
            endpoint("azure", "", (150_000, 600_000), OPENAI, "unknown", (620, 118)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "openai/gpt-4o",
        permaslug: "openai/gpt-4o",
        name: "OpenAI: GPT-4o",
        created: 1_715_558_400,
        context_length: 128_000,
        max_completion_tokens: Some(16_384),
        takes_images: true,
        tokenizer: "GPT",
        moderated: true,
        knowledge_cutoff: Some("2023-10-31"),
        endpoints: &[
            endpoint("openai", "", (2_500_000, 10_000_000), OPENAI, "unknown", (520, 78)),
            endpoint("azure", "", (2_500_000, 10_000_000), OPENAI, "unknown", (700, 96)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "openai/gpt-5-mini",
        permaslug: "openai/gpt-5-mini-2025-08-07",
        name: "OpenAI: GPT-5 Mini",
        created: 1_754_587_407,
        context_length: 400_000,
        max_completion_tokens: Some(128_000),
        takes_images: true,
        tokenizer: "GPT",
        moderated: true,
        knowledge_cutoff: Some("2024-05-31"),
        reasoning: Reasoning::Mandatory,
        endpoints: &[
            endpoint("openai", "", (250_000, 2_000_000), OPENAI_REASONING, "unknown", (3_900, 71)),
            endpoint("azure", "", (250_000, 2_000_000), OPENAI_REASONING, "unknown", (4_600, 84)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "anthropic/claude-3-haiku",
        permaslug: "anthropic/claude-3-haiku",
        name: "Anthropic: Claude 3 Haiku",
        created: 1_710_288_000,
        context_length: 200_000,
        max_completion_tokens: Some(4_096),
        takes_images: true,
        tokenizer: "Claude",
        moderated: true,
        knowledge_cutoff: Some("2023-08-31"),
        endpoints: &[
            endpoint("anthropic", "", (250_000, 1_250_000), CLAUDE_TOOLS, "unknown", (560, 121)),
            endpoint("amazon-bedrock", "", (250_000, 1_250_000), CLAUDE_TOOLS, "unknown", (720, 97)),
            endpoint("google-vertex", "", (250_000, 1_250_000), CLAUDE_TOOLS, "unknown", (690, 103)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "anthropic/claude-sonnet-4",
        permaslug: "anthropic/claude-4-sonnet-20250522",
        name: "Anthropic: Claude Sonnet 4",
        created: 1_747_930_371,
        context_length: 200_000,
        max_completion_tokens: Some(64_000),
        takes_images: true,
        tokenizer: "Claude",
        moderated: true,
        knowledge_cutoff: Some("2025-01-31"),
        reasoning: Reasoning::Optional,
        endpoints: &[
            endpoint("anthropic", "", (3_000_000, 15_000_000), CLAUDE_REASONING, "unknown", (1_350, 61)),
            endpoint("amazon-bedrock", "", (3_000_000, 15_000_000), CLAUDE_REASONING, "unknown", (1_900, 48)),
            endpoint("google-vertex", "global", (3_000_000, 15_000_000), CLAUDE_REASONING, "unknown", (1_500, 66)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "anthropic/claude-haiku-4.5",
        permaslug: "anthropic/claude-4.5-haiku-20251001",
        name: "Anthropic: Claude Haiku 4.5",
        created: 1_760_547_638,
        context_length: 200_000,
        max_completion_tokens: Some(64_000),
        takes_images: true,
        tokenizer: "Claude",
        moderated: true,
        knowledge_cutoff: Some("2025-02-28"),
        reasoning: Reasoning::Optional,
        endpoints: &[
            endpoint("anthropic", "", (1_000_000, 5_000_000), CLAUDE_STRUCTURED, "unknown", (640, 128)),
            endpoint("amazon-bedrock", "", (1_000_000, 5_000_000), CLAUDE_REASONING, "unknown", (810, 112)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "google/gemini-2.5-flash",
        permaslug: "google/gemini-2.5-flash",
        name: "Google: Gemini 2.5 Flash",
        created: 1_750_172_488,
        context_length: 1_048_576,
        max_completion_tokens: Some(65_535),
        takes_images: true,
        tokenizer: "Gemini",
        knowledge_cutoff: Some("2025-01-31"),
        reasoning: Reasoning::Optional,
        endpoints: &[
            endpoint("google-ai-studio", "", (300_000, 2_500_000), GEMINI, "unknown", (480, 142)),
            endpoint("google-vertex", "global", (300_000, 2_500_000), GEMINI, "unknown", (530, 136)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "meta-llama/llama-3.3-70b-instruct",
        permaslug: "meta-llama/llama-3.3-70b-instruct",
        name: "Meta: Llama 3.3 70B Instruct",
        created: 1_733_506_137,
        context_length: 131_072,
        max_completion_tokens: Some(16_384),
        tokenizer: "Llama3",
        instruct: Some("llama3"),
        knowledge_cutoff: Some("2023-12-31"),
        endpoints: &[
            endpoint("deepinfra", "turbo", (100_000, 320_000), OPEN_STRUCTURED, "fp8", (420, 41)),
            smaller(endpoint("novita", "bf16", (135_000, 400_000), OPEN_JSON, "bf16", (980, 33)), 131_072, 8_192),
            smaller(endpoint("groq", "", (590_000, 790_000), OPEN_JSON, "unknown", (190, 276)), 131_072, 32_768),
            endpoint("together", "", (880_000, 880_000), OPEN_STRUCTURED, "fp8", (560, 88)),
            smaller(endpoint("chutes", "", (90_000, 300_000), OPEN_BARE, "fp8", (1_400, 27)), 32_768, 8_192),
        ],
        ..TEXT
    },
    ModelRow {
        id: "meta-llama/llama-3.3-70b-instruct:free",
        permaslug: "meta-llama/llama-3.3-70b-instruct",
        name: "Meta: Llama 3.3 70B Instruct (free)",
        created: 1_733_506_137,
        context_length: 65_536,
        max_completion_tokens: Some(8_192),
        tokenizer: "Llama3",
        instruct: Some("llama3"),
        knowledge_cutoff: Some("2023-12-31"),
        endpoints: &[endpoint("venice", "fp8", (0, 0), OPEN_JSON, "fp8", (2_100, 24))],
        ..TEXT
    },
    ModelRow {
        id: "deepseek/deepseek-chat-v3-0324",
        permaslug: "deepseek/deepseek-chat-v3-0324",
        name: "DeepSeek: DeepSeek V3 0324",
        created: 1_742_824_755,
        context_length: 163_840,
        max_completion_tokens: Some(16_384),
        tokenizer: "DeepSeek",
        knowledge_cutoff: Some("2024-07-31"),
        endpoints: &[
            endpoint("deepinfra", "fp4", (200_000, 880_000), OPEN_STRUCTURED, "fp4", (710, 29)),
            endpoint("novita", "fp8", (270_000, 1_120_000), OPEN_JSON, "fp8", (1_250, 31)),
            endpoint("fireworks", "", (900_000, 900_000), OPEN_STRUCTURED, "fp8", (640, 74)),
            endpoint("deepseek", "", (270_000, 1_100_000), OPEN_JSON, "fp8", (1_600, 36)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "deepseek/deepseek-r1-0528",
        permaslug: "deepseek/deepseek-r1-0528",
        name: "DeepSeek: R1 0528",
        created: 1_748_455_170,
        context_length: 163_840,
        max_completion_tokens: Some(65_536),
        tokenizer: "DeepSeek",
        instruct: Some("deepseek-r1"),
        reasoning: Reasoning::Mandatory,
        endpoints: &[
            endpoint("deepinfra", "fp4", (500_000, 2_150_000), OPEN_REASONING, "fp4", (1_200, 38)),
            endpoint("novita", "fp8", (700_000, 2_500_000), OPEN_REASONING, "fp8", (1_900, 35)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "mistralai/mistral-small-3.2-24b-instruct",
        permaslug: "mistralai/mistral-small-3.2-24b-instruct-2506",
        name: "Mistral: Mistral Small 3.2 24B",
        created: 1_750_443_016,
        context_length: 131_072,
        max_completion_tokens: Some(16_384),
        takes_images: true,
        tokenizer: "Mistral",
        knowledge_cutoff: Some("2023-10-31"),
        endpoints: &[
            endpoint("mistral", "", (100_000, 300_000), OPEN_STRUCTURED, "unknown", (380, 96)),
            endpoint("deepinfra", "fp8", (75_000, 200_000), OPEN_STRUCTURED, "fp8", (450, 62)),
            endpoint("parasail", "bf16", (90_000, 250_000), OPEN_JSON, "bf16", (870, 51)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "qwen/qwen3-235b-a22b-2507",
        permaslug: "qwen/qwen3-235b-a22b-07-25",
        name: "Qwen: Qwen3 235B A22B Instruct 2507",
        created: 1_753_119_555,
        context_length: 262_144,
        max_completion_tokens: Some(16_384),
        tokenizer: "Qwen3",
        endpoints: &[
            endpoint("deepinfra", "fp8", (71_000, 100_000), OPEN_STRUCTURED, "fp8", (780, 34)),
            endpoint("together", "fp8", (200_000, 600_000), OPEN_STRUCTURED, "fp8", (520, 47)),
            endpoint("chutes", "bf16", (80_000, 550_000), OPEN_JSON, "bf16", (1_700, 22)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "openai/gpt-oss-120b",
        permaslug: "openai/gpt-oss-120b",
        name: "OpenAI: gpt-oss-120b",
        created: 1_754_414_231,
        context_length: 131_072,
        max_completion_tokens: Some(32_768),
        tokenizer: "GPT",
        reasoning: Reasoning::Mandatory,
        endpoints: &[
            endpoint("groq", "", (150_000, 600_000), OPEN_REASONING, "unknown", (210, 480)),
            endpoint("deepinfra", "fp4", (50_000, 240_000), OPEN_REASONING, "fp4", (540, 66)),
            endpoint("novita", "fp4", (50_000, 250_000), OPEN_JSON, "fp4", (1_100, 58)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "openai/text-embedding-3-small",
        permaslug: "openai/text-embedding-3-small",
        name: "OpenAI: Text Embedding 3 Small",
        created: 1_761_862_866,
        context_length: 8_192,
        kind: Kind::Embeddings,
        tokenizer: "GPT",
        endpoints: &[
            endpoint("openai", "", (20_000, 0), EMBEDDING, "unknown", (120, 0)),
            endpoint("azure", "", (20_000, 0), EMBEDDING, "unknown", (150, 0)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "google/gemini-3-pro-preview",
        permaslug: "google/gemini-3-pro-preview-20251117",
        name: "Google: Gemini 3 Pro Preview",
        created: 1_763_474_668,
        context_length: 1_048_576,
        max_completion_tokens: Some(65_536),
        takes_images: true,
        tokenizer: "Gemini",
        reasoning: Reasoning::Mandatory,
        endpoints: &[
            endpoint("google-ai-studio", "", (2_000_000, 12_000_000), GEMINI, "unknown", (2_900, 74)),
            endpoint("google-vertex", "global", (2_000_000, 12_000_000), GEMINI, "unknown", (3_200, 71)),
        ],
        ..TEXT
    },
    ModelRow {
        id: "cohere/rerank-v3.5",
        permaslug: "cohere/rerank-v3.5",
        name: "Cohere: Rerank v3.5",
        created: 1_764_000_000,
        context_length: 4_096,
        kind: Kind::Rerank,
        tokenizer: "Cohere",
        endpoints: &[endpoint("cohere", "", (100_000, 0), EMBEDDING, "unknown", (90, 0))],
        ..TEXT
    },
];
