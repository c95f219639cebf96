//! The built-in operators: what each says to a model, and what it expects back. What an operator is to do stands in a
//! predictor's signature and can be changed like any program's; how it is put to a model is its own, shorter than an adapter's.

use std::sync::Arc;

use corsac_dispatch::Contract;
use corsac_schema::{Schema, Type};
use serde_json::Value;

use super::group::{Group, Stage};
use super::layout::{self, Layout};
use super::{Label, Output, Program, Prompt, Summary, Way, is_blank};
use crate::module::PredictorState;
use crate::{Field, FieldType, Predict, ProgramError, Signature, Template};

/// An operator and how it is put to a model.
#[derive(Debug, Clone)]
pub(super) struct BuiltIn {
    /// Signature, instructions and demos.
    pub(super) predict: Arc<Predict>,
    /// What stands behind the instructions.
    pub(super) form: Arc<Form>,
    /// Instructions, form and demos as they are without an overlay; the same for all rows.
    pub(super) system: Arc<str>,
    pub(super) question: Question,
    pub(super) contract: Contract,
    pub(super) layout: Layout,
    /// Its name in SQL.
    pub(super) kind: &'static str,
}

/// What is said behind the instructions: behind the operator's own, and behind others.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    /// The operator's own instructions.
    own: String,
    behind_own: String,
    behind_others: String,
}

impl Form {
    pub(super) fn same(text: impl Into<String>) -> Form {
        let text = text.into();
        Form { own: String::new(), behind_own: text.clone(), behind_others: text }
    }
}

/// How the row's values become the question.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// One text, as it is.
    Text,
    /// A template filled in.
    Template(Template),
    /// A template filled in for a group: the variable in this place stands for the texts of its rows.
    Group { template: Template, rows: usize },
}

/// What [`Program::analyze_sentiment`] tells apart.
const SENTIMENTS: [&str; 3] = ["positive", "negative", "neutral"];
/// What an operator's text is called as an output.
const RESULT: &str = "result";

