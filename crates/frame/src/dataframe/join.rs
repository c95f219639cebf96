//! Two frames beside each other: by a condition, by a question to a model, or by how near their texts lie.

use datafusion::common::{Column, JoinType};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::Expr;

use super::{DataFrame, Framed, IntoExpr};
use crate::cluster::{Clustered, Labels, MOST_CLUSTERS, Search};
use crate::error::FrameError;
pub use crate::join::Metric;
use crate::join::{MOST_NEIGHBOURS, NearestRows, compared};
use crate::node::SemanticCall;

/// The groups that [`DataFrame::with_cluster_labels`] looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// How many; there are fewer where there are fewer different vectors.
    pub count: usize,
    /// The column for the number of a row's group, from 0.
    pub label_column: String,
    /// The column for the middle of that group, if it is wanted.
    pub centroid_column: Option<String>,
    /// What the first middles are drawn by.
    pub seed: u64,
    /// How often the search begins anew; the groups that lie closest together are taken.
    pub restarts: usize,
}

impl Clusters {
    /// So many groups, their numbers in `cluster_label`.
    pub fn new(count: usize) -> Clusters {
        Clusters { count, label_column: Labels::USUAL.to_owned(), centroid_column: None, seed: 0, restarts: 1 }
    }
}

impl DataFrame {
    /// The pairs of rows for which all of these conditions hold. Semantic calls may stand in them: see
    /// [`DataFrame::semantic_join`].
    ///
    /// # Errors
    /// [`FrameError::Query`], also for columns of one name on both sides: give each side a name with [`DataFrame::alias`].
    pub fn join(self, right: DataFrame, kind: JoinType, on: impl IntoIterator<Item = impl IntoExpr>) -> Framed {
        let on: Vec<Expr> = on.into_iter().map(IntoExpr::into_expr).collect();
        let joined = self.built(|plan| plan.join_on(right.plan, kind, on));
        joined.map_err(|error| match error {
            FrameError::Query { message } if message.contains("duplicate") || message.contains("mbiguous") => FrameError::query(format!(
                "{message}. Where both sides have a column of one name, give each side a name: frame.alias(\"a\"), then col(\"a.id\")"
            )),
            other => other,
        })
    }

