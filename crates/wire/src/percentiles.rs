//! Percentiles of an endpoint's recent speed, as the catalog gives them and as a request may ask for them.

use serde::{Deserialize, Serialize};

/// Four percentiles; the unit depends on where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Percentiles {
    /// The median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// What three of four reach or beat: longer times, lower rates than the median's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p75: Option<f64>,
    /// What nine of ten reach or beat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    /// What all but one of a hundred reach or beat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
}
