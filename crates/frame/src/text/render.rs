//! `text_render`: a Jinja template filled in from columns, without asking anything. The template is the same kind that
//! `semantic_map` takes.
//!
//! Columns are found by their names as the query is written. Later rules rename columns freely, so the call is rewritten
//! before them into one whose arguments stand in the order of the template's variables.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::DataType;
use corsac_program::Template;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_datafusion_err, exec_err, plan_datafusion_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use serde_json::Value;

use crate::cell::{Cells, readable};

const NAME: &str = "text_render";
const USAGE: &str = "text_render('Dear {{ name }}', name)";

/// The function as it is written, which stands in a query until its template is read.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RenderMarker {
    signature: Signature,
}

impl RenderMarker {
    pub(super) fn new() -> RenderMarker {
        RenderMarker { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for RenderMarker {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{NAME} must be planned by a Corsac session before it can run")
    }
}

/// Reads the template of every call and puts its columns in order.
#[derive(Debug)]
pub(super) struct BindTemplate;

impl FunctionRewrite for BindTemplate {
    fn name(&self) -> &str {
        "bind_template"
    }

    fn rewrite(&self, expression: Expr, _schema: &DFSchema, _options: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Some(bound) = bound(&expression)? else { return Ok(Transformed::no(expression)) };
        let (template, arguments) = bound;
        let render = ScalarUDF::new_from_impl(Render { template, signature: Signature::user_defined(Volatility::Immutable) });
        Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(render), arguments))))
    }
}

/// The template of a call with its columns in order; nothing for what is no such call.
fn bound(expression: &Expr) -> Result<Option<(Template, Vec<Expr>)>> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expression else { return Ok(None) };
    if func.inner().downcast_ref::<RenderMarker>().is_none() {
        return Ok(None);
    }
    let Some(Expr::Literal(literal, _)) = args.first() else {
        return plan_err!("the template of {NAME} must be a text in quotes. Write {USAGE}");
    };
    let Some(Some(source)) = literal.try_as_str() else {
        return plan_err!("the template of {NAME} must be a text, not {literal}. Write {USAGE}");
    };
    let template = Template::parse(source).map_err(|error| plan_datafusion_err!("{NAME}: {error}"))?;
    let arguments = assign(template.variables(), args.get(1..).unwrap_or_default())?;
    Ok(Some((template, arguments)))
}

/// Looks at the template of a call, if it is one.
pub(crate) fn check(expression: &Expr) -> Result<()> {
    bound(expression).map(drop)
}

/// Gives every variable its expression: columns by name, the others in the order of first use.
fn assign(variables: &[String], arguments: &[Expr]) -> Result<Vec<Expr>> {
    let mut bound: Vec<Option<Expr>> = vec![None; variables.len()];
    let mut unnamed = Vec::new();
    for argument in arguments {
        let named = column_name(argument).and_then(|name| variables.iter().position(|variable| variable == name));
        match named.and_then(|slot| bound.get_mut(slot)).filter(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(argument.clone()),
            // a name that was given stands for no other
            None if matches!(argument, Expr::Alias(_)) => {}
            None => unnamed.push(argument.clone()),
        }
    }
    let mut unnamed = unnamed.into_iter();
    for slot in bound.iter_mut().filter(|slot| slot.is_none()) {
        *slot = unnamed.next();
    }
    let missing: Vec<&str> =
        variables.iter().zip(&bound).filter(|(_, slot)| slot.is_none()).map(|(variable, _)| variable.as_str()).collect();
    if !missing.is_empty() {
        return plan_err!("the template of {NAME} uses {}, which no column is passed for. Write {USAGE}", missing.join(" and "));
    }
    match unnamed.count() {
        0 => Ok(bound.into_iter().flatten().collect()),
        more => plan_err!("{NAME} has {more} more arguments than its template has places. Write {USAGE}"),
    }
}

fn column_name(argument: &Expr) -> Option<&str> {
    match argument {
        Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => Some(&column.name),
        Expr::Alias(alias) => Some(&alias.name),
        Expr::Cast(cast) => column_name(&cast.expr),
        _ => None,
    }
}

/// The function with its template read; its arguments stand in the order of the variables.
#[derive(Debug)]
struct Render {
    template: Template,
    signature: Signature,
}

impl PartialEq for Render {
    fn eq(&self, other: &Render) -> bool {
        self.template.source() == other.template.source()
    }
}

impl Eq for Render {}

impl Hash for Render {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.template.source().hash(state);
    }
}

impl ScalarUDFImpl for Render {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { arguments.number_rows };
        // a scalar is read once and given to every row
        let columns = arguments.args.iter().map(|argument| match argument {
            ColumnarValue::Scalar(scalar) => Ok((readable(scalar.to_array()?)?, true)),
            ColumnarValue::Array(array) => Ok((readable(Arc::clone(array))?, false)),
        });
        let columns: Vec<(ArrayRef, bool)> = columns.collect::<Result<_>>()?;
        let cells: Vec<(Cells<'_>, bool)> = columns.iter().map(|(array, one)| (Cells::of(array), *one)).collect();
        let mut texts: Vec<Option<String>> = Vec::with_capacity(rows);
        let mut values: Vec<Value> = Vec::with_capacity(cells.len());
        for row in 0..rows {
            values.clear();
            for (cells, one) in &cells {
                values.push(cells.value(if *one { 0 } else { row })?);
            }
            if values.iter().any(Value::is_null) {
                texts.push(None);
                continue;
            }
            let text = self.template.render(&values).map_err(|error| exec_datafusion_err!("{NAME}, row {}: {error}", row + 1))?;
            texts.push(Some(text));
        }
        let built: ArrayRef = Arc::new(StringArray::from(texts));
        if all_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&built, 0)?));
        }
        Ok(ColumnarValue::Array(built))
    }
}
