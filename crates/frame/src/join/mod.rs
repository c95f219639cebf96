//! Joins by meaning: which pairs of rows are worth asking about, and which rows lie nearest to each other.

mod draw;
mod threshold;
mod vectors;
mod way;

pub(crate) use draw::Draw;
pub(crate) use vectors::{Metric, Neighbour, Vectors, squared_distance};
