//! A saved program laid over a built-in operator: what an optimizer found out about a question is said to the model by the
//! operator, whose own form and type of answer stay.

use serde_json::Value;

use super::{Demo, Program, Way};
use crate::{Record, SavedError, SavedProgram, Signature, SignatureError};

/// A saved program that cannot be laid over an operator.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// It has several predictors.
    #[error("it is a program of {0} parts, and an operator asks one question: save a program of one predictor")]
    Parts(usize),
    /// It is given something else.
    #[error("it is given {saved}, and the operator {here}: inputs are matched by name, or by place where there are as many")]
    Inputs {
        /// Inputs in the file.
        saved: String,
        /// Inputs of the operator.
        here: String,
    },
    /// A demo does not fit.
    #[error("demo {number} does not fit: {why}")]
    Demo {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It is laid over something that is no operator.
    #[error("only a built-in operator takes one")]
    NoOperator,
    /// It cannot be read.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// Its signature cannot be built.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Program {
    /// The operator with the instructions and demos of a saved program of one predictor; its inputs and outputs are matched by
    /// name, or by their place. Instructions that only name the fields, as programs have them whose author wrote none, leave
    /// the operator's own in place. What the file says of model and sampling is not taken over.
    ///
    /// # Errors
    /// The program has several predictors, or other inputs, or a demo could not be an answer.
    pub fn with_overlay(self, saved: &SavedProgram) -> Result<Program, OverlayError> {
        let paths: Vec<&str> = saved.paths().collect();
        let [path] = paths.as_slice() else { return Err(OverlayError::Parts(paths.len())) };
        let (instructions, demos) = saved.told(path);
        let Program { name, variables, way: Way::BuiltIn(mut built_in), takes_nulls } = self else { return Err(OverlayError::NoOperator) };
        let outputs: Vec<String> = built_in.predict.signature().outputs().iter().map(|field| field.name.clone()).collect();
        let names = Names::of(saved.about.signature.as_ref(), &demos, &variables, &outputs)?;
        if let Some(instructions) = instructions.filter(|text| !is_plain(text, saved.about.signature.as_ref())) {
            let state = built_in.predict.state();
            let predict = crate::Predict::new(state.signature.with_instructions(instructions)).with_demos(state.demos.to_vec());
            built_in.predict = predict.into();
            built_in = built_in.written();
        }
        let alone = outputs.len() == 1;
        let mut examples = Vec::with_capacity(demos.len());
        for (place, demo) in demos.iter().enumerate() {
            let renamed = |names: &[(String, String)]| -> Record {
                names.iter().filter_map(|(saved, here)| Some((here.clone(), demo.get(saved)?.clone()))).collect()
            };
            let (inputs, written) = (renamed(&names.inputs), renamed(&names.outputs));
            // a demo that lacks something shows an adapter's form, which is not spoken here
            if inputs.len() < variables.len() || written.is_empty() {
                continue;
            }
            let output = if alone { written.into_iter().next().map_or(Value::Null, |(_, value)| value) } else { Value::Object(written) };
            examples.push((place + 1, Demo { inputs, output }));
        }
        let mut program = Program { name, variables, way: Way::BuiltIn(built_in), takes_nulls };
        for (number, example) in examples {
            program = program.with_demos(std::slice::from_ref(&example)).map_err(|error| OverlayError::Demo {
                number,
                why: match error {
                    crate::ProgramError::Example { why, .. } => why,
                    other => other.to_string(),
                },
            })?;
        }
        Ok(program)
    }
}

/// What fields are called in the file and here.
struct Names {
    inputs: Vec<(String, String)>,
    outputs: Vec<(String, String)>,
}

impl Names {
    fn of(signature: Option<&Signature>, demos: &[Record], inputs: &[String], outputs: &[String]) -> Result<Names, OverlayError> {
        let same = |names: &[String]| names.iter().map(|name| (name.clone(), name.clone())).collect::<Vec<_>>();
        let Some(signature) = signature else {
            // a file of DSPy's does not name its fields outside its demos
            let fits = demos.iter().all(|demo| inputs.iter().all(|name| demo.contains_key(name)));
            if !fits {
                let saved = demos.first().map(|demo| demo.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
                return Err(OverlayError::Inputs { saved, here: inputs.join(", ") });
            }
            return Ok(Names { inputs: same(inputs), outputs: same(outputs) });
        };
        let of_file = |fields: &[crate::Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
        let (given, written) = (of_file(signature.inputs()), of_file(signature.outputs()));
        let pairs = |saved: &[String], here: &[String]| -> Option<Vec<(String, String)>> {
            if here.iter().all(|name| saved.contains(name)) {
                return Some(same(here));
            }
            (saved.len() == here.len()).then(|| saved.iter().cloned().zip(here.iter().cloned()).collect())
        };
        let wrong = || OverlayError::Inputs { saved: given.join(", "), here: inputs.join(", ") };
        let inputs = pairs(&given, inputs).ok_or_else(wrong)?;
        // `reasoning` comes before what was asked for
        let last: Vec<String> = written.iter().rev().take(outputs.len()).rev().cloned().collect();
        let outputs = pairs(&written, outputs).or_else(|| pairs(&last, outputs)).unwrap_or_default();
        Ok(Names { inputs, outputs })
    }
}

/// Whether instructions do no more than name the fields.
fn is_plain(instructions: &str, signature: Option<&Signature>) -> bool {
    let own = signature.and_then(|one| Signature::new("", "", one.inputs().to_vec(), one.outputs().to_vec()).ok());
    let text = instructions.trim();
    text.is_empty()
        || own.is_some_and(|plain| plain.instructions() == text)
        || text.starts_with("Given the fields `") && text.contains("produce the fields `") && text.lines().count() == 1
}