impl Program {
    /// Puts a text into one of the labels.
    ///
    /// # Errors
    /// No labels, a blank one or one given twice.
    pub fn classify(labels: &[Label]) -> Result<Program, ProgramError> {
        let names: Vec<String> = labels.iter().map(|label| label.name.clone()).collect();
        let schema = Schema::labels(&names)?;
        let line = |label: &Label| match label.description.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(description) => format!("- {}: {description}", label.name),
            None => format!("- {}", label.name),
        };
        let list = labels.iter().map(line).collect::<Vec<_>>().join("\n");
        let form = Form {
            own: String::new(),
            behind_own: format!("\n{list}\nAnswer as JSON."),
            behind_others: format!("\n\nThe label is one of:\n{list}\nAnswer as JSON."),
        };
        let label = Field::new("label", FieldType::labels(names.iter().map(String::as_str)));
        let does = "Classify the text the user sends as one of:";
        Program::about_text("semantic_classify", does, form, vec![label], Contract::Json(schema), Layout::Inside("label"))
    }

    /// The vector of a text.
    ///
    /// # Errors
    /// None in practice: its fields are sound.
    pub fn embed(dimensions: Option<u32>) -> Result<Program, ProgramError> {
        let vector = Field::new("vector", FieldType::list(FieldType::Number));
        let contract = Contract::Embedding { dimensions };
        Program::about_text("semantic_embed", "", Form::default(), vec![vector], contract, Layout::Alone)
    }

    /// Takes the facts a schema asks for out of a text.
    ///
    /// # Errors
    /// None in practice: a schema whose members cannot be named as outputs is one output as a whole.
    pub fn extract(schema: Schema) -> Result<Program, ProgramError> {
        let outline = schema.outline();
        let close = "Use null for what the text does not say. Answer as JSON.";
        let form = Form {
            own: String::new(),
            behind_own: format!("\n{outline}\n{close}"),
            behind_others: format!("\n\nThe fields:\n{outline}\n{close}"),
        };
        let does = "Extract these fields from the text the user sends:";
        let program = |outputs, layout| {
            let contract = Contract::Json(schema.clone());
            Program::about_text("semantic_extract", does, form.clone(), outputs, contract, layout)
        };
        if let Type::Struct(members) = schema.kind()
            && let Ok(extract) = program(layout::fields(members), Layout::Members)
        {
            return Ok(extract);
        }
        program(vec![Field::new("value", FieldType::Any)], Layout::Alone)
    }

    /// Answers an instruction, written as a template over columns, with text.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn map(template: &str) -> Result<Program, ProgramError> {
        let does = "Do what the user's message asks. Reply with the result alone: no introduction, no comment on it, no quotation marks around it.";
        Program::by_template("semantic_map", does, Form::default(), template, vec![Field::text(RESULT)], Contract::Text, Layout::Alone)
    }

    /// Answers an instruction, written as a template over columns, with what a schema asks for.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn map_into(template: &str, schema: Schema) -> Result<Program, ProgramError> {
        let outline = schema.outline();
        let form = Form {
            own: String::new(),
            behind_own: format!("\n{outline}\nAnswer as JSON."),
            behind_others: format!("\n\nThe fields:\n{outline}\nAnswer as JSON."),
        };
        let does = "Do what the user's message asks, and reply with these fields:";
        let program = |outputs, layout| {
            let contract = Contract::Json(schema.clone());
            Program::by_template("semantic_map", does, form.clone(), template, outputs, contract, layout)
        };
        if let Type::Struct(members) = schema.kind()
            && let Ok(map) = program(layout::fields(members), Layout::Members)
        {
            return Ok(map);
        }
        program(vec![Field::new(RESULT, FieldType::Any)], Layout::Alone)
    }

    /// Decides whether a statement or question, written as a template over columns, is true.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn predicate(template: &str) -> Result<Program, ProgramError> {
        let does = "Decide whether what the user asks or claims is true.";
        let (form, contract) = (Form::same(" Answer as JSON: true or false."), Contract::Json(Schema::boolean("answer")));
        let answer = Field::new("answer", FieldType::Boolean);
        Program::by_template("semantic_predicate", does, form, template, vec![answer], contract, Layout::Inside("answer"))
    }

    /// Tells whether a text is positive, negative or neutral.
    ///
    /// # Errors
    /// None in practice: the labels are sound.
    pub fn analyze_sentiment() -> Result<Program, ProgramError> {
        let schema = Schema::labels(&SENTIMENTS.map(str::to_owned))?;
        let does = "How does the text the user sends feel about its subject? Choose positive or negative where one outweighs the other, \
                    neutral where none is felt or both weigh the same.";
        let (form, label) = (Form::same(" Answer as JSON."), Field::new("label", FieldType::labels(SENTIMENTS)));
        Program::about_text("semantic_analyze_sentiment", does, form, vec![label], Contract::Json(schema), Layout::Inside("label"))
    }

    /// Shortens a text to what matters in it, in so many words at most.
    ///
    /// # Errors
    /// None in practice: its fields are sound.
    pub fn summarize(form: Summary, max_words: u32) -> Result<Program, ProgramError> {
        let form = match form {
            Summary::KeyPoints => "as key points, the weightiest first, each on a line of its own that begins with \"- \"",
            Summary::Paragraph => "in one paragraph",
        };
        let does = format!("Summarise the text the user sends {form}.");
        let form = Form::same(format!(
            " Use at most {max_words} words in all, add nothing that the text does not say, and reply with the summary alone."
        ));
        Program::about_text("semantic_summarize", &does, form, vec![Field::text(RESULT)], Contract::Text, Layout::Alone)
    }

    /// Answers an instruction about a group of rows, written as a template over columns, with text. Before it can be asked,
    /// [`Program::over_rows`] must tell which variable stands for the rows.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn reduce(template: &str) -> Result<Program, ProgramError> {
        let does = "The user's message holds numbered texts. Do what it asks of all of them together. Reply with the result alone: no introduction, \
                    no comment on it.";
        Program::by_template("semantic_reduce", does, Form::default(), template, vec![Field::text(RESULT)], Contract::Text, Layout::Alone)
    }

    fn about_text(
        operator: &'static str,
        does: &str,
        form: Form,
        outputs: Vec<Field>,
        contract: Contract,
        layout: Layout,
    ) -> Result<Program, ProgramError> {
        let signature = Signature::new(operator, does, vec![Field::text("text")], outputs)?.with_instructions(does);
        Ok(Program::built(operator, signature, form, Question::Text, contract, layout))
    }

    pub(super) fn by_template(
        operator: &'static str,
        does: &str,
        form: Form,
        template: &str,
        outputs: Vec<Field>,
        contract: Contract,
        layout: Layout,
    ) -> Result<Program, ProgramError> {
        let template = Template::parse(template)?;
        let inputs = template.variables().iter().map(Field::text).collect();
        // a column may be called like the output, unless that is a member of a schema
        let freed = |output: Field| Field { name: free_name(output.name, template.variables()), ..output };
        let outputs = if layout == Layout::Members { outputs } else { outputs.into_iter().map(freed).collect() };
        let signature = Signature::new(operator, does, inputs, outputs)?.with_instructions(does);
        Ok(Program::built(operator, signature, form, Question::Template(template), contract, layout))
    }

    fn built(kind: &'static str, signature: Signature, form: Form, question: Question, contract: Contract, layout: Layout) -> Program {
        let variables = signature.inputs().iter().map(|field| field.name.clone()).collect();
        let form = Form { own: signature.instructions().to_owned(), ..form };
        let predict = Arc::new(Predict::new(signature));
        let (form, system) = (Arc::new(form), Arc::from(""));
        let built_in = BuiltIn { predict, form, system, question, contract, layout, kind }.written();
        Program { name: kind.into(), variables, way: Way::BuiltIn(built_in), takes_nulls: false }
    }

    /// The variable in this place stands for the texts of a group's rows; the others have one value for the group. Where demos
    /// have a list under it, that is their group; one text is a group of one.
    #[must_use]
    pub fn over_rows(mut self, variable: usize) -> Program {
        if let Way::BuiltIn(built_in) = &mut self.way
            && let Question::Template(template) = built_in.question.clone()
        {
            built_in.question = Question::Group { template, rows: variable };
            // demos are shown as groups from here on
            *built_in = built_in.clone().written();
        }
        self
    }

    /// Whether a question is about a group of rows, and asked by [`Program::group`] and [`Program::group_prompt`].
    pub fn is_about_groups(&self) -> bool {
        matches!(&self.way, Way::BuiltIn(built_in) if built_in.is_about_groups())
    }

    /// Takes a group apart: the value of the rows' variable is a list. `None` means that there is nothing to ask.
    pub fn group(&self, values: &[Value]) -> Option<Group> {
        let Way::BuiltIn(built_in) = &self.way else { return None };
        built_in.group(values)
    }

    /// Writes a question about some texts of a group, which take the place of its rows.
    ///
    /// # Errors
    /// [`ProgramError::Render`] when the template fails on these values.
    pub fn group_prompt(&self, group: &Group, documents: &[String], stage: Stage) -> Result<Prompt, ProgramError> {
        match &self.way {
            Way::BuiltIn(built_in) => built_in.group_prompt(group, documents, stage),
            Way::Composed(_) => Err(ProgramError::Render { message: "it is not about groups".to_owned() }),
        }
    }
}

