//! The logical node of a similarity join.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

use super::Metric;
use crate::node::SemanticCall;

/// The columns beside those of the two sides.
const ADDED: [&str; 2] = ["similarity", "rank"];

/// Each row of the left input beside the nearest rows of the right one.
#[derive(Debug, Clone)]
pub(crate) struct NearestRows {
    pub(crate) left: LogicalPlan,
    pub(crate) right: LogicalPlan,
    /// What is compared of either side: embedded if it is a text, else taken as a vector.
    pub(crate) left_embed: SemanticCall,
    pub(crate) right_embed: SemanticCall,
    pub(crate) k: usize,
    pub(crate) metric: Metric,
    schema: DFSchemaRef,
}

impl NearestRows {
    pub(crate) fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        left_embed: SemanticCall,
        right_embed: SemanticCall,
        k: usize,
        metric: Metric,
    ) -> Result<NearestRows> {
        let schema = Schema::new(fields(left.schema().as_arrow(), right.schema().as_arrow()));
        let schema = Arc::new(DFSchema::try_from(schema)?);
        Ok(NearestRows { left, right, left_embed, right_embed, k, metric, schema })
    }

    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    fn key(&self) -> (&LogicalPlan, &LogicalPlan, [&[Expr]; 2], usize, Metric) {
        let keys = [self.left_embed.bound.arguments.as_slice(), self.right_embed.bound.arguments.as_slice()];
        (&self.left, &self.right, keys, self.k, self.metric)
    }
}

/// The columns of the left side, those of the right side, and how near they are. A name that is taken already gets
/// `_right`, as often as it needs.
pub(crate) fn fields(left: &Schema, right: &Schema) -> Vec<FieldRef> {
    let added = [DataType::Float32, DataType::Int64].into_iter().zip(ADDED).map(|(kind, name)| Arc::new(Field::new(name, kind, false)));
    let mut all: Vec<FieldRef> = left.fields().iter().cloned().collect();
    for field in right.fields().iter().cloned().chain(added) {
        let mut name = field.name().clone();
        while all.iter().any(|taken| *taken.name() == name) {
            name.push_str("_right");
        }
        all.push(if name == *field.name() { field } else { Arc::new(field.as_ref().clone().with_name(name)) });
    }
    all
}

impl PartialEq for NearestRows {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for NearestRows {}

impl Hash for NearestRows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for NearestRows {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key())
    }
}

impl UserDefinedLogicalNodeCore for NearestRows {
    fn name(&self) -> &str {
        "SimilarityJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        [&self.left_embed, &self.right_embed].into_iter().flat_map(|embed| embed.bound.arguments.iter()).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.expressions().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "SimilarityJoin: {} nearest by {} of [{keys}]", self.k, self.metric.name())
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<NearestRows> {
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return internal_err!("a SimilarityJoin has two inputs");
        };
        let mut node = self.clone();
        let slots = [&mut node.left_embed, &mut node.right_embed].into_iter().flat_map(|embed| embed.bound.arguments.iter_mut());
        slots.zip(expressions).for_each(|(slot, expression)| *slot = expression.unalias_nested().data);
        NearestRows::try_new(left, right, node.left_embed, node.right_embed, self.k, self.metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_are_told_apart() {
        let schema = |names: &[&str]| Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>());
        let found = fields(&schema(&["id", "text", "rank"]), &schema(&["id", "name", "id_right"]));
        let names: Vec<&str> = found.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["id", "text", "rank", "id_right", "name", "id_right_right", "similarity", "rank_right"]);
    }
}
