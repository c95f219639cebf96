//! Two tables beside each other: by equal values, by a question to a model, by how near their texts lie.

use std::collections::HashSet;
use std::sync::Arc;

use corsac_frame::semantic;
use corsac_frame::{Clusters, DataFrame, Metric};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, TableReference};
use datafusion::logical_expr::Expr;
use pyo3::prelude::*;

use crate::column::{PyExpr, call};
use crate::frame::{PyFrame, renamed};
use crate::frame_error::{column_not_found, of_engine, of_frame, query};
use crate::json_kind::Kinds;

const LEFT: &str = "left";
const RIGHT: &str = "right";

fn kind_of(how: &str) -> PyResult<JoinType> {
    Ok(match how {
        "inner" => JoinType::Inner,
        "left" => JoinType::Left,
        "right" => JoinType::Right,
        "full" | "outer" => JoinType::Full,
        "semi" | "left_semi" => JoinType::LeftSemi,
        "anti" | "left_anti" => JoinType::LeftAnti,
        other => return Err(query(&format!("{other:?} is no kind of join: inner, left, right, full, semi, anti, cross"))),
    })
}

/// The same expression over one side of a join.
fn on_side(expression: Expr, side: &str) -> PyResult<Expr> {
    let moved = expression.transform_up(|inner| {
        Ok(match inner {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new(Some(TableReference::bare(side)), column.name))),
            other => Transformed::no(other),
        })
    });
    Ok(moved.map_err(of_engine)?.data.unalias())
}

impl PyFrame {
    fn aliased(&self, side: &str) -> PyResult<DataFrame> {
        self.frame.clone().alias(side).map_err(of_frame)
    }

    /// The columns of a join by their names alone; one of the right side that is there already gets `_right`.
    fn apart(&self, other: &PyFrame, joined: DataFrame, left_out: &HashSet<Column>, merged: &[(Column, Expr)]) -> PyResult<PyFrame> {
        let mut taken = HashSet::new();
        let mut columns = Vec::new();
        for column in joined.logical_plan().schema().columns() {
            if left_out.contains(&column) {
                continue;
            }
            if let Some((_, value)) = merged.iter().find(|(key, _)| *key == column) {
                taken.insert(column.name.clone());
                columns.push(value.clone().alias_qualified(Some(TableReference::bare("joined")), column.name));
                continue;
            }
            let mut name = column.name.clone();
            while !taken.insert(name.clone()) {
                name.push_str("_right");
            }
            columns.push(renamed(&column, &name));
        }
        let frame = joined.select(columns).map_err(of_frame)?;
        Ok(PyFrame { frame, session: Arc::clone(&self.session), kinds: self.kinds_beside(other) })
    }

    /// What the columns of both are; a name that both have is that of the left.
    fn kinds_beside(&self, other: &PyFrame) -> Kinds {
        let own = self.frame.columns();
        let others = other.kinds.iter().filter(|(name, _)| !own.contains(name));
        self.kinds.iter().chain(others).map(|(name, kind)| (name.clone(), *kind)).collect()
    }
}

#[pymethods]
impl PyFrame {
    /// Rows with equal values in columns of these names, which are there once in the result.
    fn join_on(&self, other: PyRef<'_, PyFrame>, names: Vec<String>, how: &str) -> PyResult<PyFrame> {
        let kind = kind_of(how)?;
        let side = |table: &str, name: &str| Column::new(Some(TableReference::bare(table)), name);
        for name in &names {
            for (frame, which) in [(self, LEFT), (&*other, RIGHT)] {
                if !frame.frame.columns().contains(name) {
                    let columns = frame.frame.columns().join(", ");
                    return Err(column_not_found(&format!(
                        "the {which} side has no column {name:?} to join on. Its columns are: {columns}"
                    )));
                }
            }
        }
        let on = names.iter().map(|name| Expr::Column(side(LEFT, name)).eq(Expr::Column(side(RIGHT, name))));
        let joined = self.aliased(LEFT)?.join(other.aliased(RIGHT)?, kind, on.collect::<Vec<_>>()).map_err(of_frame)?;
        let left_out: HashSet<Column> = names.iter().map(|name| side(RIGHT, name)).collect();
        let merged = names.iter().map(|name| {
            let (left, right) = (Expr::Column(side(LEFT, name)), Expr::Column(side(RIGHT, name)));
            let value = match kind {
                JoinType::Right => right,
                JoinType::Full => call("coalesce", vec![left, right])?,
                _ => left,
            };
            Ok((side(LEFT, name), value))
        });
        self.apart(&other, joined, &left_out, &merged.collect::<PyResult<Vec<_>>>()?)
    }