/// A name that no variable has.
fn free_name(name: String, variables: &[String]) -> String {
    let mut free = name;
    while variables.contains(&free) {
        free.push('_');
    }
    free
}

impl BuiltIn {
    /// With its shared prompt written as its predictor is now.
    pub(super) fn written(self) -> BuiltIn {
        let system = self.system_of(self.predict.state()).into();
        BuiltIn { system, ..self }
    }

    /// What a predictor in this state says before the question.
    pub(super) fn system_of(&self, state: &PredictorState) -> String {
        let does = state.signature.instructions();
        let form = if self.form.own == does { &self.form.behind_own } else { &self.form.behind_others };
        let mut system = format!("{does}{form}");
        let shown = state.demos.iter().filter_map(|demo| self.shown(demo).ok());
        for (place, (question, answer)) in shown.enumerate() {
            if place == 0 {
                system.push_str("\n\nExamples:");
            }
            system.push_str(&format!("\n\nInput: {question}\nAnswer: {answer}"));
        }
        system
    }

    pub(super) fn is_about_groups(&self) -> bool {
        matches!(self.question, Question::Group { .. })
    }

    pub(super) fn output(&self) -> Output<'_> {
        match (&self.contract, self.layout) {
            (Contract::Json(_), Layout::Inside("answer")) => Output::Boolean,
            (Contract::Json(schema), Layout::Alone | Layout::Members) => Output::Json(schema.kind()),
            (Contract::Embedding { dimensions }, _) => Output::Vector { dimensions: *dimensions },
            (Contract::Json(_) | Contract::JsonTurn { .. } | Contract::Text | Contract::Turn(_), _) => Output::Text,
        }
    }

    /// The question about one row, if there is one.
    pub(super) fn user(&self, values: &[Value]) -> Result<Option<String>, ProgramError> {
        Ok(match (&self.question, values) {
            (Question::Text, [value, ..]) => Some(as_text(value)),
            (Question::Template(template), _) if values.iter().any(Value::is_null) => {
                let blank = |value: &Value| if value.is_null() { Value::String(String::new()) } else { value.clone() };
                Some(template.render(&values.iter().map(blank).collect::<Vec<_>>())?)
            }
            (Question::Template(template), _) => Some(template.render(values)?),
            (Question::Text, []) | (Question::Group { .. }, _) => None,
        })
    }

    pub(super) fn group(&self, values: &[Value]) -> Option<Group> {
        let Question::Group { rows, .. } = &self.question else { return None };
        let texts = match values.get(*rows)? {
            Value::Array(texts) => texts.as_slice(),
            text => std::slice::from_ref(text),
        };
        let documents: Vec<String> = texts.iter().filter(|value| !is_blank(value)).map(as_text).collect();
        let mut values = values.to_vec();
        values.iter_mut().filter(|value| value.is_null()).for_each(|value| *value = Value::String(String::new()));
        (!documents.is_empty()).then_some(Group { documents, values })
    }

    pub(super) fn group_prompt(&self, group: &Group, documents: &[String], stage: Stage) -> Result<Prompt, ProgramError> {
        let Question::Group { template, rows } = &self.question else {
            return Err(ProgramError::Render { message: "it is not about groups".to_owned() });
        };
        let numbered = documents.iter().enumerate().map(|(place, text)| format!("[{}] {}", place + 1, text.trim()));
        let mut values = group.values.clone();
        if let Some(slot) = values.get_mut(*rows) {
            *slot = Value::String(format!("\n{}\n", numbered.collect::<Vec<_>>().join("\n")));
        }
        let system = match stage {
            Stage::Whole => Arc::clone(&self.system),
            Stage::Part | Stage::Merge => format!("{}{}", self.system, stage.note()).into(),
        };
        Ok(Prompt { system, user: template.render(&values)? })
    }
}

pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
