//! Turns a call as it is written into a program and the expressions that give its inputs. Everything that is wrong with
//! a call is found here, before any row is read.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use corsac_program::{Program, ProgramError};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue, plan_datafusion_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use crate::answer_type::excerpt;
use crate::error::nearest;
use crate::function::{Operator, read_schema};

/// A call whose constants are read and whose columns are assigned.
#[derive(Debug, Clone)]
pub(crate) struct BoundCall {
    pub(crate) operator: Operator,
    pub(crate) program: Program,
    /// Equal for calls that ask the same of equal inputs.
    pub(crate) identity: Arc<str>,
    /// One expression per variable of the program, in its order.
    pub(crate) arguments: Vec<Expr>,
    /// What is asked, for plans shown to people.
    pub(crate) subject: Arc<str>,
}

/// Reads the arguments of a call.
pub(crate) fn bind(operator: Operator, arguments: &[Expr], options: &Arc<ConfigOptions>) -> Result<BoundCall> {
    let constant = |index: usize, what: &str| constant(operator, arguments.get(index), what, options);
    match operator {
        Operator::Classify => {
            let labels = labels(&constant(1, "labels")?)?;
            let program = Program::classify(&labels).map_err(|error| cannot_use(operator, &error))?;
            let identity = identity(operator, &labels.join("\u{1f}"));
            Ok(BoundCall { operator, program, identity, arguments: first(arguments), subject: excerpt(&labels.join("|"), 60).into() })
        }
        Operator::Embed => {
            let identity = identity(operator, "");
            Ok(BoundCall { operator, program: Program::embed(None), identity, arguments: first(arguments), subject: "vector".into() })
        }
        Operator::Extract => {
            let schema = read_schema(&constant(1, "schema")?)?;
            let identity = identity(operator, schema.fingerprint_text());
            let subject = excerpt(&field_names(&schema), 60).into();
            Ok(BoundCall { operator, program: Program::extract(schema), identity, arguments: first(arguments), subject })
        }
        Operator::Map | Operator::Predicate => {
            let template = template(operator, &constant(0, "template")?)?;
            let program = if operator == Operator::Map { Program::map(&template) } else { Program::predicate(&template) };
            let program = program.map_err(|error| cannot_use(operator, &error))?;
            let columns = arguments.get(1..).unwrap_or_default();
            let bound = assign(operator, program.variables(), columns)?;
            let subject = excerpt(&format!("'{}'", template.replace('\n', " ")), 60).into();
            Ok(BoundCall { operator, program, identity: identity(operator, &template), arguments: bound, subject })
        }
    }
}

fn first(arguments: &[Expr]) -> Vec<Expr> {
    arguments.iter().take(1).cloned().collect()
}

fn identity(operator: Operator, constants: &str) -> Arc<str> {
    format!("{}\u{1e}{constants}", operator.name()).into()
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

/// Works out an argument that must be known before the query runs.
fn constant(operator: Operator, argument: Option<&Expr>, what: &str, options: &Arc<ConfigOptions>) -> Result<ScalarValue> {
    let varies = || {
        plan_datafusion_err!(
            "the {what} of {} must be known before the query runs, so no column can stand in it. Write {}",
            operator.name(),
            operator.usage()
        )
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

fn labels(value: &ScalarValue) -> Result<Vec<String>> {
    let items = match value {
        ScalarValue::List(list) => list.value(0),
        ScalarValue::LargeList(list) => list.value(0),
        ScalarValue::FixedSizeList(list) => list.value(0),
        other => {
            return plan_err!(
                "the labels of semantic_classify must be a list, not {}. Write {}",
                other.data_type(),
                Operator::Classify.usage()
            );
        }
    };
    let texts = cast(&items, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    if texts.null_count() > 0 {
        return plan_err!("a label of semantic_classify is NULL: every label must be a text");
    }
    Ok(texts.iter().flatten().map(str::to_owned).collect())
}

fn template(operator: Operator, value: &ScalarValue) -> Result<String> {
    match value.try_as_str() {
        Some(Some(text)) => Ok(text.to_owned()),
        _ => plan_err!("the template of {} must be a text, not {}. Write {}", operator.name(), value.data_type(), operator.usage()),
    }
}

/// Gives every variable of a template its expression: columns by name, other expressions in the order of first use.
fn assign(operator: Operator, variables: &[String], arguments: &[Expr]) -> Result<Vec<Expr>> {
    let names: Vec<Option<String>> = arguments.iter().map(column_name).collect();
    let mut bound: Vec<Option<Expr>> = vec![None; variables.len()];
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
            Some(near) => format!("Did you mean {}?", in_braces(near)),
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
            let places = names.iter().map(|name| in_braces(name)).collect::<Vec<_>>().join(" and ");
            format!("{function} is given {columns}, which its template does not use: write {places} in the template or leave it out")
        }
    }
}

/// The name by which a template can call an argument.
fn column_name(argument: &Expr) -> Option<String> {
    match argument {
        // what the engine calls the column of an aggregate, such as max(text), is no name of a variable
        Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => (!column.name.contains('(')).then(|| column.name.clone()),
        Expr::Alias(alias) => Some(alias.name.clone()),
        Expr::Cast(cast) => column_name(&cast.expr),
        _ => None,
    }
}
