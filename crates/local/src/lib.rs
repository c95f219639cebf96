//! The embedded model.
#![expect(missing_docs, dead_code, reason = "in the making")]
mod chat;
mod error;
mod gguf;
mod grammar;
mod bound;
mod labels;
mod llama;
mod matrix;
mod model;
mod prefix;
mod pretokenize;
mod quant;
mod row;
mod sampling;
mod scheduler;
mod sequence;
mod tokenizer;
pub use chat::{LocalMessage, Role};
pub use error::LocalError;
pub use model::{Finish, LoadOptions, LocalAnswer, LocalModel, LocalRequest};

#[cfg(test)]
mod trial {
    use super::*;
    #[test]
    #[ignore]
    fn trial() {
        let path = std::env::var("CORSAC_LOCAL_MODEL").unwrap();
        let t = std::time::Instant::now();
        let mut file = gguf::Gguf::open(std::io::BufReader::new(std::fs::File::open(path).unwrap())).unwrap();
        let tok = tokenizer::Tokenizer::read(&file).unwrap();
        println!("tok {:?}", t.elapsed());
        let golden: Vec<serde_json::Value> = serde_json::from_str(include_str!("../tests/golden/smollm_tokens.json")).unwrap();
        let mut bad = 0;
        for case in &golden {
            let mut t = vec![];
            tok.encode(case["text"].as_str().unwrap(), &mut t, usize::MAX);
            let want: Vec<u32> = serde_json::from_value(case["tokens"].clone()).unwrap();
            if t != want { bad += 1; println!("BAD {:?} {:?} {:?}", case["text"], t, want); }
        }
        println!("golden {} bad {}", golden.len(), bad);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
        let model = llama::Llama::read(&mut file, tok.vocabulary()).map_err(|e| e.0).unwrap();
        println!("load {:?} ends {:?}", t.elapsed(), tok.ends());
        let template = chat::Template::of(&tok, file.text("tokenizer.chat_template")).map_err(|e| e.0).unwrap();
        let prompt = template.prompt(&tok, &[LocalMessage { role: Role::User, content: "What is the capital of France?".into() }], 2000).unwrap();
        println!("{prompt:?}");
        let mut work = llama::Workspace::default();
        let mut seq = sequence::Sequence::default();
        let mut tokens = prompt.clone();
        let mut text = vec![];
        let t = std::time::Instant::now();
        for _ in 0..40 {
            let n = tokens.len();
            let h = model.pass(&mut [llama::Span { sequence: &mut seq, tokens: &tokens, wanted: n - 1..n }], &mut work);
            let l = model.logits(&h, &mut work);
            let best = l.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 as u32;
            if tok.ends().contains(&best) { break; }
            text.extend_from_slice(tok.bytes(best));
            tokens = vec![best];
        }
        println!("{} {:?}", String::from_utf8_lossy(&text), t.elapsed());
        for n in [1usize, 2, 4, 8, 12, 16, 24, 48, 96, 192, 384] {
            let tokens: Vec<u32> = (0..n as u32).map(|i| 500 + i * 37).collect();
            let t = std::time::Instant::now();
            let reps = (400 / n).clamp(2, 20);
            for _ in 0..reps {
                let mut seq = sequence::Sequence::default();
                model.pass(&mut [llama::Span { sequence: &mut seq, tokens: &tokens, wanted: n - 1..n }], &mut work);
            }
            println!("n {n}: {:.1} tok/s", (n * reps) as f64 / t.elapsed().as_secs_f64());
        }
        let t = std::time::Instant::now();
        for _ in 0..10 { model.logits(&vec![0.1; 576], &mut work); }
        println!("logits {:?}", t.elapsed() / 10);
        println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("Vm") ).collect::<Vec<_>>().join(" "));
        });
    }
}

