//! Vectors in one block of memory, and how near they are to each other.

/// Numbers that are added up beside each other, so that the compiler can use wide registers.
const LANES: usize = 8;

/// Vectors of one size, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Vectors {
    dimensions: usize,
    values: Vec<f32>,
}

/// How nearness is measured. More is nearer for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Metric {
    /// The cosine of the angle, from -1 to 1.
    #[default]
    Cosine,
    /// The Euclidean distance below zero: 0 for equal vectors.
    L2,
    /// The dot product.
    Dot,
}

impl Metric {
    pub(crate) const ALL: [Metric; 3] = [Metric::Cosine, Metric::L2, Metric::Dot];

    /// The name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine",
            Metric::L2 => "l2",
            Metric::Dot => "dot",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.name().eq_ignore_ascii_case(name.trim()))
    }

    /// The vectors as [`Metric::between`] wants them.
    pub(crate) fn prepare(self, vectors: Vectors) -> Vectors {
        match self {
            Metric::Cosine => vectors.normalized(),
            Metric::L2 | Metric::Dot => vectors,
        }
    }

    /// How near two prepared vectors of one size are.
    pub(crate) fn between(self, one: &[f32], other: &[f32]) -> f32 {
        match self {
            Metric::Cosine | Metric::Dot => dot(one, other),
            Metric::L2 => -squared_distance(one, other).sqrt(),
        }
    }
}

/// One of the nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Neighbour {
    /// Its place among the vectors that were looked through.
    pub(crate) row: usize,
    pub(crate) similarity: f32,
}

impl Vectors {
    /// No vectors, all of them of this size.
    pub(crate) fn new(dimensions: usize) -> Vectors {
        Vectors { dimensions, values: Vec::new() }
    }

    /// Adds a vector. One of another size, or with a number that is not finite, is left out; tells whether it was taken.
    pub(crate) fn push(&mut self, vector: &[f32]) -> bool {
        let fits = vector.len() == self.dimensions && vector.iter().all(|number| number.is_finite());
        if fits {
            self.values.extend_from_slice(vector);
        }
        fits
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len().checked_div(self.dimensions).unwrap_or(0)
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        self.values.get(row * self.dimensions..(row + 1) * self.dimensions).unwrap_or_default()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        // a size of zero holds nothing, whatever the chunks are
        self.values.chunks_exact(self.dimensions.max(1))
    }

    /// Vectors of length one. One of length zero stays as it is: it has no direction and is near to nothing.
    fn normalized(mut self) -> Vectors {
        for vector in self.values.chunks_exact_mut(self.dimensions.max(1)) {
            let length = dot(vector, vector).sqrt();
            if length > 0.0 {
                vector.iter_mut().for_each(|number| *number /= length);
            }
        }
        self
    }

    /// Vectors of length one, each moved away from the middle of all by half of the way: what all texts of a side share, such
    /// as the words that every one begins with, tells little of any. By half, because where the whole is taken off, sides
    /// that lie apart for good reasons fall together.
    pub(crate) fn apart(self) -> Vectors {
        let mut vectors = self.normalized();
        let count = vectors.len().max(1) as f64;
        let mut middle = vec![0.0f64; vectors.dimensions];
        for vector in vectors.rows() {
            middle.iter_mut().zip(vector).for_each(|(sum, number)| *sum += f64::from(*number));
        }
        for vector in vectors.values.chunks_exact_mut(vectors.dimensions.max(1)) {
            // one without a direction keeps none
            if vector.iter().any(|number| *number != 0.0) {
                vector.iter_mut().zip(&middle).for_each(|(number, sum)| *number -= (0.5 * sum / count) as f32);
            }
        }
        vectors.normalized()
    }

    /// How near each vector is to one, in order.
    pub(crate) fn similarities(&self, metric: Metric, one: &[f32], into: &mut Vec<f32>) {
        into.clear();
        into.extend(self.rows().map(|other| metric.between(one, other)));
    }

