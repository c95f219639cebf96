//! Programs as functions of SQL: `triage(body)` gives a struct of the program's outputs. Like the built-in functions they are
//! markers, replaced when the plan is rewritten.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use corsac_dispatch::CallSettings;
use corsac_program::{Field, Module, Program, Signature as Fields};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;

use crate::answer_type::{excerpt, output_type};
use crate::bind::{BoundCall, constant};
use crate::error::FrameError;
use crate::named::{Given, name_of};
use crate::options::{OF_PROGRAMS, Options};

/// A program under the name it has in SQL.
#[derive(Debug, Clone)]
pub(crate) struct ProgramFunction {
    pub(crate) name: Arc<str>,
    pub(crate) program: Program,
    fields: Fields,
    data_type: DataType,
}

impl ProgramFunction {
    /// A function that asks this program.
    pub(crate) fn new(name: &str, program: Arc<dyn Module>, made_for: CallSettings) -> Result<ProgramFunction, FrameError> {
        let cannot = |why: String| FrameError::query(format!("the function {name} cannot be made: {why}"));
        let program = Program::of_module(name, program).map_err(|error| cannot(error.to_string()))?.made_for(made_for);
        let Some(fields) = program.composed().map(|composed| composed.signature().clone()) else {
            return Err(cannot("it is no program".to_owned()));
        };
        let data_type = output_type(program.output());
        Ok(ProgramFunction { name: name.into(), program, fields, data_type })
    }

    /// How the function is written: `triage(body, channel => …)`.
    pub(crate) fn usage(&self) -> String {
        format!("{}({})", self.name, self.arguments())
    }

    /// Its inputs by name, those that may be left out in brackets.
    pub(crate) fn arguments(&self) -> String {
        let one = |field: &Field| if field.is_optional() { format!("[{}]", field.name) } else { field.name.clone() };
        self.fields.inputs().iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// What it gives, as a type of Arrow.
    pub(crate) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// What it should do.
    pub(crate) fn instructions(&self) -> String {
        let composed = self.program.composed();
        let first = composed.and_then(|composed| composed.module().predictors().into_iter().next().map(|one| one.state.signature));
        first.map(|signature| signature.instructions().to_owned()).unwrap_or_default()
    }

    /// The kind of its module.
    pub(crate) fn module(&self) -> &'static str {
        self.program.composed().map_or("", |composed| composed.module().kind())
    }

    /// Reads the arguments of a call: inputs in their order or by their names, and options by name.
    pub(crate) fn bind(&self, arguments: &[Expr], options: &Arc<ConfigOptions>) -> Result<BoundCall> {
        let usage = self.usage();
        let mut given = Given::of(arguments);
        let variables = self.program.variables();
        let by_name = |value: &Expr, name: &str| constant((&self.name, &usage), Some(value), name, options);
        let told = Options::take(&self.name, OF_PROGRAMS, &mut given, variables, by_name)?;
        if given.positional.len() > variables.len() {
            return plan_err!("{} takes {} inputs, not {}. Write {usage}", self.name, variables.len(), given.positional.len());
        }
        let mut bound: Vec<Option<Expr>> = given.positional.iter().cloned().map(Some).collect();
        bound.resize(variables.len(), None);
        for (name, value) in given.named {
            let Some(place) = variables.iter().position(|variable| *variable == name) else { continue };
            if bound[place].replace(value).is_some() {
                return plan_err!("{} is given {name} twice: in its place and by its name", self.name);
            }
        }
        let (mut names, mut inputs) = (Vec::new(), Vec::new());
        for (field, argument) in self.fields.inputs().iter().zip(bound) {
            match argument {
                Some(argument) => {
                    names.push(field.name.clone());
                    inputs.push(argument);
                }
                None if field.is_optional() => {}
                None => return plan_err!("{} needs {}. Write {usage}", self.name, field.name),
            }
        }
        let outputs: Vec<&str> = self.fields.outputs().iter().map(|field| field.name.as_str()).collect();
        Ok(BoundCall {
            // calls that leave out different inputs ask different things
            identity: format!("{}\u{1e}{}\u{1e}{}", self.name, names.join(","), told.identity()).into(),
            program: self.program.clone().told(&told.settings).given(names),
            arguments: inputs,
            subject: excerpt(&outputs.join(", "), 60).into(),
            settings: told.settings,
            part_tokens: None,
        })
    }
}

/// A program's function as it stands in a query until the plan is rewritten.
#[derive(Debug)]
pub(crate) struct ProgramMarker {
    pub(crate) function: Arc<ProgramFunction>,
    signature: Signature,
}

impl ProgramMarker {
    pub(crate) fn new(function: ProgramFunction) -> ProgramMarker {
        ProgramMarker { function: Arc::new(function), signature: Signature::user_defined(Volatility::Volatile) }
    }

    /// The function of a program that an expression calls.
    pub(crate) fn in_expression(expression: &Expr) -> Option<&Arc<ProgramFunction>> {
        match expression {
            Expr::ScalarFunction(ScalarFunction { func, .. }) => ProgramMarker::in_function(func),
            _ => None,
        }
    }

    fn in_function(function: &ScalarUDF) -> Option<&Arc<ProgramFunction>> {
        function.inner().downcast_ref::<ProgramMarker>().map(|marker| &marker.function)
    }

    /// The functions of programs that a context knows.
    pub(crate) fn all_in(context: &SessionContext) -> Vec<Arc<ProgramFunction>> {
        let state = context.state();
        let mut functions: Vec<_> = state.scalar_functions().values().filter_map(|one| ProgramMarker::in_function(one).cloned()).collect();
        functions.sort_by(|one, other| one.name.cmp(&other.name));
        functions
    }
}

impl PartialEq for ProgramMarker {
    fn eq(&self, other: &ProgramMarker) -> bool {
        Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for ProgramMarker {}

impl Hash for ProgramMarker {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for ProgramMarker {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} is known with its arguments", self.name())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (given, wanted) = (arguments.arg_fields, self.function.program.variables());
        let positional = given.iter().filter(|field| name_of(field).is_none()).count();
        if positional > wanted.len() {
            return plan_err!("{} takes {} inputs, not {positional}. Write {}", self.name(), wanted.len(), self.function.usage());
        }
        Ok(Arc::new(arrow::datatypes::Field::new(self.name(), self.function.data_type.clone(), true)))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{} must be planned by a Corsac session before it can run", self.name())
    }
}

/// The name of a function as the engine looks it up, or why it cannot be one.
pub(crate) fn function_name(name: &str, context: &SessionContext) -> Result<String, FrameError> {
    let lower = name.to_lowercase();
    let plain = lower.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && lower.chars().all(|character| character.is_alphanumeric() || character == '_');
    if !plain {
        return Err(FrameError::query(format!("{name} cannot name a function: use letters, digits and underscores")));
    }
    let state = context.state();
    let known = state.scalar_functions().get(&lower).is_some_and(|function| ProgramMarker::in_function(function).is_none())
        || state.aggregate_functions().contains_key(&lower)
        || state.window_functions().contains_key(&lower)
        || state.table_functions().contains_key(&lower);
    if known {
        return Err(FrameError::query(format!("there is a function {lower} of the engine's own: call it otherwise")));
    }
    Ok(lower)
}
