//! How near the values of two sides lie to each other, for a join: cosines, set right for texts that lie near to everything.
//!
//! The bare cosine is a poor order. Texts of one side share a tone that says nothing, and some texts are everybody's neighbours
//! while others lie far from all, so that one threshold asks too much about the former and loses the latter. The vectors are
//! moved apart ([`Vectors::apart`](super::Vectors::apart)), and of each cosine the mean cosine of either text with its own
//! nearest ones is taken off (cross-domain similarity local scaling: Conneau et al., 2018).

use super::Metric;
use super::draw::Draw;
use super::side::SideVectors;

/// Values of the other side among which the nearest ones are looked for, and the part of them that counts as near.
const MOST_COMPARED: usize = 1_000;
const NEAR_PART: usize = 100;
const LEAST_NEAR: usize = 5;

/// Both sides' vectors and how crowded it is around each.
#[derive(Debug)]
pub(super) struct Nearness {
    pub(super) of_left: SideVectors,
    pub(super) of_right: SideVectors,
    around_left: Vec<f32>,
    around_right: Vec<f32>,
}

impl Nearness {
    /// Takes as many steps as the sides have values together, times a thousand.
    pub(super) fn new(of_left: SideVectors, of_right: SideVectors, draw: &mut Draw) -> Nearness {
        let apart = |side: SideVectors| SideVectors { vectors: side.vectors.apart(), ..side };
        let (of_left, of_right) = (apart(of_left), apart(of_right));
        let around_left = around(&of_left, &of_right, draw);
        let around_right = around(&of_right, &of_left, draw);
        Nearness { of_left, of_right, around_left, around_right }
    }

    /// How near two vectors are; more is nearer.
    pub(super) fn between(&self, left: usize, right: usize) -> f32 {
        self.set_right(Metric::Cosine.between(self.of_left.vectors.row(left), self.of_right.vectors.row(right)), left, right)
    }

    /// How near every vector of the right side is to one of the left, in order.
    pub(super) fn of_row(&self, left: usize, into: &mut Vec<f32>) {
        self.of_right.vectors.similarities(Metric::Cosine, self.of_left.vectors.row(left), into);
        into.iter_mut().enumerate().for_each(|(right, cosine)| *cosine = self.set_right(*cosine, left, right));
    }

    fn set_right(&self, cosine: f32, left: usize, right: usize) -> f32 {
        let around = |side: &[f32], place: usize| side.get(place).copied().unwrap_or_default();
        2.0 * cosine - around(&self.around_left, left) - around(&self.around_right, right)
    }
}

/// The mean cosine of each vector with the nearest of the other side, or of so many drawn from it.
fn around(side: &SideVectors, other: &SideVectors, draw: &mut Draw) -> Vec<f32> {
    let compared = draw.some_of(other.vectors.len(), MOST_COMPARED);
    let near = (compared.len() / NEAR_PART).max(LEAST_NEAR).min(compared.len());
    let mut cosines: Vec<f32> = Vec::with_capacity(compared.len());
    let one = |vector: &[f32]| {
        cosines.clear();
        cosines.extend(compared.iter().map(|place| Metric::Cosine.between(vector, other.vectors.row(*place))));
        if near < cosines.len() {
            cosines.select_nth_unstable_by(near, |a, b| b.total_cmp(a));
        }
        cosines.iter().take(near).sum::<f32>() / near.max(1) as f32
    };
    side.vectors.rows().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::Vectors;

    fn side(rows: &[[f32; 3]]) -> SideVectors {
        let mut vectors = Vectors::new(3);
        rows.iter().for_each(|row| assert!(vectors.push(row)));
        let places = 0..rows.len() as u32;
        SideVectors { vectors, value_of: places.clone().collect(), vector_of: places.map(Some).collect() }
    }

    #[test]
    fn a_text_that_lies_near_to_everything_is_nobodys_match_for_that() {
        // the first of the left lies between all of the right; the others beside one of them each, farther off than the first
        let left = [[1.0, 1.0, 1.0], [1.0, -0.9, -0.2], [-0.2, 1.0, -0.9], [-0.9, -0.2, 1.0]];
        let right = [[1.0, 0.3, 0.0], [0.0, 1.0, 0.3], [0.3, 0.0, 1.0]];
        let nearness = Nearness::new(side(&left), side(&right), &mut Draw::new(0));
        let mut scores = Vec::new();
        let bare = |vectors: &SideVectors, row: usize, other: &SideVectors, at: usize| {
            Metric::Cosine.between(vectors.vectors.row(row), other.vectors.row(at))
        };
        for own in 0..3 {
            nearness.of_row(own + 1, &mut scores);
            assert!((0..3).all(|right| (scores[right] - nearness.between(own + 1, right)).abs() < 1e-6));
            assert!(scores[own] > nearness.between(0, own), "its own is nearer than what is near to all");
        }
        let (left, right) = (side(&left), side(&right));
        let (left, right) = SideVectors::prepared(left, right, Metric::Cosine).unwrap();
        assert!(bare(&left, 0, &right, 0) > bare(&left, 1, &right, 0), "by the bare cosine it is not");
    }
}
