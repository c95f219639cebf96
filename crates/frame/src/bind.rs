//! Turns a call as it is written into a program and the expressions that give its inputs. Everything that is wrong with
//! a call is found here, before any row is read.

use std::sync::Arc;

use arrow::array::Array;
use corsac_dispatch::CallSettings;
use corsac_program::{Label, Program, ProgramError, Summary};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use serde_json::Value;

use crate::answer_type::excerpt;
use crate::cell::json_value;
use crate::error::nearest;
use crate::function::{Operator, read_schema};
use crate::named::Given;
use crate::options::Options;

/// A call whose constants are read and whose columns are assigned.
#[derive(Debug, Clone)]
pub(crate) struct BoundCall {
    pub(crate) program: Program,
    /// Equal for calls that ask the same of equal inputs.
    pub(crate) identity: Arc<str>,
    /// One expression per variable of the program, in its order.
    pub(crate) arguments: Vec<Expr>,
    /// What is asked, for plans shown to people.
    pub(crate) subject: Arc<str>,
    /// What the call itself says of whom to ask and how.
    pub(crate) settings: CallSettings,
    /// The most tokens of rows in one question about a group.
    pub(crate) part_tokens: Option<u32>,
}

impl BoundCall {
    /// The function's name in SQL.
    pub(crate) fn name(&self) -> &str {
        self.program.operator()
    }
}

/// Reads the arguments of a call of a semantic function.
pub(crate) fn bind(operator: Operator, arguments: &[Expr], options: &Arc<ConfigOptions>) -> Result<BoundCall> {
    let mut given = Given::of(arguments);
    let constant = |argument: Option<&Expr>, what: &str| constant((operator.name(), operator.usage()), argument, what, options);
    let by_name = |value: &Expr, name: &str| constant(Some(value), name);
    let positional = |given: &Given, index: usize, what: &str| constant(given.positional.get(index), what);
    let (program, constants, arguments, told, subject) = match operator {
        Operator::Classify => {
            let labels = labels(&positional(&given, 1, "labels")?)?;
            let told = Options::take(operator.name(), operator.options(), &mut given, &[], by_name)?;
            let program = Program::classify(&labels).map_err(|error| cannot_use(operator, &error))?;
            let names = labels.iter().map(|label| label.name.as_str()).collect::<Vec<_>>().join("|");
            (program, format!("{labels:?}"), first(&given), told, names)
        }
        Operator::Embed => {
            let told = Options::take(operator.name(), operator.options(), &mut given, &[], by_name)?;
            let program = Program::embed(told.dimensions).map_err(|error| cannot_use(operator, &error))?;
            (program, String::new(), first(&given), told, "vector".to_owned())
        }
        Operator::Extract => {
            let schema = read_schema(operator.name(), &positional(&given, 1, "schema")?)?;
            let told = Options::take(operator.name(), operator.options(), &mut given, &[], by_name)?;
            let (constants, subject) = (schema.fingerprint_text().to_owned(), field_names(&schema));
            let program = Program::extract(schema).map_err(|error| cannot_use(operator, &error))?;
            (program, constants, first(&given), told, subject)
        }
        Operator::Sentiment => {
            let told = Options::take(operator.name(), operator.options(), &mut given, &[], by_name)?;
            let program = Program::analyze_sentiment().map_err(|error| cannot_use(operator, &error))?;
            (program, String::new(), first(&given), told, "sentiment".to_owned())
        }
        Operator::Summarize => {
            let form = match given.positional.len() {
                1 => Summary::Paragraph,
                _ => summary(&positional(&given, 1, "form")?)?,
            };
            let told = Options::take(operator.name(), operator.options(), &mut given, &[], by_name)?;
            let words = told.max_words.unwrap_or(SUMMARY_WORDS);
            let program = Program::summarize(form, words).map_err(|error| cannot_use(operator, &error))?;
            (program, format!("{form:?}"), first(&given), told, format!("{form}, at most {words} words"))
        }
        Operator::Map | Operator::Predicate | Operator::Reduce => {
            let template = template(operator, &positional(&given, 0, "template")?)?;
            let schema = given_schema(operator, &template, &mut given, by_name)?;
            let constants = format!("{template}\u{1f}{}", schema.as_ref().map(corsac_schema::Schema::fingerprint_text).unwrap_or_default());
            let program = match operator {
                Operator::Map => match schema {
                    Some(schema) => Program::map_into(&template, schema),
                    None => Program::map(&template),
                },
                Operator::Predicate => Program::predicate(&template),
                _ => Program::reduce(&template),
            };
            let program = program.map_err(|error| cannot_use(operator, &error))?;
            let told = Options::take(operator.name(), operator.options(), &mut given, program.variables(), by_name)?;
            let bound = assign(operator, program.variables(), &given)?;
            let subject = format!("'{}'", template.replace('\n', " "));
            (program, constants, bound, told, subject)
        }
    };
    let program = match &told.overlay {
        Some((path, saved)) => program.with_overlay(saved).map_err(|error| plan_datafusion_err!("{}: {path}: {error}", operator.name()))?,
        None => program,
    };
    let program = program.with_demos(&told.examples).map_err(|error| cannot_use(operator, &error))?;
    let program = if told.strict == Some(false) { program.taking_nulls() } else { program };
    Ok(BoundCall {
        program,
        identity: format!("{}\u{1e}{constants}\u{1e}{}", operator.name(), told.identity()).into(),
        arguments,
        subject: excerpt(&subject, 60).into(),
        settings: told.settings,
        part_tokens: told.part_tokens,
    })
}

