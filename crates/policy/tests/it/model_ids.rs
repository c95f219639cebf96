//! The body of the fuzz target over ids damaged as people damage them, and over random bytes.

use proptest::prelude::*;

#[path = "../bodies/model_id.rs"]
mod model_id;

fn written() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(model_id::CATALOG.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "openrouter/", "/", ":", "~", "@preset/", "@", "-", " ", ":free", ":nitro", "auto", "free", "gpt", "twin", "-latest", "GPT-4o", "ä", "\u{FEFF}", "\n",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_resolved_or_has_its_nearest(text in written()) {
        model_id::run(text.as_bytes());
    }

    #[test]
    fn random_bytes(data in proptest::collection::vec(any::<u8>(), 0..60)) {
        model_id::run(&data);
    }
}
