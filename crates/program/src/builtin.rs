//! The semantic operators as programs: what each says to a model, and what it expects back.

use std::fmt;
use std::sync::Arc;

use corsac_dispatch::Contract;
use corsac_policy::estimated_tokens;
use corsac_schema::{Schema, Type};
use serde_json::{Map, Value};

use crate::{ProgramError, Template};

/// A built-in program, cheap to clone.
#[derive(Debug, Clone)]
pub struct Program {
    operator: &'static str,
    system: Arc<str>,
    question: Question,
    contract: Contract,
    /// The field of the answer in which the value stands; the whole answer without one.
    field: Option<&'static str>,
    variables: Arc<[String]>,
}

/// What [`Program::analyze_sentiment`] tells apart.
const SENTIMENTS: [&str; 3] = ["positive", "negative", "neutral"];

/// How the row's values become the question.
#[derive(Debug, Clone)]
enum Question {
    /// One text, as it is.
    Text,
    /// A template filled in.
    Template(Template),
    /// A template filled in for a group: the variable in this place stands for the texts of its rows.
    Group { template: Template, rows: usize },
}

/// A row's question, ready to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Byte-identical for all rows of a program.
    pub system: Arc<str>,
    /// This row's part.
    pub user: String,
}

/// A group of rows, ready to be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The texts of its rows, in order, without those that are NULL or blank.
    pub documents: Vec<String>,
    /// What the template's variables stand for, but for the rows.
    values: Vec<Value>,
}

/// What the texts of one question about a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All rows of the group.
    Whole,
    /// Some rows of a group that is too large for one question.
    Part,
    /// The results of its parts.
    Merge,
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

