//! The logical node of a semantic join: two inputs, the question about a pair, and how the user wants it joined.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, JoinType, Result, TableReference, internal_err};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore, build_join_schema};

use super::Way;
use crate::lineage::calls_field;
use crate::node::SemanticCall;

/// What the user says about the way of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Wish {
    /// The way to go, if it is not to be chosen.
    pub(crate) way: Option<Way>,
    /// The share of the matches to be found, in millionths.
    pub(crate) recall_millionths: u32,
    /// What the samples are drawn by.
    pub(crate) seed: u64,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { way: None, recall_millionths: 950_000, seed: 0 }
    }
}

impl Wish {
    pub(crate) fn recall(self) -> f64 {
        f64::from(self.recall_millionths) / 1e6
    }
}

/// Rows of two inputs joined where a model says that they belong together.
#[derive(Debug, Clone)]
pub(crate) struct SemanticJoin {
    pub(crate) left: LogicalPlan,
    pub(crate) right: LogicalPlan,
    /// The question about a pair, over the columns of both.
    pub(crate) call: SemanticCall,
    /// What is embedded of either side, and how.
    pub(crate) left_embed: SemanticCall,
    pub(crate) right_embed: SemanticCall,
    /// What else a pair has to satisfy, without a question.
    pub(crate) condition: Option<Expr>,
    /// `Inner`, `Left`, `LeftSemi` or `LeftAnti`.
    pub(crate) kind: JoinType,
    pub(crate) wish: Wish,
    /// The column that lists the call behind each pair, where it is carried.
    pub(crate) calls_column: Option<String>,
    schema: DFSchemaRef,
}

type Key<'a> = (&'a LogicalPlan, &'a LogicalPlan, &'a SemanticCall, Option<&'a Expr>, JoinType, Wish);

impl SemanticJoin {
    #[expect(clippy::too_many_arguments, reason = "each is a part of the join that the rewrite works out")]
    pub(crate) fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        call: SemanticCall,
        left_embed: SemanticCall,
        right_embed: SemanticCall,
        condition: Option<Expr>,
        kind: JoinType,
        wish: Wish,
    ) -> Result<SemanticJoin> {
        let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &kind)?);
        Ok(SemanticJoin { left, right, call, left_embed, right_embed, condition, kind, wish, calls_column: None, schema })
    }

    /// The node with a column of that name, which lists the call behind each pair.
    pub(crate) fn telling(self, name: String) -> Result<SemanticJoin> {
        let fields = self.schema.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let fields = fields.chain([(None::<TableReference>, calls_field(&name))]).collect();
        let schema = DFSchema::new_with_metadata(fields, self.schema.metadata().clone())?;
        Ok(SemanticJoin { calls_column: Some(name), schema: Arc::new(schema), ..self })
    }

    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The node behind a plan, if it is one of these.
    pub(crate) fn in_plan(plan: &LogicalPlan) -> Option<&SemanticJoin> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<SemanticJoin>(),
            _ => None,
        }
    }

    fn key(&self) -> Key<'_> {
        (&self.left, &self.right, &self.call, self.condition.as_ref(), self.kind, self.wish)
    }

    fn slots(&self) -> impl Iterator<Item = &Expr> {
        let calls = [&self.call, &self.left_embed, &self.right_embed];
        calls.into_iter().flat_map(|call| call.bound.arguments.iter()).chain(self.condition.iter())
    }
}

impl PartialEq for SemanticJoin {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for SemanticJoin {}

impl Hash for SemanticJoin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for SemanticJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key())
    }
}

impl UserDefinedLogicalNodeCore for SemanticJoin {
    fn name(&self) -> &str {
        "SemanticJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.slots().cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SemanticJoin: {} on {}", self.kind, self.call.describe())?;
        match &self.condition {
            Some(condition) => write!(f, " and {condition}"),
            None => Ok(()),
        }
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<SemanticJoin> {
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return internal_err!("a SemanticJoin has two inputs");
        };
        // rules that rewrite expressions name them as they were; the names mean nothing here
        let mut expressions = expressions.into_iter().map(Expr::unalias_nested).map(|transformed| transformed.data);
        let mut node = self.clone();
        let calls = [&mut node.call, &mut node.left_embed, &mut node.right_embed];
        for slot in calls.into_iter().flat_map(|call| call.bound.arguments.iter_mut()).chain(node.condition.iter_mut()) {
            let Some(expression) = expressions.next() else {
                return internal_err!("a SemanticJoin was given too few expressions");
            };
            *slot = expression;
        }
        let made = SemanticJoin::try_new(left, right, node.call, node.left_embed, node.right_embed, node.condition, self.kind, self.wish)?;
        match node.calls_column {
            Some(name) => made.telling(name),
            None => Ok(made),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let of_left = self.left.schema().fields().len();
        let (left, right): (Vec<usize>, Vec<usize>) = output_columns.iter().partition(|index| **index < of_left);
        Some(vec![left, right.into_iter().map(|index| index - of_left).collect()])
    }
}
