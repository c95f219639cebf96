//! Any text as a signature, a saved program and a reply: nothing breaks, what is read keeps to its types, and a reply that
//! comes in pieces has the outputs it has as a whole.
//!
//! Run by a property test of this crate and by a fuzz target.

use corsac_program::{Adapter, SavedProgram, Signature};

/// The bytes are what a person or a model wrote.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(signature) = Signature::parse(&text) {
        let again = Signature::parse(&signature.to_string()).expect("what is written can be read");
        assert_eq!(again.inputs(), signature.inputs());
        assert_eq!(again.outputs(), signature.outputs());
    }
    if let Ok(saved) = SavedProgram::read(&text) {
        SavedProgram::read(&saved.to_text()).expect("what is written can be read");
    }
    let signature = Signature::parse("q -> why, label: Literal['good', 'bad'], tags: list[str], n: Optional[int]").expect("a signature");
    for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml] {
        if let Ok(outputs) = adapter.read(&signature, &text) {
            assert!(matches!(outputs["label"].as_str(), Some("good" | "bad")), "{outputs:?}");
            assert!(outputs["tags"].as_array().is_some_and(|tags| tags.iter().all(serde_json::Value::is_string)));
            assert!(outputs["n"].is_null() || outputs["n"].is_i64() || outputs["n"].is_u64());
        }
        let whole = told(&adapter, &signature, [&*text]);
        let split: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(told(&adapter, &signature, split.iter().map(String::as_str)), whole, "{adapter} in pieces of {text:?}");
    }
}

/// The text of each output as a scanner tells it.
fn told<'a>(adapter: &Adapter, signature: &Signature, pieces: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut scanner = adapter.scanner(signature);
    let mut all: Vec<_> = pieces.into_iter().flat_map(|piece| scanner.push(piece)).collect();
    all.extend(scanner.finish());
    let mut told: Vec<(String, String)> = Vec::new();
    for piece in all {
        match told.iter_mut().find(|(field, _)| *field == piece.field) {
            Some((_, text)) => text.push_str(&piece.text),
            None => told.push((piece.field, piece.text)),
        }
    }
    told
}
