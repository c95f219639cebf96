//! Makes a tiny BERT sentence encoder with random weights, so that tests need no download.

/// Sizes of the model; small, but with several heads and layers and more than one panel of weights.
pub(crate) const WIDTH: usize = 64;
pub(crate) const FEED_FORWARD: usize = 96;
pub(crate) const LAYERS: usize = 2;
pub(crate) const POSITIONS: usize = 300;

/// The marks, then every small letter at a word's beginning and inside, and a word or two.
pub(crate) fn vocabulary() -> String {
    let mut pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).to_vec();
    pieces.extend(('a'..='z').flat_map(|letter| [letter.to_string(), format!("##{letter}")]));
    pieces.extend([".", ",", "the", "word", "##ord"].map(str::to_owned));
    pieces.join("\n") + "\n"
}

/// Name, shape and numbers of every tensor.
pub(crate) fn tensors() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let words = vocabulary().lines().count();
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![words, WIDTH]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![POSITIONS, WIDTH]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, WIDTH]),
    ];
    let mut norms = vec!["embeddings".to_owned()];
    for layer in 0..LAYERS {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        for (part, outputs, inputs) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", FEED_FORWARD, WIDTH),
            ("output.dense", WIDTH, FEED_FORWARD),
        ] {
            shapes.push((name(part) + ".weight", vec![outputs, inputs]));
            shapes.push((name(part) + ".bias", vec![outputs]));
        }
        norms.extend([name("attention.output"), name("output")]);
    }
    for norm in norms {
        shapes.extend(["weight", "bias"].map(|part| (format!("{norm}.LayerNorm.{part}"), vec![WIDTH])));
    }
    let mut state = 1u32;
    let mut noise = |spread: f32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * spread
    };
    let fill = |(name, shape): (String, Vec<usize>)| {
        let middle = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
        let values = (0..shape.iter().product()).map(|_| middle + noise(0.8)).collect();
        (name, shape, values)
    };
    shapes.into_iter().map(fill).collect()
}

/// The weights as a safetensors file.
pub(crate) fn safetensors() -> Vec<u8> {
    let (mut table, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, shape, values) in tensors() {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        table.insert(name, serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}));
    }
    let table = serde_json::Value::Object(table).to_string();
    let mut file = (table.len() as u64).to_le_bytes().to_vec();
    file.extend(table.as_bytes());
    file.extend(data);
    file
}
