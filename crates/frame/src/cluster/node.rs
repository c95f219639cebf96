//! The logical node of a clustering, and the rule that drops it where nobody reads what it found.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference, internal_err, plan_err};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::kmeans::Search;
use crate::answer_type::vector_type;
use crate::node::SemanticCall;

/// The columns that are added.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Labels {
    /// The number of the row's group.
    pub(crate) label: String,
    /// The middle of that group, if it is wanted.
    pub(crate) centroid: Option<String>,
}

impl Labels {
    pub(crate) const USUAL: &'static str = "cluster_label";

    pub(crate) fn fields(&self) -> impl Iterator<Item = FieldRef> + '_ {
        let label = Field::new(&self.label, DataType::Int64, true);
        let centroid = self.centroid.iter().map(|name| Field::new(name, vector_type(None), true));
        std::iter::once(label).chain(centroid).map(Arc::new)
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.label).chain(&self.centroid)
    }
}

/// Each row with the group it lies in.
#[derive(Debug, Clone)]
pub(crate) struct Clustered {
    pub(crate) input: LogicalPlan,
    /// What is compared: embedded if it is a text, else taken as a vector.
    pub(crate) embed: SemanticCall,
    pub(crate) search: Search,
    pub(crate) labels: Labels,
    schema: DFSchemaRef,
}

impl Clustered {
    pub(crate) fn try_new(input: LogicalPlan, embed: SemanticCall, search: Search, labels: Labels) -> Result<Clustered> {
        let taken = |name: &&String| input.schema().fields().iter().any(|field| field.name() == *name);
        if let Some(name) = labels.names().find(taken) {
            return plan_err!("the table has a column {name} already: name the column of the clusters otherwise");
        }
        if labels.centroid.as_ref() == Some(&labels.label) {
            return plan_err!("the labels and the centroids of clusters are two columns, and both are called {}", labels.label);
        }
        let inherited = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let added = labels.fields().map(|field| (None::<TableReference>, field));
        let schema = DFSchema::new_with_metadata(inherited.chain(added).collect(), input.schema().metadata().clone())?;
        Ok(Clustered { input, embed, search, labels, schema: Arc::new(schema) })
    }

    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    fn in_plan(plan: &LogicalPlan) -> Option<&Clustered> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<Clustered>(),
            _ => None,
        }
    }

    fn key(&self) -> (&LogicalPlan, &[Expr], Search, &Labels) {
        (&self.input, &self.embed.bound.arguments, self.search, &self.labels)
    }
}

impl PartialEq for Clustered {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Clustered {}

impl Hash for Clustered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Clustered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key().partial_cmp(&other.key())
    }
}

impl UserDefinedLogicalNodeCore for Clustered {
    fn name(&self) -> &str {
        "SemanticCluster"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.embed.bound.arguments.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.embed.bound.arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let names = self.labels.names().map(String::as_str).collect::<Vec<_>>().join(", ");
        write!(f, "SemanticCluster: {} of [{keys}] AS {names}", self.search)
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Clustered> {
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else { return internal_err!("a clustering has one input") };
        let mut embed = self.embed.clone();
        let slots = embed.bound.arguments.iter_mut();
        slots.zip(expressions).for_each(|(slot, expression)| *slot = expression.unalias_nested().data);
        Clustered::try_new(input, embed, self.search, self.labels.clone())
    }
}

/// Drops a clustering whose columns nobody reads: nothing is embedded for it.
#[derive(Debug, Default)]
pub(crate) struct DropUnreadClusters;

impl OptimizerRule for DropUnreadClusters {
    fn name(&self) -> &str {
        "drop_unread_clusters"
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut read: HashSet<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found |= Clustered::in_plan(node).is_some();
            node.apply_expressions(|expression| {
                read.extend(expression.column_refs().into_iter().map(|column| column.name.clone()));
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if !found {
            return Ok(Transformed::no(plan));
        }
        plan.transform_up_with_subqueries(|node| match Clustered::in_plan(&node) {
            Some(clustered) if clustered.labels.names().all(|name| !read.contains(name)) => Ok(Transformed::yes(clustered.input.clone())),
            _ => Ok(Transformed::no(node)),
        })
    }
}
