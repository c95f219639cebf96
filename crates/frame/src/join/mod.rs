//! Joins by meaning: which pairs of rows are worth asking about, and which rows lie nearest to each other.

mod belief;
mod calibrate;
mod draw;
mod foretell;
mod judge;
mod nearest;
mod nearest_node;
mod nearness;
mod node;
mod outer;
mod pairs;
mod pick;
mod plan;
mod push;
mod side;
mod similarity;
mod survey;
mod threshold;
mod vectors;
mod way;

pub(crate) use draw::Draw;
pub(crate) use nearest_node::NearestRows;
pub(crate) use node::{SemanticJoin, Wish};
pub(crate) use outer::OuterExec;
pub(crate) use plan::{embedding, pairs_in, plan, plan_nearest};
pub(crate) use push::{FilterBelowSemanticJoin, filtered, reads_only};
pub(crate) use side::PlannedSide;
pub(crate) use similarity::{MOST_NEIGHBOURS, SimilarityJoin, compared};
pub use vectors::Metric;
pub(crate) use vectors::{Vectors, squared_distance};
pub(crate) use way::Way;
