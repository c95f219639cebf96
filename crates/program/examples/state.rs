//! Saved programs on a command line, for whoever wants to see what a file becomes: DSPy's own reader and writer are held
//! against it.
//!
//! `state resave FILE MODULE SIGNATURE` writes what was read back; `state prompt FILE MODULE SIGNATURE INPUTS` shows the
//! prompt it makes, as JSON; `state make MODULE SIGNATURE STATE` writes a new program with the instructions and demos of
//! STATE, `{"instructions": …, "demos": […]}`; `state read ADAPTER SIGNATURE REPLY` reads a reply.
#![expect(clippy::print_stdout, reason = "a program that prints what it made")]

use std::error::Error;
use std::sync::Arc;

use corsac_program::{Adapter, ChainOfThought, Module, MultiChainComparison, Overlaid, Overlay, Predict, Record, SavedProgram, Signature};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["resave", file, module, signature] => {
            let (saved, program) = load(file, module, signature)?;
            print!("{}", saved.updated(&program).to_text());
        }
        ["prompt", file, module, signature, inputs] => {
            let (_, program) = load(file, module, signature)?;
            let inputs: Record = serde_json::from_str(inputs)?;
            let predictors = program.predictors();
            let first = &predictors.first().ok_or("a program has a predictor")?.state;
            let rendered = Adapter::Chat.render(&first.signature, &first.demos, &inputs);
            println!("{}", json!({"system": rendered.system, "messages": rendered.messages}));
        }
        ["make", module, signature, state] => {
            let state: Value = serde_json::from_str(state)?;
            let program = built(module, signature)?;
            let path = program.predictors().first().map(|named| named.path.clone()).unwrap_or_default();
            let demos: Vec<Record> = serde_json::from_value(state["demos"].clone())?;
            let overlay = Overlay::default().with_demos(&path, demos);
            let overlay = overlay.with_instructions(&path, state["instructions"].as_str().unwrap_or_default());
            print!("{}", SavedProgram::of(&Overlaid::new(program, overlay)).to_text());
        }
        ["read", adapter, signature, reply] => {
            let adapter: Adapter = serde_json::from_value((*adapter).into())?;
            println!("{}", Value::Object(adapter.read(&Signature::parse(signature)?, reply)?));
        }
        _ => return Err("state resave|prompt|make|read …: see the head of this example".into()),
    }
    Ok(())
}

fn load(file: &str, module: &str, signature: &str) -> Result<(SavedProgram, Overlaid), Box<dyn Error>> {
    let saved = SavedProgram::read(&std::fs::read_to_string(file)?)?;
    let program = saved.over(built(module, signature)?)?;
    Ok((saved, program))
}

fn built(module: &str, signature: &str) -> Result<Arc<dyn Module>, Box<dyn Error>> {
    let signature = Signature::parse(signature)?;
    Ok(match module {
        "Predict" => Arc::new(Predict::new(signature)),
        "ChainOfThought" => Arc::new(ChainOfThought::new(signature)),
        "MultiChainComparison" => Arc::new(MultiChainComparison::new(signature)?),
        other => return Err(format!("{other} cannot be built here").into()),
    })
}