/// What `schema => …` of a map says, unless the template has a variable of that name.
fn given_schema(
    operator: Operator,
    template: &str,
    given: &mut Given,
    constant: impl Fn(&Expr, &str) -> Result<ScalarValue>,
) -> Result<Option<corsac_schema::Schema>> {
    if operator != Operator::Map || template_says(template, "schema") {
        return Ok(None);
    }
    let Some(place) = given.named.iter().position(|(name, _)| name == "schema") else { return Ok(None) };
    let (_, value) = given.named.remove(place);
    read_schema(operator.name(), &constant(&value, "schema")?).map(Some)
}

/// Whether a template has a variable of this name: its author knows of no other meaning.
pub(crate) fn template_says(template: &str, name: &str) -> bool {
    corsac_program::Template::parse(template).is_ok_and(|parsed| parsed.variables().iter().any(|own| own == name))
}

/// Words of a summary where a call does not say how many.
const SUMMARY_WORDS: u32 = 120;

fn summary(value: &ScalarValue) -> Result<Summary> {
    match value.try_as_str().flatten().map(|text| text.trim().to_lowercase().replace(['_', '-'], " ")).as_deref() {
        Some("paragraph") => Ok(Summary::Paragraph),
        Some("key points") => Ok(Summary::KeyPoints),
        _ => plan_err!("the form of semantic_summarize must be 'paragraph' or 'key points', not {value}"),
    }
}

fn first(given: &Given) -> Vec<Expr> {
    given.positional.iter().take(1).cloned().collect()
}

fn cannot_use(operator: Operator, error: &ProgramError) -> datafusion::common::DataFusionError {
    let message = error.to_string();
    let separator = if message.contains('\n') { "\n" } else { ". " };
    plan_datafusion_err!("{}: {message}{separator}Write {}", operator.name(), operator.usage())
}

fn field_names(schema: &corsac_schema::Schema) -> String {
    match schema.kind() {
        corsac_schema::Type::Struct(fields) => fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", "),
        _ => schema.fingerprint_text().to_owned(),
    }
}

/// Works out an argument of a function, with its usage, that must be known before the query runs.
pub(crate) fn constant(
    (function, usage): (&str, &str),
    argument: Option<&Expr>,
    what: &str,
    options: &Arc<ConfigOptions>,
) -> Result<ScalarValue> {
    let varies = || {
        plan_datafusion_err!("the {what} of {function} must be known before the query runs, so no column can stand in it. Write {usage}")
    };
    let Some(argument) = argument else { return Err(varies()) };
    if let Expr::Literal(value, _) = argument {
        return Ok(value.clone());
    }
    if !argument.column_refs().is_empty() || argument.contains_outer() || is_volatile(argument)? {
        return Err(varies());
    }
    let context = SimplifyContext::builder().with_config_options(Arc::clone(options)).build();
    match ExprSimplifier::new(context).simplify(argument.clone())? {
        Expr::Literal(value, _) => Ok(value),
        _ => Err(varies()),
    }
}

fn is_volatile(expression: &Expr) -> Result<bool> {
    use datafusion::common::tree_node::TreeNode;
    expression.exists(|inner| {
        Ok(matches!(inner, Expr::ScalarFunction(ScalarFunction { func, .. }) if func.signature().volatility == Volatility::Volatile))
    })
}

