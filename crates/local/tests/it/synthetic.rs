//! Makes a tiny llama-architecture GGUF with random weights, so that tests need no download.

/// Sizes of the model; small, but with grouped heads, several layers and more than one panel of weights.
const WIDTH: u64 = 64;
const HEADS: u32 = 4;
const KEY_VALUE_HEADS: u32 = 2;
const FEED_FORWARD: u64 = 96;
const LAYERS: u32 = 2;

/// Words of two letters or more that the vocabulary has beside the single bytes, by the merges that make them.
const MERGES: [(&str, &str); 12] = [
    ("t", "h"),
    ("th", "e"),
    ("i", "n"),
    ("Ġ", "t"),
    ("Ġ", "a"),
    ("o", "n"),
    ("\"", ":"),
    ("e", "r"),
    ("{", "\""),
    ("l", "a"),
    ("la", "b"),
    ("Ġ", "the"),
];

/// Writes GGUF values one after the other.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn text_pair(&mut self, key: &str, value: &str) {
        self.text(key);
        self.u32(8);
        self.text(value);
    }

    fn number_pair(&mut self, key: &str, value: u32) {
        self.text(key);
        self.u32(4);
        self.u32(value);
    }

    fn texts_pair(&mut self, key: &str, values: &[String]) {
        self.text(key);
        self.u32(9);
        self.u32(8);
        self.u64(values.len() as u64);
        for value in values {
            self.text(value);
        }
    }
}

/// The printable character that stands for a byte.
fn character(byte: u8) -> char {
    let plain = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if plain(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !plain(*byte)).count() as u32;
    char::from_u32(256 + before).unwrap()
}

/// The whole file.
pub(crate) fn gguf() -> Vec<u8> {
    let mut tokens: Vec<String> = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(str::to_owned).to_vec();
    let mut types = vec![3u32; tokens.len()];
    tokens.extend((0..=255).map(|byte| character(byte).to_string()));
    tokens.extend(MERGES.iter().map(|(left, right)| format!("{left}{right}")));
    types.resize(tokens.len(), 1);
    let merges: Vec<String> = MERGES.iter().map(|(left, right)| format!("{left} {right}")).collect();

    let head_width = WIDTH / u64::from(HEADS);
    let key_values = head_width * u64::from(KEY_VALUE_HEADS);
    let mut tensors =
        vec![("token_embd.weight".to_owned(), vec![WIDTH, tokens.len() as u64]), ("output_norm.weight".to_owned(), vec![WIDTH])];
    for layer in 0..LAYERS {
        for (part, shape) in [
            ("attn_norm", vec![WIDTH]),
            ("attn_q", vec![WIDTH, WIDTH]),
            ("attn_k", vec![WIDTH, key_values]),
            ("attn_v", vec![WIDTH, key_values]),
            ("attn_output", vec![WIDTH, WIDTH]),
            ("ffn_norm", vec![WIDTH]),
            ("ffn_gate", vec![WIDTH, FEED_FORWARD]),
            ("ffn_up", vec![WIDTH, FEED_FORWARD]),
            ("ffn_down", vec![FEED_FORWARD, WIDTH]),
        ] {
            tensors.push((format!("blk.{layer}.{part}.weight"), shape));
        }
    }

    let mut file = Writer(b"GGUF".to_vec());
    file.u32(3);
    file.u64(tensors.len() as u64);
    file.u64(15);
    file.text_pair("general.architecture", "llama");
    file.text_pair("general.name", "Synthetic");
    file.number_pair("llama.block_count", LAYERS);
    file.number_pair("llama.context_length", 1024);
    file.number_pair("llama.embedding_length", WIDTH as u32);
    file.number_pair("llama.feed_forward_length", FEED_FORWARD as u32);
    file.number_pair("llama.attention.head_count", HEADS);
    file.number_pair("llama.attention.head_count_kv", KEY_VALUE_HEADS);
    file.number_pair("tokenizer.ggml.eos_token_id", 2);
    file.text_pair("tokenizer.ggml.model", "gpt2");
    file.text_pair("tokenizer.ggml.pre", "smollm");
    file.texts_pair("tokenizer.ggml.tokens", &tokens);
    file.texts_pair("tokenizer.ggml.merges", &merges);
    file.text("tokenizer.ggml.token_type");
    file.u32(9);
    file.u32(5);
    file.u64(types.len() as u64);
    types.iter().for_each(|kind| file.u32(*kind));
    file.text("llama.rope.freq_base");
    file.u32(6);
    file.0.extend(10_000f32.to_le_bytes());

    let mut offset = 0;
    for (name, shape) in &tensors {
        file.text(name);
        file.u32(shape.len() as u32);
        shape.iter().for_each(|dimension| file.u64(*dimension));
        file.u32(0);
        file.u64(offset);
        offset += shape.iter().product::<u64>() * 4;
    }
    file.0.resize(file.0.len().next_multiple_of(32), 0);
    let mut state = 1u32;
    for (name, shape) in &tensors {
        let spread = if name.contains("norm") { 0.0 } else { 0.3 };
        for _ in 0..shape.iter().product::<u64>() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            let value = if spread == 0.0 { 1.0 } else { noise * spread };
            file.0.extend(value.to_le_bytes());
        }
    }
    file.0
}
