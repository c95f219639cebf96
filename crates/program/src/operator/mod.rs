//! Programs over the rows of a table: what one is given by name, what it asks about a row, and the type of its value. A
//! built-in semantic operator is a predictor with a short prompt of its own; any other program is a module under a name.

mod built_in;
mod choose;
mod composed;
mod demo;
mod group;
mod layout;
mod module;
mod overlay;

use std::sync::Arc;

use corsac_dispatch::{CallSettings, Contract};
use corsac_schema::Type;
use serde_json::Value;

use self::built_in::BuiltIn;
pub use self::composed::Composed;
pub use self::demo::Demo;
pub use self::group::{Group, Stage};
pub use self::overlay::OverlayError;
use crate::{Module, ProgramError};

/// A program over rows, cheap to clone.
#[derive(Debug, Clone)]
pub struct Program {
    name: Arc<str>,
    variables: Arc<[String]>,
    way: Way,
    /// Whether a row is asked about although a NULL is among its inputs.
    takes_nulls: bool,
}

/// How a program gets to its value.
#[derive(Debug, Clone)]
enum Way {
    /// One question in the operator's own words.
    BuiltIn(BuiltIn),
    /// Whatever a module asks.
    Composed(Composed),
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

/// One kind of call that a program makes for a row.
#[derive(Debug, Clone)]
pub struct Part {
    /// The name of such calls in the ledger.
    pub operator: Arc<str>,
    /// What an answer must look like.
    pub contract: Contract,
    /// Model, sampling and limits that the program itself names.
    pub settings: CallSettings,
    /// How often at most it is called for a row.
    pub times: u32,
}

/// A label, with what it means where that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The label.
    pub name: String,
    /// What belongs under it.
    pub description: Option<String>,
}

impl<T: Into<String>> From<T> for Label {
    fn from(name: T) -> Label {
        Label { name: name.into(), description: None }
    }
}

/// The form of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// One point a line.
    KeyPoints,
    /// One paragraph.
    Paragraph,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Summary::KeyPoints => "key points",
            Summary::Paragraph => "paragraph",
        })
    }
}

impl Program {
    /// A module as a function over rows: its value is an object of its outputs, its variables are its inputs.
    ///
    /// # Errors
    /// [`ProgramError::Silent`] for a module that does not say what it takes and gives.
    pub fn of_module(name: &str, module: Arc<dyn Module>) -> Result<Program, ProgramError> {
        let composed = Composed::new(module)?;
        let variables = composed.signature().inputs().iter().map(|field| field.name.clone()).collect();
        Ok(Program { name: name.into(), variables, way: Way::Composed(composed), takes_nulls: false })
    }

    /// The program given these of its variables alone, in this order.
    #[must_use]
    pub fn given(self, variables: Vec<String>) -> Program {
        Program { variables: variables.into(), ..self }
    }

    /// A row with a NULL among its inputs is asked about too, as long as another is not blank: NULL is blank in a template.
    #[must_use]
    pub fn taking_nulls(self) -> Program {
        Program { takes_nulls: true, ..self }
    }

    /// The name in SQL and in the ledger.
    pub fn operator(&self) -> &str {
        &self.name
    }

    /// The inputs by name, in the order in which [`Program::prompt`] takes their values.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Whether a row is asked about where this variable has no value.
    pub fn may_be_null(&self, variable: usize) -> bool {
        match &self.way {
            Way::BuiltIn(built_in) => self.takes_nulls || built_in.is_about_groups(),
            Way::Composed(composed) => {
                let field = self.variables.get(variable).and_then(|name| composed.signature().field(name));
                field.is_some_and(|(_, field)| field.is_optional())
            }
        }
    }

    /// The module behind it, where it is no built-in operator.
    pub fn composed(&self) -> Option<&Composed> {
        match &self.way {
            Way::Composed(composed) => Some(composed),
            Way::BuiltIn(_) => None,
        }
    }

    /// The type of the value.
    pub fn output(&self) -> Output<'_> {
        match &self.way {
            Way::BuiltIn(built_in) => built_in.output(),
            Way::Composed(composed) => Output::Json(composed.signature().output_schema().kind()),
        }
    }

    /// What an answer must look like: that of the call the value is read from.
    pub fn contract(&self) -> Contract {
        match &self.way {
            Way::BuiltIn(built_in) => built_in.contract.clone(),
            Way::Composed(composed) => Contract::Json(composed.signature().output_schema().clone()),
        }
    }

    /// The instructions that all rows share; empty for a module, whose predictors have their own.
    pub fn system(&self) -> &str {
        match &self.way {
            Way::BuiltIn(built_in) => &built_in.system,
            Way::Composed(_) => "",
        }
    }

    /// The calls it makes for a row, each kind once.
    pub fn parts(&self) -> Vec<Part> {
        match &self.way {
            Way::BuiltIn(built_in) => {
                let settings = CallSettings::default();
                vec![Part { operator: Arc::clone(&self.name), contract: built_in.contract.clone(), settings, times: 1 }]
            }
            Way::Composed(composed) => composed.parts(&self.name),
        }
    }

    /// Writes the question for one row, for each of [`Program::parts`] one; what a part is given by another part stands empty.
    /// `None` means that there is nothing to ask.
    ///
    /// # Errors
    /// As for [`Program::prompt`].
    pub fn prompts(&self, values: &[Value]) -> Result<Option<Vec<Prompt>>, ProgramError> {
        match &self.way {
            Way::BuiltIn(_) => Ok(self.prompt(values)?.map(|prompt| vec![prompt])),
            Way::Composed(composed) => Ok(self.has_question(values).then(|| composed.prompts(&self.inputs(values)))),
        }
    }

    /// Writes the question of a built-in operator for one row. `None` means that there is nothing to ask: a value is null, or
    /// all are blank. A module is asked through [`Composed::answer`].
    ///
    /// # Errors
    /// [`ProgramError::Render`] when the template fails on these values.
    pub fn prompt(&self, values: &[Value]) -> Result<Option<Prompt>, ProgramError> {
        match &self.way {
            Way::BuiltIn(built_in) if self.has_question(values) => {
                let user = built_in.user(values)?;
                Ok(user.map(|user| Prompt { system: Arc::clone(&built_in.system), user }))
            }
            Way::BuiltIn(_) | Way::Composed(_) => Ok(None),
        }
    }

    /// Whether a row has anything to ask about.
    pub fn has_question(&self, values: &[Value]) -> bool {
        let lacks = values.iter().enumerate().any(|(place, value)| value.is_null() && !self.may_be_null(place));
        !lacks && (values.is_empty() || !values.iter().all(is_blank))
    }

    /// The values by the names of the variables.
    pub fn inputs(&self, values: &[Value]) -> crate::Record {
        self.variables.iter().cloned().zip(values.iter().cloned()).collect()
    }

    /// Takes the program's value out of a validated answer.
    pub fn value(&self, answer: &Value) -> Value {
        match &self.way {
            Way::BuiltIn(built_in) => built_in.layout.value(answer),
            Way::Composed(_) => answer.clone(),
        }
    }
}

pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