#[cfg(test)]
mod experiment {
    use super::*;
    #[test]
    #[ignore]
    fn experiment() {
        let path = std::env::var("CORSAC_LOCAL_MODEL").unwrap();
        let mut file = gguf::Gguf::open(std::io::BufReader::new(std::fs::File::open(path).unwrap())).unwrap();
        let tok = tokenizer::Tokenizer::read(&file).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(std::env::var("EXP").unwrap()).unwrap()).unwrap();
        let texts: Vec<String> = config["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect();
        let out = std::env::var("EXP_OUT").unwrap();
        pool.install(|| {
            let model = llama::Llama::read(&mut file, tok.vocabulary()).map_err(|e| e.0).unwrap();
            let template = chat::Template::of(&tok, file.text("tokenizer.chat_template")).map_err(|e| e.0).unwrap();
            let mut work = llama::Workspace::default();
            let mut results = vec![];
            for variant in config["variants"].as_array().unwrap() {
                let prefixes: Vec<Vec<u32>> = variant["prefixes"].as_array().unwrap().iter().map(|p| { let mut t = vec![]; tok.encode(p.as_str().unwrap(), &mut t, 999); t }).collect();
                let labels: Vec<Vec<u32>> = variant["labels"].as_array().unwrap().iter().map(|p| { let mut t = vec![]; tok.encode(p.as_str().unwrap(), &mut t, 999); t }).collect();
                let mut rows = vec![];
                for chunk in texts.chunks(12) {
                    let prompts: Vec<Vec<u32>> = chunk.iter().map(|text| {
                        let mut messages = vec![];
                        if let Some(s) = variant["system"].as_str() { messages.push(LocalMessage { role: Role::System, content: s.into() }); }
                        messages.push(LocalMessage { role: Role::User, content: variant["user"].as_str().unwrap().replace("{text}", text) });
                        template.prompt(&tok, &messages, 2000).unwrap()
                    }).collect();
                    let common = (0..).take_while(|i| prompts.iter().all(|p| p.get(*i).is_some() && p.get(*i) == prompts[0].get(*i))).count().min(prompts.iter().map(|p| p.len() - 1).min().unwrap());
                    let mut first = sequence::Sequence::default();
                    if common > 0 { model.pass(&mut [llama::Span { sequence: &mut first, tokens: &prompts[0][..common], wanted: 0..0 }], &mut work); }
                    let shared = first.freeze();
                    let mut sequences: Vec<_> = prompts.iter().map(|_| sequence::Sequence::after(shared.clone())).collect();
                    let mut spans: Vec<_> = sequences.iter_mut().zip(&prompts).map(|(sequence, p)| { let n = p.len() - common; llama::Span { sequence, tokens: &p[common..], wanted: n - 1..n } }).collect();
                    let hidden = model.pass(&mut spans, &mut work);
                    let mut per_row: Vec<Vec<Vec<f32>>> = vec![vec![]; chunk.len()];
                    for prefix in &prefixes {
                        let hidden = if prefix.is_empty() { hidden.clone() } else {
                            let mut branches: Vec<_> = sequences.iter_mut().map(|s| sequence::Sequence::after(s.freeze())).collect();
                            let mut spans: Vec<_> = branches.iter_mut().map(|sequence| { let n = prefix.len(); llama::Span { sequence, tokens: prefix, wanted: n - 1..n } }).collect();
                            model.pass(&mut spans, &mut work)
                        };
                        let logits = model.logits(&hidden, &mut work);
                        for (row, l) in logits.chunks(tok.vocabulary()).enumerate() {
                            let max = l.iter().copied().fold(f32::MIN, f32::max);
                            let z = l.iter().map(|x| (x - max).exp()).sum::<f32>().ln() + max;
                            per_row[row].push(labels.iter().map(|t| l[t[0] as usize] - z).collect());
                        }
                    }
                    rows.extend(per_row);
                }
                results.push(serde_json::json!({"rows": rows, "label_tokens": labels}));
                std::fs::write(&out, serde_json::to_string(&results).unwrap()).unwrap();
            }
        });
    }
}
