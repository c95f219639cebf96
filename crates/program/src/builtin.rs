//! The semantic operators as programs: classify, embed, extract, map and predicate.

use std::sync::Arc;

use corsac_dispatch::Contract;
use corsac_schema::{Schema, Type};
use serde_json::Value;

use crate::{ProgramError, Template};

/// A built-in program, cheap to clone.
#[derive(Debug, Clone)]
pub struct Program {
    operator: &'static str,
    system: Arc<str>,
    question: Question,
    contract: Contract,
    variables: Arc<[String]>,
}

/// How the row's values become the question.
#[derive(Debug, Clone)]
enum Question {
    /// One text, as it is.
    Text,
    /// A template filled in.
    Template(Template),
}

/// A row's question, ready to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Byte-identical for all rows of a program.
    pub system: Arc<str>,
    /// This row's part.
    pub user: String,
}

/// The type of a program's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Output<'a> {
    /// Text.
    Text,
    /// True or false.
    Boolean,
    /// What a schema describes.
    Json(&'a Type),
    /// A vector of 32-bit floats.
    Vector {
        /// How many numbers, where that is known.
        dimensions: Option<u32>,
    },
}

impl Program {
    /// Puts a text into one of the labels.
    ///
    /// # Errors
    /// No labels, a blank one or one given twice.
    pub fn classify(labels: &[String]) -> Result<Program, ProgramError> {
        let schema = Schema::labels(labels)?;
        let list = labels.iter().map(|label| format!("- {label}")).collect::<Vec<_>>().join("\n");
        let system = format!("Classify the text the user sends as one of:\n{list}\nAnswer as JSON.");
        Ok(Program::over_text("semantic_classify", system, schema))
    }

    /// Takes the facts a schema asks for out of a text.
    pub fn extract(schema: Schema) -> Program {
        let system = format!(
            "Extract these fields from the text the user sends:\n{}\nUse null for what the text does not say. Answer as JSON.",
            schema.outline()
        );
        Program::over_text("semantic_extract", system, schema)
    }

    /// Answers an instruction, written as a template over columns, with text.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn map(template: &str) -> Result<Program, ProgramError> {
        let system = "Do what the user's message asks. Reply with the result alone: no introduction, no comment on it, no quotation marks around it.";
        Ok(Program::over_template("semantic_map", system, Template::parse(template)?, None))
    }

    /// Decides whether a statement or question, written as a template over columns, is true.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn predicate(template: &str) -> Result<Program, ProgramError> {
        let system = "Decide whether what the user asks or claims is true. Answer as JSON: true or false.";
        Ok(Program::over_template("semantic_predicate", system, Template::parse(template)?, Some(Schema::boolean("answer"))))
    }

    /// The vector of a text.
    pub fn embed(dimensions: Option<u32>) -> Program {
        let contract = Contract::Embedding { dimensions };
        Program { operator: "semantic_embed", system: "".into(), question: Question::Text, contract, variables: text_alone() }
    }

    fn over_text(operator: &'static str, system: String, schema: Schema) -> Program {
        Program { operator, system: system.into(), question: Question::Text, contract: Contract::Json(schema), variables: text_alone() }
    }

    fn over_template(operator: &'static str, system: &str, template: Template, schema: Option<Schema>) -> Program {
        let variables = template.variables().into();
        let contract = schema.map_or(Contract::Text, Contract::Json);
        Program { operator, system: system.into(), question: Question::Template(template), contract, variables }
    }

    /// The operator's SQL name.
    pub fn operator(&self) -> &'static str {
        self.operator
    }

    /// The inputs by name, in the order in which [`Program::prompt`] takes their values.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The type of the value.
    pub fn output(&self) -> Output<'_> {
        match (self.operator, &self.contract) {
            ("semantic_predicate", _) => Output::Boolean,
            ("semantic_extract", Contract::Json(schema)) => Output::Json(schema.kind()),
            (_, Contract::Embedding { dimensions }) => Output::Vector { dimensions: *dimensions },
            _ => Output::Text,
        }
    }

    /// What an answer must look like.
    pub fn contract(&self) -> Contract {
        self.contract.clone()
    }

    /// The instructions that all rows share.
    pub fn system(&self) -> &Arc<str> {
        &self.system
    }

    /// Writes the question for one row. `None` means that there is nothing to ask: a value is null, or all are blank.
    ///
    /// # Errors
    /// [`ProgramError::Render`] when the template fails on these values.
    pub fn prompt(&self, values: &[Value]) -> Result<Option<Prompt>, ProgramError> {
        if values.iter().any(Value::is_null) || values.iter().all(is_blank) {
            return Ok(None);
        }
        let user = match (&self.question, values) {
            (Question::Text, [Value::String(text), ..]) => text.clone(),
            (Question::Text, [value, ..]) => value.to_string(),
            (Question::Text, []) => return Ok(None),
            (Question::Template(template), _) => template.render(values)?,
        };
        Ok(Some(Prompt { system: Arc::clone(&self.system), user }))
    }

    /// Takes the operator's value out of a validated answer.
    pub fn value(&self, answer: &Value) -> Value {
        match self.operator {
            "semantic_classify" => answer.get("label").cloned().unwrap_or(Value::Null),
            "semantic_predicate" => answer.get("answer").cloned().unwrap_or(Value::Null),
            _ => answer.clone(),
        }
    }
}

fn text_alone() -> Arc<[String]> {
    Arc::new(["text".to_owned()])
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_and_blank_ask_nothing() {
        let map = Program::map("Join {{ a }} and {{ b }}").unwrap();
        assert_eq!(map.prompt(&[json!("x"), Value::Null]).unwrap(), None);
        assert_eq!(map.prompt(&[json!(" "), json!("")]).unwrap(), None);
        assert_eq!(map.prompt(&[json!("x"), json!("")]).unwrap().unwrap().user, "Join x and ");
    }

    #[test]
    fn values_come_out_of_their_envelope() {
        let classify = Program::classify(&["a".into(), "b".into()]).unwrap();
        assert_eq!(classify.value(&json!({"label": "b"})), json!("b"));
        let predicate = Program::predicate("Is {{ x }} red?").unwrap();
        assert_eq!(predicate.value(&json!({"answer": true})), json!(true));
        assert_eq!(predicate.output(), Output::Boolean);
    }

    #[test]
    fn numbers_can_be_asked_about() {
        let classify = Program::classify(&["odd".into(), "even".into()]).unwrap();
        assert_eq!(classify.prompt(&[json!(41)]).unwrap().unwrap().user, "41");
    }
}