    /// The pairs of rows that have equal values in columns of these names.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn join_using<'a>(self, right: DataFrame, kind: JoinType, columns: impl IntoIterator<Item = &'a str>) -> Framed {
        let names: Vec<&str> = columns.into_iter().collect();
        let left = self.told_apart(&right, "left")?;
        let right = right.told_apart(&left, "right")?;
        let keys_of = |frame: &DataFrame| names.iter().map(|name| frame.column(name)).collect::<Result<Vec<_>, _>>();
        let (of_left, of_right) = (keys_of(&left)?, keys_of(&right)?);
        let keys = (of_left.clone(), of_right.clone());
        let joined = left.built(|plan| plan.join(right.plan, kind, keys, None))?;
        // of two columns with one name there is one in the result: that of a side which has every row, or either's
        let kept = |column: Column| match (kind, of_left.iter().position(|own| *own == column).and_then(|place| of_right.get(place))) {
            (JoinType::Right, Some(other)) => Expr::Column(other.clone()),
            (JoinType::Full, Some(other)) => {
                let either = vec![Expr::Column(column.clone()), Expr::Column(other.clone())];
                coalesce(either).alias_qualified(column.relation, column.name)
            }
            _ => Expr::Column(column),
        };
        let columns = joined.plan.schema().columns().into_iter();
        let all: Vec<Expr> = match kind {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                columns.filter(|column| !of_right.contains(column)).map(kept).collect()
            }
            _ => return Ok(joined),
        };
        joined.built(|plan| plan.project(all))
    }

    /// The frame under a name of its own where it has none, or the same as the other.
    fn told_apart(self, other: &DataFrame, name: &str) -> Framed {
        let taken = |column: &Column| other.plan.schema().has_column(column);
        if self.plan.schema().columns().iter().any(taken) { self.alias(name) } else { Ok(self) }
    }

    /// Every row beside every row of the other.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn cross_join(self, right: DataFrame) -> Framed {
        self.built(|plan| plan.cross_join(right.plan))
    }

    /// The pairs of rows for which a question is answered with yes: a [`predicate`](crate::semantic::predicate) whose columns
    /// come from one side each, or a condition with one in it. Only pairs worth asking about are asked about; see
    /// [`Call::strategy`](crate::semantic::Call::strategy) and [`Call::recall`](crate::semantic::Call::recall).
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn semantic_join(self, right: DataFrame, kind: JoinType, condition: impl IntoExpr) -> Framed {
        self.join(right, kind, [condition.into_expr()])
    }

    /// Each row beside the `k` rows of the other that lie nearest, by vectors or by the vectors of texts. The columns
    /// `similarity` and `rank` are added; a name that is there twice gets `_right`.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn similarity_join(self, right: DataFrame, left_on: impl IntoExpr, right_on: impl IntoExpr, k: usize, metric: Metric) -> Framed {
        if !(1..=MOST_NEIGHBOURS).contains(&(k as u64)) {
            return Err(FrameError::query(format!("k of similarity_join must be a whole number from 1 to {}, not {k}", MOST_NEIGHBOURS)));
        }
        let (left, left_embed, left_added) = self.embedded(left_on.into_expr(), "left")?;
        let (right, right_embed, right_added) = right.embedded(right_on.into_expr(), "right")?;
        let DataFrame { core, plan } = left;
        let node = NearestRows::try_new(plan, right.plan, left_embed, right_embed, k, metric).map_err(FrameError::from_planning)?;
        let joined = DataFrame { core, plan: node.into_plan() };
        let added: Vec<&str> = left_added.iter().chain(&right_added).map(String::as_str).collect();
        if added.is_empty() { Ok(joined) } else { joined.drop(added) }
    }

    /// The rows with the number of the group each lies in, by vectors or by the vectors of texts: k-means, the same for the same
    /// `seed`. Groups are numbered in the order in which they first appear. A row that is NULL, blank or without a vector has
    /// no group. With a name for it, the middle of the row's group is a column too.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub fn with_cluster_labels(self, by: impl IntoExpr, clusters: &Clusters) -> Framed {
        let Clusters { count, label_column, centroid_column, seed, restarts } = clusters.clone();
        if !(1..=MOST_CLUSTERS).contains(&(count as u64)) || restarts == 0 {
            return Err(FrameError::query(format!(
                "clusters are from 1 to {MOST_CLUSTERS}, with 1 restart or more; not {count} with {restarts}"
            )));
        }
        let (frame, embed, added) = self.embedded(by.into_expr(), "cluster")?;
        let DataFrame { core, plan } = frame;
        let search = Search { groups: count, seed, restarts };
        let labels = Labels { label: label_column, centroid: centroid_column };
        let node = Clustered::try_new(plan, embed, search, labels).map_err(FrameError::from_planning)?;
        let labelled = DataFrame { core, plan: node.into_plan() };
        match added {
            Some(added) => labelled.drop([added.as_str()]),
            None => Ok(labelled),
        }
    }

    /// The frame with what is compared as a column of it, how that is embedded, and the column's name if it was added.
    pub(super) fn embedded(self, on: Expr, side: &str) -> Result<(DataFrame, SemanticCall, Option<String>), FrameError> {
        let (frame, column, added) = match on {
            Expr::Column(column) => (self, column, None),
            other => {
                let name = format!("compared#{side}");
                let frame = self.with_column(&name, other)?;
                (frame, Column::new_unqualified(name.as_str()), Some(name))
            }
        };
        let named = frame.plan.schema().qualified_field_from_column(&column).map(Column::from).map_err(FrameError::from_planning)?;
        let state = frame.core.context.state();
        let call = compared(named, state.config_options()).map_err(FrameError::from_planning)?;
        Ok((frame, call, added))
    }
}
