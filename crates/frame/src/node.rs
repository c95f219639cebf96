//! The logical plan node that asks: its input's columns, and beside them one column for the value of each call and one
//! for its outcome where a query reads it.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use corsac_program::Program;
use datafusion::common::TableReference;
use datafusion::common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::answer_type::output_type;
use crate::bind::BoundCall;
use crate::function::outcome_type;
use crate::lineage::calls_field;

/// One call of a [`Semantic`] node.
#[derive(Debug, Clone)]
pub(crate) struct SemanticCall {
    pub(crate) bound: BoundCall,
    /// Only rows for which this holds are asked.
    pub(crate) guard: Option<Expr>,
    /// The column for the value, if anything reads it.
    pub(crate) value_column: Option<String>,
    /// The column for the outcome, if anything reads it.
    pub(crate) outcome_column: Option<String>,
}

type CallKey<'a> = (&'a str, &'a [Expr], Option<&'a Expr>, Option<&'a str>, Option<&'a str>);

impl SemanticCall {
    fn key(&self) -> CallKey<'_> {
        (&self.bound.identity, &self.bound.arguments, self.guard.as_ref(), self.value_column.as_deref(), self.outcome_column.as_deref())
    }

    pub(crate) fn program(&self) -> &Program {
        &self.bound.program
    }

    pub(crate) fn value_type(&self) -> DataType {
        output_type(self.program().output())
    }

    /// The columns this call adds, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = FieldRef> + '_ {
        let value = self.value_column.iter().map(|name| Field::new(name, self.value_type(), true));
        let outcome = self.outcome_column.iter().map(|name| Field::new(name, outcome_type(&self.value_type()), true));
        value.chain(outcome).map(Arc::new)
    }

    /// How a plan shows the call.
    pub(crate) fn describe(&self) -> String {
        let inputs = self.bound.arguments.iter().map(|argument| argument.to_string()).collect::<Vec<_>>().join(", ");
        describe_call(self.bound.name(), &inputs, &self.bound.subject, self.guard.as_ref().map(ToString::to_string).as_deref())
    }

    fn columns(&self) -> impl Iterator<Item = &String> {
        self.value_column.iter().chain(self.outcome_column.iter())
    }
}

/// `semantic_classify(text → positive|negative) when stars > 3`.
pub(crate) fn describe_call(operator: &str, inputs: &str, subject: &str, guard: Option<&str>) -> String {
    let guard = guard.map(|guard| format!(" when {guard}")).unwrap_or_default();
    format!("{operator}({inputs} → {subject}){guard}")
}

impl PartialEq for SemanticCall {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for SemanticCall {}

impl Hash for SemanticCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for SemanticCall {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key())
    }
}

/// Calls made for every row of an input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Semantic {
    pub(crate) input: LogicalPlan,
    pub(crate) calls: Vec<SemanticCall>,
    /// Why the calls are asked at this place of the plan, where that was decided.
    pub(crate) why: Option<Arc<str>>,
    /// The column that lists the calls behind each row, where it is carried.
    pub(crate) calls_column: Option<String>,
    schema: DFSchemaRef,
}

impl PartialOrd for Semantic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (&self.input, &self.calls).partial_cmp(&(&other.input, &other.calls))
    }
}

impl Semantic {
    pub(crate) const NAME: &'static str = "Semantic";

    pub(crate) fn try_new(input: LogicalPlan, calls: Vec<SemanticCall>) -> Result<Semantic> {
        let inherited = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let added = calls.iter().flat_map(SemanticCall::fields).map(|field| (None::<TableReference>, field));
        let schema = DFSchema::new_with_metadata(inherited.chain(added).collect(), input.schema().metadata().clone())?;
        Ok(Semantic { input, calls, why: None, calls_column: None, schema: Arc::new(schema) })
    }

    /// The node with a column of that name, which lists the calls behind each row.
    pub(crate) fn telling(self, name: String) -> Result<Semantic> {
        let fields = self.schema.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let fields = fields.chain([(None::<TableReference>, calls_field(&name))]).collect();
        let schema = DFSchema::new_with_metadata(fields, self.schema.metadata().clone())?;
        Ok(Semantic { calls_column: Some(name), schema: Arc::new(schema), ..self })
    }

    /// The node with the reason for its place.
    pub(crate) fn because(self, why: Option<Arc<str>>) -> Semantic {
        Semantic { why, ..self }
    }

    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The node behind a plan, if it is one of these.
    pub(crate) fn in_plan(plan: &LogicalPlan) -> Option<&Semantic> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<Semantic>(),
            _ => None,
        }
    }
}

impl UserDefinedLogicalNodeCore for Semantic {
    fn name(&self) -> &str {
        Semantic::NAME
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.calls.iter().flat_map(|call| call.bound.arguments.iter().chain(call.guard.iter())).cloned().collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.calls.iter().flat_map(SemanticCall::columns).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Semantic: ")?;
        for (index, call) in self.calls.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let columns = call.columns().map(String::as_str).collect::<Vec<_>>().join(", ");
            write!(f, "{separator}{} AS {columns}", call.describe())?;
        }
        match &self.why {
            Some(why) => write!(f, " [{why}]"),
            None => Ok(()),
        }
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Semantic> {
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return internal_err!("a Semantic node has one input");
        };
        // rules that rewrite expressions name them as they were; the names mean nothing here
        let mut expressions = expressions.into_iter().map(Expr::unalias_nested).map(|transformed| transformed.data);
        let mut calls = self.calls.clone();
        for call in &mut calls {
            for slot in call.bound.arguments.iter_mut().chain(call.guard.iter_mut()) {
                let Some(expression) = expressions.next() else {
                    return internal_err!("a Semantic node was given too few expressions");
                };
                *slot = expression;
            }
        }
        let node = Semantic::try_new(input, calls)?.because(self.why.clone());
        match &self.calls_column {
            Some(name) => node.telling(name.clone()),
            None => Ok(node),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let inherited = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|index| *index < inherited).collect()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}
