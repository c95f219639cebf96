//! Examples of a question with its answer, shown to the model behind an operator's instructions.

use corsac_dispatch::Contract;
use serde_json::{Map, Value};

use super::built_in::{BuiltIn, as_text};
use super::group::Stage;
use super::{Output, Program, Way, is_blank};
use crate::{ProgramError, Record};

/// A question with its answer, shown to the model before it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    /// The inputs by name; a lone one may stand under [`Demo::INPUT`].
    pub inputs: Map<String, Value>,
    /// The operator's value for them.
    pub output: Value,
}

impl Demo {
    /// The name of an input that is the only one.
    pub const INPUT: &'static str = "input";
}

impl Program {
    /// The operator with examples behind those it has. They stand behind the instructions, the same for all rows.
    ///
    /// # Errors
    /// [`ProgramError::Example`] for one whose inputs are not those of the program, or whose output could not be its value, and
    /// for a program that is no built-in operator.
    pub fn with_demos(self, examples: &[Demo]) -> Result<Program, ProgramError> {
        if examples.is_empty() {
            return Ok(self);
        }
        let Program { name, variables, way: Way::BuiltIn(built_in), takes_nulls } = self else {
            return Err(ProgramError::Example { number: 1, why: "a program brings its own examples".to_owned() });
        };
        let read = |(place, example): (usize, &Demo)| {
            let record = built_in.record_of(&variables, example);
            record.map_err(|why| ProgramError::Example { number: place + 1, why })
        };
        let more = examples.iter().enumerate().map(read).collect::<Result<Vec<Record>, ProgramError>>()?;
        Ok(Program { name, variables, way: Way::BuiltIn(built_in.showing(more)), takes_nulls })
    }
}

impl BuiltIn {
    /// With more demos.
    pub(super) fn showing(self, more: Vec<Record>) -> BuiltIn {
        let state = self.predict.state();
        let demos: Vec<Record> = state.demos.iter().cloned().chain(more).collect();
        let predict = crate::Predict::new(state.signature.clone()).with_demos(demos);
        BuiltIn { predict: predict.into(), ..self }.written()
    }

    /// An example as the predictor keeps it.
    fn record_of(&self, variables: &[String], example: &Demo) -> Result<Record, String> {
        let alone = variables.len() == 1 && example.inputs.len() == 1;
        let mut record = Record::new();
        for name in variables {
            let given = example.inputs.get(name).or_else(|| example.inputs.get(Demo::INPUT).filter(|_| alone));
            let Some(value) = given else { return Err(format!("it has no input for {name}")) };
            record.insert(name.clone(), value.clone());
        }
        if let Some(name) = example.inputs.keys().find(|name| !alone && !variables.contains(name)) {
            return Err(format!("nothing here is called {name}; the inputs are {}", variables.join(", ")));
        }
        record.extend(self.layout.outputs(self.as_read(&example.output), self.predict.signature().outputs()));
        self.shown(&record)?;
        Ok(record)
    }

    /// A demo as it is shown: the question as it would be asked, and the answer as the model would have to write it.
    pub(super) fn shown(&self, demo: &Record) -> Result<(String, String), String> {
        let signature = self.predict.signature();
        let value = |field: &crate::Field| demo.get(&field.name).cloned().ok_or_else(|| format!("it has no input for {}", field.name));
        let values = signature.inputs().iter().map(value).collect::<Result<Vec<Value>, String>>()?;
        let blank = || "its input is blank".to_owned();
        if values.iter().any(Value::is_null) || values.iter().all(is_blank) {
            return Err(blank());
        }
        let question = match self.is_about_groups() {
            true => {
                let group = self.group(&values).ok_or_else(blank)?;
                self.group_prompt(&group, &group.documents, Stage::Whole).map(|prompt| Some(prompt.user))
            }
            false => self.user(&values),
        };
        let question = question.map_err(|error| error.to_string())?.ok_or_else(blank)?;
        let value = self.layout.in_record(demo, signature.outputs()).ok_or_else(|| "it has no output".to_owned())?;
        Ok((question, self.written_answer(&value)?))
    }

    /// A value as files hold it, read as the operator has it.
    fn as_read(&self, output: &Value) -> Value {
        match (self.output(), output) {
            (Output::Boolean, Value::String(text)) => text.trim().to_ascii_lowercase().parse().map_or_else(|_| output.clone(), Value::Bool),
            _ => output.clone(),
        }
    }

    /// A value as the model would have to write it.
    fn written_answer(&self, value: &Value) -> Result<String, String> {
        let Contract::Json(schema) = &self.contract else { return Ok(as_text(value)) };
        match schema.read(&self.layout.answer(self.as_read(value)).to_string()) {
            Ok(read) => Ok(read.value.to_string()),
            Err(error) => Err(format!("its output {value} cannot be an answer: {error}")),
        }
    }
}
