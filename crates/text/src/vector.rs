//! Arithmetic on embeddings: rows of `f32`, added up in `f64`.

use std::str::FromStr;

use crate::TextError;

/// How two embeddings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Metric {
    /// The cosine of the angle between them: 1 for the same direction, 0 for unrelated, -1 for opposite.
    #[default]
    Cosine,
    /// The dot product.
    Dot,
    /// The length of their difference: 0 for equal ones, and larger is farther.
    L2,
}

impl FromStr for Metric {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Metric, TextError> {
        match name.to_ascii_lowercase().as_str() {
            "cosine" => Ok(Metric::Cosine),
            "dot" => Ok(Metric::Dot),
            "l2" => Ok(Metric::L2),
            _ => Err(TextError::request("the metric", format!("{name:?} is not known; write 'cosine', 'dot' or 'l2'"))),
        }
    }
}

/// Compares two embeddings. Nothing comes of it where one of them has no direction (all zeros, for the cosine) or holds
/// what is not a number.
///
/// # Errors
/// [`TextError::Request`] when they have different lengths, as embeddings of two models do.
pub fn similarity(left: &[f32], right: &[f32], metric: Metric) -> Result<Option<f64>, TextError> {
    if left.len() != right.len() {
        let reason = format!("one has {} numbers and the other {}; both must come from the same model", left.len(), right.len());
        return Err(TextError::request("a pair of embeddings", reason));
    }
    let value = match metric {
        Metric::Cosine => {
            // one root instead of two, so that equal directions give 1 exactly
            let lengths = (dot(left, left) * dot(right, right)).sqrt();
            if lengths > 0.0 { (dot(left, right) / lengths).clamp(-1.0, 1.0) } else { f64::NAN }
        }
        Metric::Dot => dot(left, right),
        Metric::L2 => pairs(left, right).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
    };
    Ok(value.is_finite().then_some(value))
}

/// An embedding of the same direction and length 1. Nothing comes of one without a direction.
pub fn normalized(embedding: &[f32]) -> Option<Vec<f32>> {
    let length = length(embedding);
    (length.is_finite() && length > 0.0).then(|| embedding.iter().map(|number| (f64::from(*number) / length) as f32).collect())
}

fn length(embedding: &[f32]) -> f64 {
    dot(embedding, embedding).sqrt()
}

fn dot(left: &[f32], right: &[f32]) -> f64 {
    // four sums, so that an addition does not wait for the one before it
    let mut sums = [0.0f64; 4];
    let (left_fours, left_rest) = left.as_chunks::<4>();
    let (right_fours, right_rest) = right.as_chunks::<4>();
    for (a, b) in left_fours.iter().zip(right_fours) {
        for lane in 0..4 {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    sums.iter().sum::<f64>() + pairs(left_rest, right_rest).map(|(a, b)| a * b).sum::<f64>()
}

fn pairs<'a>(left: &'a [f32], right: &'a [f32]) -> impl Iterator<Item = (f64, f64)> + 'a {
    left.iter().zip(right).map(|(a, b)| (f64::from(*a), f64::from(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn metrics() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(similarity(&x, &y, Metric::Dot).unwrap(), Some(35.0));
        assert_eq!(similarity(&x, &y, Metric::Cosine).unwrap(), Some(35.0 / 55.0));
        assert_eq!(similarity(&[0.1, 0.2], &[0.2, 0.4], Metric::Cosine).unwrap(), Some(1.0));
        assert_eq!(similarity(&x, &y, Metric::L2).unwrap(), Some(40.0f64.sqrt()));
        assert_eq!(similarity(&[0.0], &[1.0], Metric::Cosine).unwrap(), None);
        assert_eq!(similarity(&[f32::NAN], &[1.0], Metric::Dot).unwrap(), None);
        assert!(similarity(&[1.0], &y, Metric::Dot).unwrap_err().to_string().contains("1 numbers and the other 5"));
        assert_eq!("COSINE".parse::<Metric>().unwrap(), Metric::Cosine);
        assert!("euclid".parse::<Metric>().is_err());
    }

    #[test]
    fn directions() {
        assert_eq!(normalized(&[3.0, 4.0]), Some(vec![0.6, 0.8]));
        assert_eq!(normalized(&[0.0, 0.0]), None);
        assert_eq!(normalized(&[f32::INFINITY]), None);
        assert_eq!(normalized(&[]), None);
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_numbers_do(pair in proptest::collection::vec((any::<f32>(), any::<f32>()), 0..40)) {
            let (left, right): (Vec<f32>, Vec<f32>) = pair.into_iter().unzip();
            for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
                let value = similarity(&left, &right, metric).unwrap();
                prop_assert_eq!(value, similarity(&right, &left, metric).unwrap());
                prop_assert!(value.is_none_or(f64::is_finite));
                prop_assert!(metric != Metric::Cosine || value.is_none_or(|cosine| (-1.0..=1.0).contains(&cosine)));
            }
            if let Some(unit) = normalized(&left) {
                prop_assert!((length(&unit) - 1.0).abs() < 1e-4);
            }
        }
    }
}
