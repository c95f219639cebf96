//! tmp
use corsac_local::*;
use serde_json::{Value, json};
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let model = LocalModel::load(std::path::Path::new(&std::env::var("CORSAC_LOCAL_MODEL").unwrap()), LoadOptions { threads: 2, ..Default::default() }).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string("/tmp/localwork/exp/test.json").unwrap()).unwrap();
    let n: usize = std::env::var("N").unwrap().parse().unwrap();
    let names = ["positive", "neutral", "negative"];
    let l = "positive, neutral, negative";
    for (system, user) in [
        ("Classify the text the user sends as one of:\n- positive\n- neutral\n- negative\nAnswer as JSON.".to_string(), "{text}"),
        (format!("Classify the text the user sends. Answer with exactly one of these labels: {l}."), "{text}"),
        ("Classify the text the user sends as one of:\n- positive\n- neutral\n- negative\nAnswer as JSON.".to_string(), "Text: {text}"),
    ] {
        for keep in [vec!["positive", "neutral", "negative"], vec!["positive", "negative"]] {
            let system = if keep.len() == 2 { system.replace("- neutral\n", "").replace("neutral, ", "") } else { system.clone() };
            let schema = json!({"type": "object", "properties": {"label": {"enum": keep}}, "required": ["label"]});
            let mut tasks = vec![];
            let picked: Vec<_> = rows.iter().filter(|r| keep.contains(&r["label"].as_str().unwrap())).take(n).collect();
            for r in &picked {
                let request = LocalRequest { messages: vec![LocalMessage { role: Role::System, content: system.clone() }, LocalMessage { role: Role::User, content: user.replace("{text}", r["text"].as_str().unwrap()) }], schema: Some(schema.clone()), max_tokens: 20, temperature: 0.0, seed: 0 };
                let model = model.clone();
                tasks.push(tokio::spawn(async move { model.answer(request).await.unwrap() }));
            }
            let mut table = [[0; 3]; 3];
            for (r, t) in picked.iter().zip(tasks) {
                let v: Value = serde_json::from_str(&t.await.unwrap().text).unwrap();
                let at = |v: &Value| names.iter().position(|n| v == n).unwrap();
                table[at(&r["label"])][at(&v["label"])] += 1;
            }
            let right: i32 = (0..3).map(|i| table[i][i]).sum();
            println!("{system:?} {user:?}: {:.3} of {} {table:?}", right as f64 / picked.len() as f64, picked.len());
        }
    }
}