/// Labels as a list of texts, a list of structs with a description each, or a map from label to description.
fn labels(value: &ScalarValue) -> Result<Vec<Label>> {
    let wrong = |what: String| {
        plan_datafusion_err!(
            "the labels of semantic_classify must be a list of texts or of structs {{label, description}}, or a map, not {what}. Write {}",
            Operator::Classify.usage()
        )
    };
    let items = match value {
        ScalarValue::List(list) => list.value(0),
        ScalarValue::LargeList(list) => list.value(0),
        ScalarValue::FixedSizeList(list) => list.value(0),
        // {'label': 'description'} is a map to people, and a struct to the engine
        ScalarValue::Struct(fields) if fields.columns().iter().all(|column| column.data_type().is_string()) => {
            let Value::Object(described) = json_value(fields.as_ref(), 0)? else { return Err(wrong("NULL".to_owned())) };
            return Ok(described.into_iter().map(|(name, description)| Label { name, description: text_of(description) }).collect());
        }
        ScalarValue::Map(map) => {
            let Value::Object(described) = json_value(map.as_ref(), 0)? else { return Err(wrong("NULL".to_owned())) };
            return Ok(described.into_iter().map(|(name, description)| Label { name, description: text_of(description) }).collect());
        }
        other => return Err(wrong(other.data_type().to_string())),
    };
    let label = |place: usize| match json_value(items.as_ref(), place)? {
        Value::Null => plan_err!("a label of semantic_classify is NULL: every label must be a text"),
        Value::Object(mut fields) => match (fields.remove("label").and_then(text_of), fields.remove("description"), fields.keys().next()) {
            (Some(name), description, None) => Ok(Label { name, description: description.and_then(text_of) }),
            _ => Err(wrong(value.data_type().to_string())),
        },
        other => Ok(Label::from(text_of(other).unwrap_or_default())),
    };
    (0..items.len()).map(label).collect()
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn template(operator: Operator, value: &ScalarValue) -> Result<String> {
    match value.try_as_str() {
        Some(Some(text)) => Ok(text.to_owned()),
        _ => plan_err!("the template of {} must be a text, not {}. Write {}", operator.name(), value.data_type(), operator.usage()),
    }
}

/// Gives every variable of a template its expression: columns by name, other expressions in the order of first use.
fn assign(operator: Operator, variables: &[String], given: &Given) -> Result<Vec<Expr>> {
    let arguments = given.positional.get(1..).unwrap_or_default();
    let names: Vec<Option<String>> = arguments.iter().map(column_name).collect();
    let named = |variable: &String| given.named.iter().find(|(name, _)| name == variable).map(|(_, value)| value.clone());
    let mut bound: Vec<Option<Expr>> = variables.iter().map(named).collect();
    let mut positional = Vec::new();
    let mut unmatched = Vec::new();
    for (argument, name) in arguments.iter().zip(&names) {
        let slot = name.as_ref().and_then(|name| variables.iter().position(|variable| variable == name));
        match (slot, name) {
            (Some(slot), _) if bound[slot].is_none() => bound[slot] = Some(argument.clone()),
            // the same name twice, as from two tables: the second takes the next free variable
            (Some(_), _) | (None, None) => positional.push(argument.clone()),
            (None, Some(name)) => unmatched.push(name.clone()),
        }
    }
    let mut positional = positional.into_iter();
    for slot in bound.iter_mut().filter(|slot| slot.is_none()) {
        *slot = positional.next();
    }
    let missing: Vec<&String> = variables.iter().zip(&bound).filter(|(_, slot)| slot.is_none()).map(|(name, _)| name).collect();
    let left_over = positional.count();
    if missing.is_empty() && unmatched.is_empty() && left_over == 0 {
        return Ok(bound.into_iter().flatten().collect());
    }
    plan_err!("{}", mismatch(operator, &missing, &unmatched, left_over, arguments, &names))
}

fn mismatch(
    operator: Operator,
    missing: &[&String],
    unmatched: &[String],
    left_over: usize,
    arguments: &[Expr],
    names: &[Option<String>],
) -> String {
    let in_braces = |name: &str| format!("{{{{ {name} }}}}");
    let function = operator.name();
    if let [variable, ..] = missing {
        let uses = missing.iter().map(|name| in_braces(name)).collect::<Vec<_>>().join(" and ");
        if arguments.is_empty() {
            let columns = missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            return format!("the template of {function} uses {uses}, but no column is passed. Write {function}('…', {columns})");
        }
        let passed = arguments
            .iter()
            .zip(names)
            .map(|(argument, name)| name.clone().unwrap_or_else(|| excerpt(&argument.human_display().to_string(), 40)))
            .collect::<Vec<_>>()
            .join(", ");
        let hint = match nearest(variable, unmatched.iter().map(String::as_str)).or(unmatched.first().map(String::as_str)) {
            Some(near) if is_variable(near) => format!("Did you mean {}?", in_braces(near)),
            // a template cannot call it by such a name
            Some(near) => format!("Give it the name: {variable} => \"{near}\""),
            None => format!("Pass {variable} after the template"),
        };
        return format!("the template of {function} uses {uses}, but the columns passed are: {passed}. {hint}");
    }
    match unmatched {
        [] => {
            let arguments = if left_over == 1 { "1 more argument".to_owned() } else { format!("{left_over} more arguments") };
            format!(
                "{function} has {arguments} than its template has places: remove what is too much or write {{{{ name }}}} where it belongs"
            )
        }
        names => {
            let columns = names.join(", ");
            if let Some(odd) = names.iter().find(|name| !is_variable(name)) {
                return format!(
                    "{function} is given {columns}, which its template cannot name: write name => \"{odd}\" in the call and {{{{ name }}}} in the template"
                );
            }
            let places = names.iter().map(|name| in_braces(name)).collect::<Vec<_>>().join(" and ");
            format!("{function} is given {columns}, which its template does not use: write {places} in the template or leave it out")
        }
    }
}

/// Whether a template can call something by this name.
fn is_variable(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// The name by which a template can call an argument.
fn column_name(argument: &Expr) -> Option<String> {
    match argument {
        // what the engine calls the column of an aggregate, such as max(text), is no name of a variable
        Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => (!column.name.contains('(')).then(|| column.name.clone()),
        // nor is what it calls a function that was called by another name
        Expr::Alias(alias) => (!alias.name.contains('(')).then(|| alias.name.clone()),
        Expr::Cast(cast) => column_name(&cast.expr),
        _ => None,
    }
}
