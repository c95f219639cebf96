//! Groups of vectors that lie together: k-means with the first centres chosen by k-means++ (Arthur and Vassilvitskii,
//! 2007). The same vectors and the same seed give the same groups on every machine, which the libraries at hand do not promise.

use std::fmt;

use crate::join::{Draw, Vectors, squared_distance};

/// Lloyd's steps at most; it nearly always settles long before.
const MOST_STEPS: usize = 300;

/// How groups are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Search {
    /// The most groups; there are fewer when there are fewer different vectors.
    pub(crate) groups: usize,
    /// What the first centres are drawn by.
    pub(crate) seed: u64,
    /// How often it is begun anew; the groups that lie closest together are taken.
    pub(crate) restarts: usize,
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} groups, seed {}", self.groups, self.seed)
    }
}

/// What a clustering found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    /// The number of each vector's group, from 0, in the order in which groups first appear.
    pub(crate) labels: Vec<usize>,
    /// The mean of each group.
    pub(crate) centroids: Vectors,
    /// The sum of squared distances from each vector to its centroid.
    spread: f64,
}

impl Search {
    /// Puts vectors into groups. Each counts as often as its weight says.
    pub(crate) fn clusters(self, vectors: &Vectors, weights: &[f64]) -> Clusters {
        let mut draw = Draw::new(self.seed);
        let mut best = once(vectors, weights, self.groups, &mut draw);
        for _ in 1..self.restarts {
            let other = once(vectors, weights, self.groups, &mut draw);
            if other.spread < best.spread {
                best = other;
            }
        }
        best
    }
}

fn once(vectors: &Vectors, weights: &[f64], groups: usize, draw: &mut Draw) -> Clusters {
    let mut centroids = first_centres(vectors, weights, groups, draw);
    let mut labels: Vec<usize> = Vec::new();
    for _ in 0..MOST_STEPS {
        let (mut nearest, distances): (Vec<usize>, Vec<f32>) = vectors.rows().map(|row| closest(row, &centroids)).unzip();
        fill_empty(&mut nearest, distances, centroids.len());
        if nearest == labels {
            break;
        }
        labels = nearest;
        centroids = means(vectors, weights, &labels, centroids.len());
    }
    let distance = |(row, label): (&[f32], &usize)| f64::from(squared_distance(row, centroids.row(*label)));
    let spread = vectors.rows().zip(&labels).map(distance).zip(weights).map(|(distance, weight)| distance * weight).sum();
    in_order_of_appearance(labels, &centroids, spread)
}

/// Each further centre is a vector drawn with a chance that grows with the square of its distance to those there are.
fn first_centres(vectors: &Vectors, weights: &[f64], groups: usize, draw: &mut Draw) -> Vectors {
    let mut centres = Vectors::new(vectors.dimensions());
    if vectors.len() == 0 || groups == 0 {
        return centres;
    }
    centres.push(vectors.row(drawn(weights, draw)));
    let mut distances = vec![f32::INFINITY; vectors.len()];
    while centres.len() < groups.min(vectors.len()) {
        let newest = centres.row(centres.len() - 1);
        for (distance, row) in distances.iter_mut().zip(vectors.rows()) {
            *distance = distance.min(squared_distance(row, newest));
        }
        let chances: Vec<f64> = distances.iter().zip(weights).map(|(distance, weight)| f64::from(*distance) * weight).collect();
        if chances.iter().all(|chance| *chance <= 0.0) {
            // every vector is one of the centres already
            break;
        }
        centres.push(vectors.row(drawn(&chances, draw)));
    }
    centres
}

/// A place drawn with these chances, of which one at least is above 0.
fn drawn(chances: &[f64], draw: &mut Draw) -> usize {
    let mut left = draw.unit() * chances.iter().sum::<f64>();
    let place = chances.iter().position(|chance| {
        left -= chance;
        left < 0.0 && *chance > 0.0
    });
    // rounding may leave nothing at the end of the line
    place.or_else(|| chances.iter().rposition(|chance| *chance > 0.0)).unwrap_or(0)
}

fn closest(row: &[f32], centroids: &Vectors) -> (usize, f32) {
    let distances = centroids.rows().map(|centroid| squared_distance(row, centroid)).enumerate();
    distances.fold((0, f32::INFINITY), |best, next| if next.1 < best.1 { next } else { best })
}

/// A group that lost all its vectors takes the one that lies farthest from its own centre.
fn fill_empty(labels: &mut [usize], mut distances: Vec<f32>, groups: usize) {
    let mut sizes = vec![0usize; groups];
    labels.iter().for_each(|label| sizes[*label] += 1);
    for empty in 0..groups {
        if sizes[empty] > 0 {
            continue;
        }
        let farthest = (0..labels.len()).filter(|row| sizes[labels[*row]] > 1).max_by(|a, b| distances[*a].total_cmp(&distances[*b]));
        if let Some(row) = farthest {
            sizes[labels[row]] -= 1;
            sizes[empty] += 1;
            labels[row] = empty;
            distances[row] = 0.0;
        }
    }
}

