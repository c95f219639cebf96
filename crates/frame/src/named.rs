//! Named arguments of semantic functions: `model => 'x'`. The engine's planner knows them only for functions whose
//! parameters are all named and all given, so each is wrapped into a marker of its own before the planner sees the call,
//! and taken apart again when the call is bound.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion::sql::sqlparser::ast;

/// Where a field of an argument tells that it is a named one.
const NAME_KEY: &str = "corsac.argument";
/// Where it tells the value, if that is a literal.
const VALUE_KEY: &str = "corsac.literal";

/// `semantic_argument('name', value)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamedMarker {
    signature: Signature,
}

impl NamedMarker {
    const NAME: &'static str = "semantic_argument";

    pub(crate) fn new() -> NamedMarker {
        NamedMarker { signature: Signature::user_defined(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for NamedMarker {
    fn name(&self) -> &str {
        NamedMarker::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of a named argument is that of its value")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let ([_, value], [Some(name), literal]) = (arguments.arg_fields, arguments.scalar_arguments) else {
            return plan_err!("an argument is named as in model => 'openai/gpt-4o-mini'");
        };
        let name = name.try_as_str().flatten().unwrap_or_default().to_owned();
        let mut told = HashMap::from([(NAME_KEY.to_owned(), name.clone())]);
        told.extend(literal.map(|value| (VALUE_KEY.to_owned(), value.to_string())));
        Ok(Arc::new(Field::new(name, value.data_type().clone(), true).with_metadata(told)))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("a named argument can only stand in a semantic function")
    }
}

/// Wraps the named arguments of a call in the syntax tree.
pub(crate) fn wrap(arguments: &mut ast::FunctionArguments) {
    let ast::FunctionArguments::List(list) = arguments else { return };
    for argument in &mut list.args {
        if let ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. } = argument {
            *argument = unnamed(marked(name.value.clone(), value.clone()));
        }
    }
}

fn marked(name: String, value: ast::Expr) -> ast::Expr {
    let name = ast::Expr::Value(ast::Value::SingleQuotedString(name).into());
    let arguments = ast::FunctionArgumentList { duplicate_treatment: None, args: vec![unnamed(name), unnamed(value)], clauses: Vec::new() };
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(NamedMarker::NAME)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(arguments),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn unnamed(value: ast::Expr) -> ast::FunctionArg {
    ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value))
}

/// The arguments of a call.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) positional: Vec<Expr>,
    pub(crate) named: Vec<(String, Expr)>,
}

impl Given {
    /// Takes the markers of named arguments off.
    pub(crate) fn of(arguments: &[Expr]) -> Given {
        let mut given = Given { positional: Vec::new(), named: Vec::new() };
        for argument in arguments {
            match named_in(argument) {
                Some(named) => given.named.push(named),
                None => given.positional.push(argument.clone()),
            }
        }
        given
    }
}

/// The name and the value of a named argument.
pub(crate) fn named_in(argument: &Expr) -> Option<(String, Expr)> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = argument else { return None };
    func.inner().downcast_ref::<NamedMarker>()?;
    let [Expr::Literal(name, _), value] = args.as_slice() else { return None };
    Some((name.try_as_str().flatten()?.to_owned(), value.clone()))
}

/// The name of a named argument.
pub(crate) fn name_of(field: &FieldRef) -> Option<&str> {
    field.metadata().get(NAME_KEY).map(String::as_str)
}

/// The literal that a named argument gives, as its text.
pub(crate) fn literal_of<'a>(fields: &'a [FieldRef], name: &str) -> Option<&'a str> {
    let field = fields.iter().find(|field| name_of(field) == Some(name))?;
    field.metadata().get(VALUE_KEY).map(String::as_str)
}

/// A literal in its place among the positional arguments.
pub(crate) fn positional_literal<'a>(arguments: &ReturnFieldArgs<'a>, place: usize) -> Option<&'a ScalarValue> {
    let positional = arguments.arg_fields.iter().zip(arguments.scalar_arguments).filter(|(field, _)| name_of(field).is_none());
    positional.map(|(_, scalar)| *scalar).nth(place).flatten()
}