/// The form of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// One point a line.
    KeyPoints,
    /// One paragraph.
    Paragraph,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Summary::KeyPoints => "key points",
            Summary::Paragraph => "paragraph",
        })
    }
}

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
        let system = format!("Classify the text the user sends as one of:\n{list}\nAnswer as JSON.");
        Ok(Program::over_text("semantic_classify", system, Contract::Json(schema)).answering("label"))
    }

    /// The vector of a text.
    pub fn embed(dimensions: Option<u32>) -> Program {
        Program::over_text("semantic_embed", String::new(), Contract::Embedding { dimensions })
    }

    /// Takes the facts a schema asks for out of a text.
    pub fn extract(schema: Schema) -> Program {
        let system = format!(
            "Extract these fields from the text the user sends:\n{}\nUse null for what the text does not say. Answer as JSON.",
            schema.outline()
        );
        Program::over_text("semantic_extract", system, Contract::Json(schema))
    }

    /// Answers an instruction, written as a template over columns, with text.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn map(template: &str) -> Result<Program, ProgramError> {
        let system = "Do what the user's message asks. Reply with the result alone: no introduction, no comment on it, no quotation marks around it.";
        Ok(Program::over_template("semantic_map", system, Template::parse(template)?, Contract::Text))
    }

    /// Decides whether a statement or question, written as a template over columns, is true.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn predicate(template: &str) -> Result<Program, ProgramError> {
        let system = "Decide whether what the user asks or claims is true. Answer as JSON: true or false.";
        let contract = Contract::Json(Schema::boolean("answer"));
        Ok(Program::over_template("semantic_predicate", system, Template::parse(template)?, contract).answering("answer"))
    }

    /// Tells whether a text is positive, negative or neutral.
    ///
    /// # Errors
    /// None in practice: the labels are sound.
    pub fn analyze_sentiment() -> Result<Program, ProgramError> {
        let schema = Schema::labels(&SENTIMENTS.map(str::to_owned))?;
        let system = "How does the text the user sends feel about its subject? Choose positive or negative where one outweighs the other, \
                      neutral where none is felt or both weigh the same. Answer as JSON.";
        Ok(Program::over_text("semantic_analyze_sentiment", system.to_owned(), Contract::Json(schema)).answering("label"))
    }

    /// Shortens a text to what matters in it, in so many words at most.
    pub fn summarize(form: Summary, max_words: u32) -> Program {
        let form = match form {
            Summary::KeyPoints => "as key points, the weightiest first, each on a line of its own that begins with \"- \"",
            Summary::Paragraph => "in one paragraph",
        };
        let system = format!(
            "Summarise the text the user sends {form}. Use at most {max_words} words in all, add nothing that the text does not say, and reply \
             with the summary alone."
        );
        Program::over_text("semantic_summarize", system, Contract::Text)
    }

    /// Answers an instruction about a group of rows, written as a template over columns, with text. Before it can be asked,
    /// [`Program::over_rows`] must tell which variable stands for the rows.
    ///
    /// # Errors
    /// A template that cannot be parsed or names no column.
    pub fn reduce(template: &str) -> Result<Program, ProgramError> {
        let system = "The user's message holds numbered texts. Do what it asks of all of them together. Reply with the result alone: no introduction, \
                      no comment on it.";
        Ok(Program::over_template("semantic_reduce", system, Template::parse(template)?, Contract::Text))
    }

    /// The variable in this place stands for the texts of a group's rows; the others have one value for the group.
    #[must_use]
    pub fn over_rows(mut self, variable: usize) -> Program {
        if let Question::Template(template) = self.question {
            self.question = Question::Group { template, rows: variable };
        }
        self
    }

    /// Whether a question is about a group of rows, and asked by [`Program::group`] and [`Program::group_prompt`].
    pub fn is_about_groups(&self) -> bool {
        matches!(self.question, Question::Group { .. })
    }

    /// Takes a group apart: the value of the rows' variable is a list. `None` means that there is nothing to ask.
    pub fn group(&self, values: &[Value]) -> Option<Group> {
        let Question::Group { rows, .. } = &self.question else { return None };
        let documents: Vec<String> = values.get(*rows)?.as_array()?.iter().filter(|value| !is_blank(value)).map(as_text).collect();
        let mut values = values.to_vec();
        values.iter_mut().filter(|value| value.is_null()).for_each(|value| *value = Value::String(String::new()));
        (!documents.is_empty()).then_some(Group { documents, values })
    }

    /// Writes a question about some texts of a group, which take the place of its rows.
    ///
    /// # Errors
    /// [`ProgramError::Render`] when the template fails on these values.
    pub fn group_prompt(&self, group: &Group, documents: &[String], stage: Stage) -> Result<Prompt, ProgramError> {
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
            Stage::Part => format!("{}{PART}", self.system).into(),
            Stage::Merge => format!("{}{MERGE}", self.system).into(),
        };
        Ok(Prompt { system, user: template.render(&values)? })
    }

    fn over_text(operator: &'static str, system: String, contract: Contract) -> Program {
        let variables = Arc::new(["text".to_owned()]);
        Program { operator, system: system.into(), question: Question::Text, contract, field: None, variables }
    }

    fn over_template(operator: &'static str, system: &str, template: Template, contract: Contract) -> Program {
        let variables = template.variables().into();
        Program { operator, system: system.into(), question: Question::Template(template), contract, field: None, variables }
    }

    /// The value stands in this field of the answer.
    fn answering(self, field: &'static str) -> Program {
        Program { field: Some(field), ..self }
    }

    /// The program with examples shown to the model. They stand behind the instructions, the same for all rows.
    ///
    /// # Errors
    /// [`ProgramError::Example`] for one whose inputs are not those of the program, or whose output could not be its value.
    pub fn with_demos(self, examples: &[Demo]) -> Result<Program, ProgramError> {
        if examples.is_empty() {
            return Ok(self);
        }
        let mut system = format!("{}\n\nExamples:", self.system);
        for (place, example) in examples.iter().enumerate() {
            let wrong = |why: String| ProgramError::Example { number: place + 1, why };
            let question = self.asked_in(example).map_err(wrong)?;
            let answer = self.answered_in(&example.output).map_err(wrong)?;
            system.push_str(&format!("\n\nInput: {question}\nAnswer: {answer}"));
        }
        Ok(Program { system: system.into(), ..self })
    }

    fn asked_in(&self, example: &Demo) -> Result<String, String> {
        let alone = self.variables.len() == 1 && example.inputs.len() == 1;
        let value = |name: &String| match example.inputs.get(name).or_else(|| example.inputs.get(Demo::INPUT).filter(|_| alone)) {
            Some(value) => Ok(value.clone()),
            None => Err(format!("it has no input for {name}")),
        };
        let values = self.variables.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = example.inputs.keys().find(|name| !alone && !self.variables.contains(name)) {
            return Err(format!("nothing here is called {name}; the inputs are {}", self.variables.join(", ")));
        }
        let prompt = self.prompt(&values).map_err(|error| error.to_string())?;
        prompt.map(|prompt| prompt.user).ok_or_else(|| "its input is blank".to_owned())
    }

    /// An example's output as the model would have to answer.
    fn answered_in(&self, output: &Value) -> Result<String, String> {
        let Contract::Json(schema) = &self.contract else {
            return match output {
                Value::String(text) => Ok(text.clone()),
                other => Ok(other.to_string()),
            };
        };
        let as_read = match (self.output(), output) {
            // files hold texts alone
            (Output::Boolean, Value::String(text)) => text.trim().to_ascii_lowercase().parse().map_or_else(|_| output.clone(), Value::Bool),
            _ => output.clone(),
        };
        let answer = match self.field {
            Some(field) => Value::Object(Map::from_iter([(field.to_owned(), as_read)])),
            None => as_read,
        };
        match schema.read(&answer.to_string()) {
            Ok(read) => Ok(read.value.to_string()),
            Err(error) => Err(format!("its output {output} cannot be an answer: {error}")),
        }
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
        match (&self.contract, self.field) {
            (Contract::Json(_), Some("answer")) => Output::Boolean,
            (Contract::Json(schema), None) => Output::Json(schema.kind()),
            (Contract::Embedding { dimensions }, _) => Output::Vector { dimensions: *dimensions },
            (Contract::Json(_) | Contract::JsonTurn { .. } | Contract::Text | Contract::Turn(_), _) => Output::Text,
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
            (Question::Group { .. }, _) => return Ok(None),
        };
        Ok(Some(Prompt { system: Arc::clone(&self.system), user }))
    }

    /// Takes the operator's value out of a validated answer.
    pub fn value(&self, answer: &Value) -> Value {
        match self.field {
            Some(field) => answer.get(field).cloned().unwrap_or(Value::Null),
            None => answer.clone(),
        }
    }
}