    /// Rows for which expressions of both sides are equal, pair by pair.
    fn join_where(
        &self,
        other: PyRef<'_, PyFrame>,
        left_on: Vec<PyRef<'_, PyExpr>>,
        right_on: Vec<PyRef<'_, PyExpr>>,
        how: &str,
    ) -> PyResult<PyFrame> {
        if left_on.len() != right_on.len() || left_on.is_empty() {
            return Err(query("left_on and right_on must name as many columns, and at least one"));
        }
        let pairs = left_on
            .iter()
            .zip(&right_on)
            .map(|(left, right)| Ok(on_side(self.resolved(left)?, LEFT)?.eq(on_side(other.resolved(right)?, RIGHT)?)));
        let pairs = pairs.collect::<PyResult<Vec<_>>>()?;
        // a column that equals one of the other side by this very join is there once: on the side whose rows all stay
        let kind = kind_of(how)?;
        let column = |side: &Expr| match side {
            Expr::Column(column) => Some(column.clone()),
            _ => None,
        };
        let twice = pairs.iter().filter_map(|pair| {
            let Expr::BinaryExpr(pair) = pair else { return None };
            let (left, right) = (column(&pair.left)?, column(&pair.right)?);
            match kind {
                JoinType::Inner | JoinType::Left => Some(right),
                JoinType::Right => Some(left),
                _ => None,
            }
        });
        let left_out: HashSet<Column> = twice.collect();
        let joined = self.aliased(LEFT)?.join(other.aliased(RIGHT)?, kind, pairs).map_err(of_frame)?;
        self.apart(&other, joined, &left_out, &[])
    }

    fn cross_join(&self, other: PyRef<'_, PyFrame>) -> PyResult<PyFrame> {
        let joined = self.aliased(LEFT)?.cross_join(other.aliased(RIGHT)?).map_err(of_frame)?;
        self.apart(&other, joined, &HashSet::new(), &[])
    }

    /// Pairs of rows for which the template's question is answered with yes.
    fn semantic_join(
        &self,
        other: PyRef<'_, PyFrame>,
        template: String,
        left_on: (String, PyRef<'_, PyExpr>),
        right_on: (String, PyRef<'_, PyExpr>),
        named: Vec<(String, PyRef<'_, PyExpr>)>,
        how: &str,
    ) -> PyResult<PyFrame> {
        let left = on_side(self.resolved(&left_on.1)?, LEFT)?;
        let right = on_side(other.resolved(&right_on.1)?, RIGHT)?;
        let question = semantic::predicate(template).column(&left_on.0, left).column(&right_on.0, right);
        DataFrame::check(&corsac_frame::IntoExpr::into_expr(question.clone())).map_err(of_frame)?;
        let question = named.iter().fold(question, |question, (name, value)| question.argument(name, value.expr.clone()));
        let joined = self.aliased(LEFT)?.semantic_join(other.aliased(RIGHT)?, kind_of(how)?, question).map_err(of_frame)?;
        self.apart(&other, joined, &HashSet::new(), &[])
    }

    /// Each row beside the nearest rows of the other, by texts or vectors. `score` is the name of a column for how near they
    /// are; without one there is none.
    #[pyo3(signature = (other, left_on, right_on, k, metric, score = None))]
    fn similarity_join(
        &self,
        other: PyRef<'_, PyFrame>,
        left_on: PyRef<'_, PyExpr>,
        right_on: PyRef<'_, PyExpr>,
        k: usize,
        metric: &str,
        score: Option<&str>,
    ) -> PyResult<PyFrame> {
        let metric = match metric {
            "cosine" => Metric::Cosine,
            "l2" => Metric::L2,
            "dot" => Metric::Dot,
            other => return Err(query(&format!("{other:?} is no way to compare vectors: cosine, l2, dot"))),
        };
        let (left, right) = (self.resolved(&left_on)?, other.resolved(&right_on)?);
        let joined = self.frame.clone().similarity_join(other.frame.clone(), left, right, k, metric).map_err(of_frame)?;
        let columns = joined.logical_plan().schema().columns().into_iter().filter_map(|column| match column.name.as_str() {
            "rank" => None,
            "similarity" => score.map(|name| renamed(&column, name)),
            _ => Some(renamed(&column, &column.name)),
        });
        let columns: Vec<Expr> = columns.collect();
        let frame = joined.select(columns).map_err(of_frame)?;
        Ok(PyFrame { frame, session: Arc::clone(&self.session), kinds: self.kinds_beside(&other) })
    }

    /// The number of the group each row lies in, by texts or vectors.
    #[pyo3(signature = (by, count, label, centroid = None, seed = 0, restarts = 1))]
    fn cluster(
        &self,
        by: PyRef<'_, PyExpr>,
        count: usize,
        label: String,
        centroid: Option<String>,
        seed: u64,
        restarts: usize,
    ) -> PyResult<PyFrame> {
        let by = self.resolved(&by)?;
        let clusters = Clusters { count, label_column: label, centroid_column: centroid, seed, restarts };
        let labelled = self.frame.clone().with_cluster_labels(by, &clusters).map_err(of_frame)?;
        Ok(PyFrame::tidy(Arc::clone(&self.session), labelled)?.with_kinds(self.kinds.clone()))
    }
}