fn means(vectors: &Vectors, weights: &[f64], labels: &[usize], groups: usize) -> Vectors {
    let size = vectors.dimensions();
    let mut sums = vec![0.0f64; groups * size];
    let mut totals = vec![0.0f64; groups];
    for ((row, label), weight) in vectors.rows().zip(labels).zip(weights) {
        totals[*label] += weight;
        for (sum, number) in sums[label * size..(label + 1) * size].iter_mut().zip(row) {
            *sum += f64::from(*number) * weight;
        }
    }
    let mut centroids = Vectors::new(size);
    for (group, total) in totals.iter().enumerate() {
        let mean = |sum: &f64| if *total > 0.0 { (*sum / total) as f32 } else { 0.0 };
        let mean: Vec<f32> = sums[group * size..(group + 1) * size].iter().map(mean).collect();
        centroids.push(&mean);
    }
    centroids
}

fn in_order_of_appearance(labels: Vec<usize>, centroids: &Vectors, spread: f64) -> Clusters {
    let mut numbers: Vec<Option<usize>> = vec![None; centroids.len()];
    let mut ordered = Vectors::new(centroids.dimensions());
    let labels = labels
        .into_iter()
        .map(|label| {
            *numbers[label].get_or_insert_with(|| {
                ordered.push(centroids.row(label));
                ordered.len() - 1
            })
        })
        .collect();
    Clusters { labels, centroids: ordered, spread }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn evenly(vectors: &Vectors) -> Vec<f64> {
        vec![1.0; vectors.len()]
    }

    fn search(groups: usize, seed: u64) -> Search {
        Search { groups, seed, restarts: 1 }
    }

    fn line(numbers: &[f32]) -> Vectors {
        let mut points = Vectors::new(1);
        numbers.iter().for_each(|number| assert!(points.push(&[*number])));
        points
    }

    /// Points around centres that lie far apart, in turn.
    fn clouds(centres: &[[f32; 2]], each: usize, seed: u64) -> Vectors {
        let mut draw = Draw::new(seed);
        let mut points = Vectors::new(2);
        for _ in 0..each {
            for centre in centres {
                points.push(&[centre[0] + draw.unit() as f32, centre[1] + draw.unit() as f32]);
            }
        }
        points
    }

    #[test]
    fn clouds_are_found_whatever_the_seed() {
        let points = clouds(&[[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]], 25, 3);
        for seed in 0..20 {
            let found = search(4, seed).clusters(&points, &evenly(&points));
            let wanted: Vec<usize> = (0..100).map(|row| row % 4).collect();
            assert_eq!(found.labels, wanted, "seed {seed}");
            assert!(squared_distance(found.centroids.row(3), &[50.5, 50.5]) < 0.1);
            assert_eq!(found, search(4, seed).clusters(&points, &evenly(&points)));
        }
    }

    #[test]
    fn there_are_never_more_groups_than_different_vectors() {
        let points = line(&[1.0, 1.0, 5.0, 5.0, 1.0]);
        let found = search(8, 1).clusters(&points, &evenly(&points));
        assert_eq!(found.labels, [0, 0, 1, 1, 0]);
        assert_eq!((found.centroids.row(0), found.centroids.row(1)), (&[1.0f32][..], &[5.0f32][..]));
        assert!(search(4, 1).clusters(&Vectors::new(3), &[]).labels.is_empty());
        assert_eq!(search(1, 1).clusters(&points, &evenly(&points)).labels, [0; 5]);
    }

    #[test]
    fn an_empty_group_takes_the_farthest() {
        let mut labels = vec![0, 0, 0];
        fill_empty(&mut labels, vec![0.1, 9.0, 0.2], 2);
        assert_eq!(labels, [0, 1, 0]);
    }

    #[test]
    fn a_restart_never_makes_it_worse() {
        let points = line(&[0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 20.0, 21.0, 22.0, 23.0]);
        for seed in 0..40 {
            let (one, many) = (search(3, seed), Search { restarts: 8, ..search(3, seed) });
            assert!(many.clusters(&points, &evenly(&points)).spread <= one.clusters(&points, &evenly(&points)).spread);
        }
    }

    proptest! {
        #[test]
        fn a_weight_counts_like_as_many_vectors(numbers in prop::collection::vec((-20i8..20, 1usize..4), 1..20), groups in 1usize..5) {
            let points = line(&numbers.iter().map(|(number, _)| f32::from(*number)).collect::<Vec<_>>());
            let weights: Vec<f64> = numbers.iter().map(|(_, weight)| *weight as f64).collect();
            let found = search(groups, 5).clusters(&points, &weights);
            for (group, centroid) in found.centroids.rows().enumerate() {
                let members = || numbers.iter().zip(&found.labels).filter(|(_, label)| **label == group);
                let total: usize = members().map(|((_, weight), _)| weight).sum();
                let sum: f64 = members().map(|((number, weight), _)| f64::from(*number) * *weight as f64).sum();
                prop_assert!((sum / total as f64 - f64::from(centroid[0])).abs() < 1e-4);
            }
            // it stopped where every vector lies at its nearest centroid
            for (row, label) in points.rows().zip(&found.labels) {
                let own = squared_distance(row, found.centroids.row(*label));
                prop_assert!(found.centroids.rows().all(|other| own <= squared_distance(row, other) + 1e-3));
            }
        }
    }
}