    /// The `k` nearest to one, the nearest first; of equally near ones the earlier.
    pub(crate) fn nearest(&self, metric: Metric, one: &[f32], k: usize) -> Vec<Neighbour> {
        let mut found: Vec<Neighbour> =
            self.rows().enumerate().map(|(row, other)| Neighbour { row, similarity: metric.between(one, other) }).collect();
        let nearer = |a: &Neighbour, b: &Neighbour| b.similarity.total_cmp(&a.similarity).then(a.row.cmp(&b.row));
        if k < found.len() {
            found.select_nth_unstable_by(k, nearer);
            found.truncate(k);
        }
        found.sort_unstable_by(nearer);
        found
    }
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    accumulate(one, other, |a, b| a * b)
}

pub(crate) fn squared_distance(one: &[f32], other: &[f32]) -> f32 {
    accumulate(one, other, |a, b| (a - b) * (a - b))
}

fn accumulate(one: &[f32], other: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| term(*a, *b)).sum();
    for (a, b) in ones.zip(others) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vectors(rows: &[&[f32]]) -> Vectors {
        let mut all = Vectors::new(rows[0].len());
        rows.iter().for_each(|row| assert!(all.push(row)));
        all
    }

    fn rows(found: &[Neighbour]) -> Vec<usize> {
        found.iter().map(|neighbour| neighbour.row).collect()
    }

    #[test]
    fn each_metric_has_its_own_nearest() {
        let others = vectors(&[&[10.0, 1.0], &[1.0, 0.0], &[0.0, 1.0], &[-1.0, 0.0]]);
        let one = vectors(&[&[2.0, 0.0]]);
        let nearest = |metric: Metric| {
            let (one, others) = (metric.prepare(one.clone()), metric.prepare(others.clone()));
            rows(&others.nearest(metric, one.row(0), 2))
        };
        assert_eq!(nearest(Metric::Cosine), [1, 0]);
        assert_eq!(nearest(Metric::Dot), [0, 1]);
        assert_eq!(nearest(Metric::L2), [1, 2]);
    }

    #[test]
    fn what_cannot_be_compared_is_left_out() {
        let mut some = Vectors::new(2);
        assert!(some.push(&[0.0, 0.0]));
        assert!(!some.push(&[1.0]) && !some.push(&[f32::NAN, 0.0]) && !some.push(&[1.0, f32::INFINITY]));
        let some = Metric::Cosine.prepare(some);
        assert_eq!(some.nearest(Metric::Cosine, &[1.0, 0.0], 3), [Neighbour { row: 0, similarity: 0.0 }]);
        assert_eq!(Vectors::new(0).nearest(Metric::Dot, &[], 3), []);
    }

    #[test]
    fn what_all_share_is_half_taken_off() {
        let shared = vectors(&[&[10.0, 1.0, 0.0], &[10.0, 0.0, 1.0], &[0.0, 0.0, 0.0]]);
        let cosine = |vectors: &Vectors| dot(vectors.row(0), vectors.row(1));
        let (before, after) = (cosine(&shared.clone().normalized()), cosine(&shared.apart()));
        assert!(before > 0.98 && after < before - 0.005, "{before} {after}");
        let one = vectors(&[&[3.0, 4.0]]).apart();
        assert!((one.row(0)[0] - 0.6).abs() < 1e-6 && (one.row(0)[1] - 0.8).abs() < 1e-6, "one alone keeps its direction");
        assert_eq!(vectors(&[&[0.0, 0.0], &[1.0, 0.0]]).apart().row(0), [0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn the_nearest_are_those_of_a_full_sort(
            (one, others) in (1usize..40).prop_flat_map(|size| {
                let vector = || prop::collection::vec(-9i8..9, size..=size);
                (vector(), prop::collection::vec(vector(), 0..30))
            }),
            k in 0usize..12,
        ) {
            let float = |row: &Vec<i8>| row.iter().map(|number| f32::from(*number)).collect::<Vec<_>>();
            let one = float(&one);
            let mut all = Vectors::new(one.len());
            others.iter().for_each(|row| assert!(all.push(&float(row))));
            for metric in [Metric::Dot, Metric::L2] {
                let mut plain = Vec::new();
                all.similarities(metric, &one, &mut plain);
                let mut places: Vec<usize> = (0..plain.len()).collect();
                places.sort_by(|a, b| plain[*b].total_cmp(&plain[*a]));
                places.truncate(k);
                prop_assert_eq!(rows(&all.nearest(metric, &one, k)), places);
            }
        }
    }
}
