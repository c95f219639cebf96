//! What a call can be told beside its inputs, by name: whom to ask and how, examples, sizes.

use arrow::datatypes::DataType;
use corsac_dispatch::CallSettings;
use corsac_dispatch::config::Span;
use corsac_program::{Demo, SavedProgram};
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::Expr;

use crate::error::nearest;
use crate::examples;
use crate::function::Operator;
use crate::named::Given;

/// What a call is told by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) settings: CallSettings,
    pub(crate) examples: Vec<Demo>,
    pub(crate) dimensions: Option<u32>,
    pub(crate) max_words: Option<u32>,
    pub(crate) part_tokens: Option<u32>,
    /// Whether a row with a NULL among its inputs is left unasked.
    pub(crate) strict: Option<bool>,
    /// A saved program whose instructions and demos the operator takes over, and its file.
    pub(crate) overlay: Option<(String, SavedProgram)>,
}

/// The names a call of a program's function can give, beside those of its inputs.
pub(crate) const OF_PROGRAMS: &[&str] = &["model", "profile", "temperature", "max_tokens", "timeout"];

impl Operator {
    /// The names a call of this operator can give, beside those of its template.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Operator::Embed => &["model", "profile", "timeout", "dimensions"],
            Operator::Reduce => &["model", "profile", "temperature", "max_tokens", "timeout", "part_tokens", "program"],
            Operator::Summarize => &["model", "profile", "temperature", "max_tokens", "timeout", "max_words", "program"],
            Operator::Extract => &["model", "profile", "temperature", "max_tokens", "timeout", "program"],
            Operator::Map => &["model", "profile", "temperature", "max_tokens", "timeout", "examples", "program", "strict", "schema"],
            Operator::Predicate => &["model", "profile", "temperature", "max_tokens", "timeout", "examples", "program", "strict"],
            Operator::Classify | Operator::Sentiment => {
                &["model", "profile", "temperature", "max_tokens", "timeout", "examples", "program"]
            }
        }
    }
}

impl Options {
    /// Takes the options out of the arguments. What is left by name must be a variable of the template.
    pub(crate) fn take(
        function: &str,
        known: &[&str],
        given: &mut Given,
        variables: &[String],
        constant: impl Fn(&Expr, &str) -> Result<ScalarValue>,
    ) -> Result<Options> {
        let mut options = Options::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in std::mem::take(&mut given.named) {
            if seen.contains(&name) {
                return plan_err!("{function} is given {name} twice");
            }
            seen.push(name.clone());
            // the template's own names come first: its author knows of no other
            if variables.contains(&name) {
                given.named.push((name, value));
            } else if known.contains(&name.as_str()) {
                options.put(function, &name, &constant(&value, &name)?)?;
            } else {
                return plan_err!("{}", unknown(function, known, &name, variables));
            }
        }
        Ok(options)
    }

    fn put(&mut self, function: &str, name: &str, value: &ScalarValue) -> Result<()> {
        let must = |what: &str| plan_datafusion_err!("{name} of {function} must be {what}, not {value}");
        match name {
            "model" => self.settings.model = Some(text(value).ok_or_else(|| must("the name of a model, such as 'openai/gpt-4o-mini'"))?),
            "profile" => self.settings.profile = Some(text(value).ok_or_else(|| must("the name of a profile of corsac.toml"))?),
            "temperature" => {
                let temperature = number(value).filter(|number| (0.0..=2.0).contains(number));
                self.settings.temperature = Some(temperature.ok_or_else(|| must("a number from 0 to 2"))?);
            }
            "max_tokens" => self.settings.max_tokens = Some(count(value).ok_or_else(|| must("a whole number above 0"))?),
            "dimensions" => self.dimensions = Some(count(value).ok_or_else(|| must("a whole number above 0"))?),
            "part_tokens" => self.part_tokens = Some(count(value).ok_or_else(|| must("a whole number above 0"))?),
            "max_words" => self.max_words = Some(count(value).ok_or_else(|| must("a whole number above 0"))?),
            "timeout" => {
                let span = text(value).and_then(|text| Span::parse(&text)).map(|span| span.0);
                let seconds = || number(value).and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
                let timeout = span.or_else(seconds).filter(|timeout| !timeout.is_zero());
                self.settings.timeout = Some(timeout.ok_or_else(|| must("a time such as '30s', or seconds"))?);
            }
            "strict" => match value {
                ScalarValue::Boolean(Some(strict)) => self.strict = Some(*strict),
                _ => return Err(must("true or false")),
            },
            "examples" => self.examples = examples::read(function, value)?,
            "program" => {
                let path = text(value).ok_or_else(|| must("the file of a saved program, such as 'better.json'"))?;
                let saved = read_saved(&path).map_err(|why| plan_datafusion_err!("the program of {function}: {why}"))?;
                self.overlay = Some((path, saved));
            }
            _ => return plan_err!("{}", unknown(function, &[], name, &[])),
        }
        Ok(())
    }

    /// Equal for calls that ask the same in the same way.
    pub(crate) fn identity(&self) -> String {
        // what is said to the model stands in the program; the file's name is enough within one query
        let overlay = self.overlay.as_ref().map(|(path, _)| path);
        let CallSettings { model, profile, temperature, max_tokens, timeout, .. } = &self.settings;
        format!(
            "{model:?} {profile:?} {temperature:?} {max_tokens:?} {timeout:?} {:?} {:?} {:?} {:?} {:?} {overlay:?}",
            self.dimensions, self.max_words, self.part_tokens, self.strict, self.examples
        )
    }
}

/// Reads the file of a saved program. A path counts from the working directory.
pub(crate) fn read_saved(path: &str) -> std::result::Result<SavedProgram, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    SavedProgram::read(&text).map_err(|error| format!("{path}: {error}"))
}

fn unknown(function: &str, known: &[&str], name: &str, variables: &[String]) -> String {
    let names: Vec<&str> = known.iter().copied().chain(variables.iter().map(String::as_str)).collect();
    let near = nearest(name, names.iter().copied()).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
    format!("{function} takes nothing by the name {name}.{near} It takes {}", names.join(", "))
}

fn text(value: &ScalarValue) -> Option<String> {
    value.try_as_str().flatten().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn number(value: &ScalarValue) -> Option<f64> {
    if !value.data_type().is_numeric() {
        return None;
    }
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(number)) => number.filter(|number| number.is_finite()),
        _ => None,
    }
}

fn count(value: &ScalarValue) -> Option<u32> {
    match value.data_type().is_integer().then(|| value.cast_to(&DataType::Int64)) {
        Some(Ok(ScalarValue::Int64(Some(count)))) => u32::try_from(count).ok().filter(|count| *count > 0),
        _ => None,
    }
}
