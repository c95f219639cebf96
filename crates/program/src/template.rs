//! Jinja templates over named columns, strict: a variable that no column gives is an error before anything is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value as JinjaValue};
use serde_json::Value;

use crate::ProgramError;

const NAME: &str = "template";
/// What every template can call without anybody passing it.
const FUNCTIONS: [&str; 4] = ["range", "dict", "debug", "namespace"];

/// A parsed template and the variables it needs.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    variables: Vec<String>,
    environment: Arc<Environment<'static>>,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// [`ProgramError::Template`] names the line; [`ProgramError::NoVariable`] means that it would ask the same for every row.
    pub fn parse(source: &str) -> Result<Template, ProgramError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| ProgramError::template(source, &error))?;
        let parsed = environment.get_template(NAME).map_err(|error| ProgramError::template(source, &error))?;
        let named: BTreeSet<String> =
            parsed.undeclared_variables(false).into_iter().filter(|name| !FUNCTIONS.contains(&name.as_str())).collect();
        if named.is_empty() {
            return Err(ProgramError::NoVariable { template: source.to_owned() });
        }
        let mut variables: Vec<String> = named.into_iter().collect();
        variables.sort_by_key(|name| first_use(source, name));
        Ok(Template { source: source.into(), variables, environment: Arc::new(environment) })
    }

    /// The template as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables in the order in which they first stand in the text.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Fills in one value per variable, in the order of [`Template::variables`].
    ///
    /// # Errors
    /// [`ProgramError::Render`] when an expression fails on these values.
    pub fn render(&self, values: &[Value]) -> Result<String, ProgramError> {
        let pairs = self.variables.iter().zip(values);
        let context = JinjaValue::from_pairs(pairs.map(|(name, value)| (name.as_str(), JinjaValue::from(Serde(value)))));
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(context))
            .map_err(|error| ProgramError::Render { message: error.to_string() })
    }
}

/// Where a name first stands as a whole word inside `{{ }}` or `{% %}`.
fn first_use(source: &str, name: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let opening = source.find('{').unwrap_or(0);
    source[opening..]
        .match_indices(name)
        .find(|(at, _)| {
            let before = source[opening..opening + at].chars().next_back();
            let after = source[opening + at + name.len()..].chars().next();
            let inside = source[..opening + at].rfind('{') > source[..opening + at].rfind('}');
            inside && !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
        .map_or(usize::MAX, |(at, _)| opening + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_stand_in_order_of_use() {
        let template = Template::parse("zebra apple {{ zebra }} and {{ apple.name }} {% for x in list %}{{ x }}{% endfor %}").unwrap();
        assert_eq!(template.variables(), ["zebra", "apple", "list"]);
    }

    #[test]
    fn values_are_inserted_as_they_are() {
        let template = Template::parse("Is {{ text }} about {{ topic }}?").unwrap();
        let text = template.render(&[json!("<b>\"x\"</b> {{ no }}"), json!("love")]).unwrap();
        assert_eq!(text, "Is <b>\"x\"</b> {{ no }} about love?");
    }

    #[test]
    fn a_broken_template_names_its_place() {
        let error = Template::parse("line one\n{{ text").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(matches!(Template::parse("the same for all"), Err(ProgramError::NoVariable { .. })));
    }
}