const PART: &str =
    " They are a part of a larger set whose parts are worked on separately: keep what the result for the whole set may need.";
const MERGE: &str = " Each text is the result for one part of a larger set: put them together into the one result for the whole set.";

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Group {
    /// The texts of its rows, in pieces of half the room at most, so that two always fit.
    pub fn pieces(&self, most_tokens: u64) -> Vec<String> {
        self.documents.iter().flat_map(|document| in_pieces(document, most_tokens / 2)).collect()
    }

    /// Runs of texts, each for one question of about so many tokens. They hold at least two texts as long as there are two.
    pub fn parts(texts: Vec<String>, most_tokens: u64) -> Vec<Vec<String>> {
        let mut parts: Vec<Vec<String>> = Vec::new();
        let mut room = 0;
        for document in texts {
            // the number before the text
            let tokens = estimated_tokens(&document) + 3;
            match parts.last_mut() {
                Some(part) if tokens <= room || part.len() < 2 => {
                    part.push(document);
                    room = room.saturating_sub(tokens);
                }
                _ => {
                    parts.push(vec![document]);
                    room = most_tokens.saturating_sub(tokens);
                }
            }
        }
        parts
    }
}

fn in_pieces(document: &str, half: u64) -> Vec<String> {
    if estimated_tokens(document) + 3 <= half {
        return vec![document.to_owned()];
    }
    let most_bytes = usize::try_from(half.saturating_sub(3)).unwrap_or(usize::MAX).saturating_mul(3).max(64);
    let mut pieces = Vec::new();
    let mut rest = document;
    while rest.len() > most_bytes {
        let mut end = most_bytes;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        // between words where there are any
        let cut = rest[..end].rfind(char::is_whitespace).filter(|at| *at > end / 2).unwrap_or(end);
        pieces.push(rest[..cut].to_owned());
        rest = rest[cut..].trim_start();
    }
    pieces.push(rest.to_owned());
    pieces
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

    fn example(inputs: Value, output: Value) -> Demo {
        let Value::Object(inputs) = inputs else { panic!("inputs by name") };
        Demo { inputs, output }
    }

    #[test]
    fn examples_stand_behind_the_instructions() {
        let classify = Program::classify(&["a".into(), "b".into()]).unwrap();
        let shown = classify.clone().with_demos(&[example(json!({"input": "x"}), json!("b"))]).unwrap();
        assert_eq!(&**shown.system(), format!("{}\n\nExamples:\n\nInput: x\nAnswer: {{\"label\":\"b\"}}", classify.system()));
        let predicate = Program::predicate("Is {{ what }} {{ how }}?").unwrap();
        let shown = predicate.with_demos(&[example(json!({"what": "snow", "how": "hot"}), json!("False"))]).unwrap();
        assert!(shown.system().ends_with("Input: Is snow hot?\nAnswer: {\"answer\":false}"), "{}", shown.system());
    }

    #[test]
    fn examples_that_fit_nothing_are_told() {
        let map = Program::map("{{ a }} and {{ b }}").unwrap();
        let why = |program: &Program, example| program.clone().with_demos(&[example]).unwrap_err().to_string();
        assert!(why(&map, example(json!({"a": "x"}), json!("y"))).contains("example 1 cannot be used: it has no input for b"));
        assert!(why(&map, example(json!({"a": "x", "b": "y", "c": "z"}), json!("y"))).contains("nothing here is called c"));
        let classify = Program::classify(&["a".into()]).unwrap();
        assert!(why(&classify, example(json!({"input": "x"}), json!("z"))).contains("cannot be an answer"));
        assert!(why(&classify, example(json!({"input": " "}), json!("a"))).contains("blank"));
    }

    #[test]
    fn labels_can_be_described() {
        let labels = [Label { name: "bug".into(), description: Some("something is broken".into()) }, "wish".into()];
        assert!(Program::classify(&labels).unwrap().system().contains("- bug: something is broken\n- wish\n"));
    }

    #[test]
    fn a_group_is_asked_about_as_a_whole_and_in_parts() {
        let program = Program::reduce("Sum up {{ t }} for {{ who }}").unwrap().over_rows(0);
        let group = program.group(&[json!(["one", null, " ", 2]), Value::Null]).unwrap();
        assert_eq!(group.documents, ["one", "2"]);
        let whole = program.group_prompt(&group, &group.documents, Stage::Whole).unwrap();
        assert_eq!(whole.user, "Sum up \n[1] one\n[2] 2\n for ");
        let part = program.group_prompt(&group, &group.documents[..1], Stage::Part).unwrap();
        assert!(part.system.starts_with(&*whole.system) && part.system != whole.system);
        assert_eq!(program.group(&[json!([" ", null]), json!("x")]), None);
        assert_eq!(program.group(&[Value::Null, json!("x")]), None);
    }

    #[test]
    fn parts_fit_and_lose_nothing() {
        let texts: Vec<String> = (0..100).map(|number| format!("text number {number} {}", "word ".repeat(number * 7))).collect();
        for room in [20, 200, 2_000, 200_000] {
            let parts = Group::parts(Group { documents: texts.clone(), values: Vec::new() }.pieces(room), room);
            let words = |texts: &mut dyn Iterator<Item = &String>| {
                texts.flat_map(|text| text.split_whitespace()).map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(words(&mut parts.iter().flatten()), words(&mut texts.iter()), "{room}");
            for (place, part) in parts.iter().enumerate() {
                let tokens: u64 = part.iter().map(|text| estimated_tokens(text) + 3).sum();
                assert!(tokens <= room.max(60), "{tokens} > {room}");
                assert!(part.len() >= 2 || place + 1 == parts.len(), "{room}");
            }
        }
    }

    #[test]
    fn numbers_can_be_asked_about() {
        let classify = Program::classify(&["odd".into(), "even".into()]).unwrap();
        assert_eq!(classify.prompt(&[json!(41)]).unwrap().unwrap().user, "41");
    }
}
