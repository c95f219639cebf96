//! What is known of a template's words, and the question of a predicate put once for many values of some of its inputs: which of
//! them make it true.

use corsac_dispatch::Contract;
use corsac_schema::Schema;
use serde_json::{Value, json};

use super::built_in::{Form, Question};
use super::layout::Layout;
use super::{Program, Way};
use crate::{Field, FieldType, ProgramError, Template};

/// The field of the answer that lists what was chosen.
const CHOSEN: &str = "matches";

impl Program {
    /// A predicate as one question about many options. Each option has a text for each of the `chosen` variables; the question
    /// is made with values of the others, and its answer is `{"matches": [numbers of options, from 1, as texts]}`.
    /// `None` for programs that are no predicates, for one with examples, and where the template does not take a text in such
    /// a place.
    ///
    /// # Errors
    /// None in practice: numbers are sound labels.
    pub fn choosing(&self, chosen: &[usize], options: &[Vec<String>]) -> Result<Option<Program>, ProgramError> {
        let Some(template) = self.template() else { return Ok(None) };
        let plain = Program::predicate(template.source())?;
        if self.operator() != plain.operator() || self.system() != plain.system() || options.is_empty() {
            return Ok(None);
        }
        let names: Vec<&String> = chosen.iter().filter_map(|place| self.variables.get(*place)).collect();
        let marker = |name: &str| if names.len() == 1 { "[option]".to_owned() } else { format!("[option: {name}]") };
        let set: String = names.iter().map(|name| format!("{{% set {name} = \"{}\" %}}", marker(name))).collect();
        let source = format!("{set}{}", template.source());
        let Ok(template) = Template::parse(&source) else { return Ok(None) };
        let sample = vec![Value::String("text".to_owned()); template.variables().len()];
        // one that takes its input apart cannot take a text in its place
        if !template.render(&sample).is_ok_and(|text| names.iter().all(|name| text.contains(&marker(name)))) {
            return Ok(None);
        }
        let numbers: Vec<String> = (1..=options.len()).map(|number| number.to_string()).collect();
        let schema = Schema::from_json(json!({
            "type": "object",
            "properties": { CHOSEN: { "type": "array", "items": { "type": "string", "enum": numbers } } },
            "required": [CHOSEN],
        }))?;
        let one_line = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = |(number, option): (&String, &Vec<String>)| match option.as_slice() {
            [only] => format!("{number}: {}", one_line(only)),
            texts => {
                let told = names.iter().zip(texts).map(|(name, text)| format!("{name}: {}", one_line(text)));
                format!("{number}: {}", told.collect::<Vec<_>>().join("; "))
            }
        };
        let list = numbers.iter().zip(options).map(line).collect::<Vec<_>>().join("\n");
        let does = "The user's question or claim is about one of several options, which takes the place of the words in square brackets. Go through all \
                    options and find every one for which it is true; there may be none.";
        let form = Form::same(format!(" Answer as JSON with their numbers.\nOptions:\n{list}"));
        let matches = Field::new(CHOSEN, FieldType::list(FieldType::Text));
        Program::by_template("semantic_predicate", does, form, &source, vec![matches], Contract::Json(schema), Layout::Alone).map(Some)
    }

    fn template(&self) -> Option<&Template> {
        match &self.way {
            Way::BuiltIn(built_in) => match &built_in.question {
                Question::Template(template) | Question::Group { template, .. } => Some(template),
                Question::Text => None,
            },
            Way::Composed(_) => None,
        }
    }

    /// The words of a template around what is filled in: those before the first input, between inputs, and behind the last.
    /// Empty for programs without a template, and where a template fails on texts.
    pub fn words(&self) -> Vec<String> {
        /// Stands in no template that a person writes.
        const INPUT: &str = "\u{1}";
        let Some(template) = self.template() else { return Vec::new() };
        let inputs = vec![Value::String(INPUT.to_owned()); self.variables.len()];
        template.render(&inputs).map(|text| text.split(INPUT).map(str::to_owned).collect()).unwrap_or_default()
    }

    /// The options that an answer to such a question names, counted from 0.
    pub fn chosen_in(answer: &Value) -> impl Iterator<Item = usize> {
        let numbers = answer.get(CHOSEN).and_then(Value::as_array).into_iter().flatten();
        numbers.filter_map(|number| number.as_str()?.parse::<usize>().ok()?.checked_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(texts: &[&str]) -> Vec<Vec<String>> {
        texts.iter().map(|text| vec![(*text).to_owned()]).collect()
    }

    #[test]
    fn a_predicate_is_put_once_for_all_options() {
        let predicate = Program::predicate("Is {{ review }} about {{ product }}?").unwrap();
        let choice = predicate.choosing(&[1], &options(&["kettle", "two\nlines"])).unwrap().unwrap();
        assert_eq!(choice.variables(), ["review"]);
        let prompt = choice.prompt(&[json!("it boils")]).unwrap().unwrap();
        assert_eq!(prompt.user, "Is it boils about [option]?");
        assert!(prompt.system.ends_with("Options:\n1: kettle\n2: two lines"), "{}", prompt.system);
        let schema = choice.contract();
        let read = schema.schema().unwrap().read(r#"{"matches": ["2"]}"#).unwrap().value;
        assert_eq!(Program::chosen_in(&read).collect::<Vec<_>>(), [1]);
        assert!(schema.schema().unwrap().read(r#"{"matches": ["3"]}"#).is_err());
    }

    #[test]
    fn several_inputs_of_an_option_are_named() {
        let predicate = Program::predicate("{{ a }}: {{ name }} by {{ maker }}").unwrap();
        let both = [vec!["kettle".to_owned(), "Acme".to_owned()]];
        let choice = predicate.choosing(&[1, 2], &both).unwrap().unwrap();
        assert!(choice.system().ends_with("1: name: kettle; maker: Acme"), "{}", choice.system());
        assert_eq!(choice.prompt(&[json!("x")]).unwrap().unwrap().user, "x: [option: name] by [option: maker]");
    }

    #[test]
    fn the_words_of_a_template_stand_around_its_inputs() {
        let predicate = Program::predicate("Is {{ a }} in {{ b | upper }}?").unwrap();
        assert_eq!(predicate.words(), ["Is ", " in ", "?"]);
        assert!(Program::embed(None).unwrap().words().is_empty());
    }

    #[test]
    fn what_cannot_be_put_like_that_is_left() {
        let some = options(&["x"]);
        let none = |program: Program| program.choosing(&[1], &some).unwrap().is_none();
        assert!(none(Program::predicate("{{ a }} of {{ b.name }}").unwrap()));
        assert!(none(Program::predicate("{{ a }} {% if b == 'x' %}yes{% endif %}").unwrap()));
        assert!(none(Program::map("{{ a }} {{ b }}").unwrap()));
        assert!(Program::predicate("{{ a }} {{ b }}").unwrap().choosing(&[1], &[]).unwrap().is_none());
    }
}
