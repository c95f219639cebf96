//! Groups of rows whose texts or vectors lie together.

mod kmeans;
