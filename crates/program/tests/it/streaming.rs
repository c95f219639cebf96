//! Outputs as they come.

use corsac_program::{Adapter, Context, Piece, Predict, Signature, Told, record};
use futures::StreamExt;
use proptest::prelude::*;
use serde_json::json;

use crate::world::{World, replies};

fn signature() -> Signature {
    Signature::parse("question -> why, answer, tags: list[str], sure: bool").unwrap()
}

async fn told(adapter: Adapter, texts: &[&str]) -> Vec<Told> {
    let world = World::new(&replies(texts)).with_catalog().await;
    let predict = Predict::new(signature()).with_adapter(adapter);
    predict.stream(&Context::new(&world.lm), &record([("question", "Why?".into())])).collect().await
}

fn joined(told: &[Told], field: &str) -> String {
    let pieces = told.iter().filter_map(|one| match one {
        Told::Output(piece) if piece.field == field => Some(piece.text.as_str()),
        _ => None,
    });
    pieces.collect()
}

fn outputs() -> corsac_program::Record {
    crate::world::values(
        json!({"why": "First \"this\",\nthen\n\nthat \u{1f98a}.", "answer": "a < b [[ # ]]", "tags": ["x", "y"], "sure": true}),
    )
}

#[tokio::test(start_paused = true)]
async fn every_output_is_told_piece_by_piece() {
    for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml] {
        let reply = adapter.write(&signature(), &outputs());
        let told = told(adapter.clone(), &[&reply]).await;
        assert!(told.iter().filter(|one| matches!(one, Told::Output(_))).count() > 4, "{adapter}: {told:?}");
        for field in ["why", "answer"] {
            assert_eq!(joined(&told, field), outputs()[field].as_str().unwrap(), "{adapter}");
        }
        assert_eq!(joined(&told, "tags").replace([' ', '\n'], ""), r#"["x","y"]"#, "{adapter}");
        let Some(Told::End(Ok(prediction))) = told.last() else { panic!("{adapter}: {told:?}") };
        assert_eq!(prediction.outputs, outputs());
        assert_eq!(prediction.served.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_taken_back() {
    let good = Adapter::Chat.write(&signature(), &outputs());
    let told = told(Adapter::Chat, &["[[ ## why ## ]]\nx", &good]).await;
    assert!(told.iter().any(|one| matches!(one, Told::Again)));
    assert!(matches!(told.last(), Some(Told::End(Ok(prediction))) if prediction.outputs == outputs()));
}

#[tokio::test(start_paused = true)]
async fn memory_and_failures_end_a_stream_too() {
    let world = World::new("[[rule]]\npath = \"/chat/completions\"\nfault = \"moderation_403\"\n");
    let predict = Predict::new(signature());
    let inputs = record([("question", "Why?".into())]);
    let told: Vec<Told> = predict.stream(&Context::new(&world.lm), &inputs).collect().await;
    assert!(matches!(told.as_slice(), [Told::End(Err(_))]), "{told:?}");
    let told: Vec<Told> = predict.stream(&Context::new(&world.lm), &record([])).collect().await;
    assert!(matches!(told.as_slice(), [Told::End(Err(_))]));
    let reply = Adapter::Json.write(&signature(), &outputs());
    let world = World::new(&replies(&[&reply]));
    world.lm.run(&predict, &inputs).await.unwrap();
    let told: Vec<Told> = predict.stream(&Context::new(&world.lm), &inputs).collect().await;
    assert_eq!(joined(&told, "why"), outputs()["why"].as_str().unwrap());
}

fn cut(text: &str, sizes: &[usize]) -> Vec<String> {
    let mut chars = text.chars().peekable();
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    while chars.peek().is_some() {
        pieces.push(chars.by_ref().take(*sizes.next().unwrap()).collect());
    }
    pieces
}

proptest! {
    #[test]
    fn where_a_reply_is_cut_does_not_matter(sizes in proptest::collection::vec(1..9usize, 1..6), why in "[a-z<>\\[\\]# \\n\"\\\\]{0,40}") {
        let mut outputs = outputs();
        let why = why.trim().to_owned();
        outputs.insert("why".into(), why.clone().into());
        for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml] {
            let reply = adapter.write(&signature(), &outputs);
            let mut scanner = adapter.scanner(&signature());
            let mut pieces: Vec<Piece> = cut(&reply, &sizes).iter().flat_map(|piece| scanner.push(piece)).collect();
            pieces.extend(scanner.finish());
            let told: String = pieces.iter().filter(|piece| piece.field == "why").map(|piece| piece.text.as_str()).collect();
            prop_assert_eq!(told, why.clone(), "{} {}", adapter, reply);
        }
    }

    #[test]
    fn no_reply_breaks_a_scanner(pieces in proptest::collection::vec("(\\[\\[ ## why ## \\]\\]|<why>|</why>|\\\\u|\\{|\"|[ -~\\n\u{e9}]){0,12}", 0..8)) {
        for adapter in [Adapter::Chat, Adapter::Json, Adapter::Xml] {
            let mut scanner = adapter.scanner(&signature());
            for piece in &pieces {
                scanner.push(piece);
            }
            scanner.finish();
        }
    }
}
