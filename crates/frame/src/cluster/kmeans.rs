//! Groups of vectors that lie together: k-means with the first centres chosen by k-means++ (Arthur and Vassilvitskii,
//! 2007). The same vectors and the same seed give the same groups.

use crate::join::{Draw, Vectors, squared_distance};

/// Lloyd's steps at most; it nearly always settles long before.
const MOST_STEPS: usize = 300;

/// What a clustering found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    /// The number of each vector's group, from 0, in the order in which groups first appear.
    pub(crate) labels: Vec<usize>,
    /// The mean of each group.
    pub(crate) centroids: Vectors,
}

/// Puts vectors into at most `k` groups; fewer when there are fewer different vectors.
pub(crate) fn clusters(vectors: &Vectors, k: usize, seed: u64) -> Clusters {
    let mut centroids = first_centres(vectors, k, &mut Draw::new(seed));
    let mut labels: Vec<usize> = Vec::new();
    for _ in 0..MOST_STEPS {
        let (nearest, distances): (Vec<usize>, Vec<f32>) = vectors.rows().map(|row| closest(row, &centroids)).unzip();
        if nearest == labels {
            break;
        }
        labels = nearest;
        fill_empty(&mut labels, distances, centroids.len());
        centroids = means(vectors, &labels, centroids.len());
    }
    in_order_of_appearance(labels, &centroids)
}

/// Each further centre is a vector drawn with a chance that grows with the square of its distance to those there are.
fn first_centres(vectors: &Vectors, k: usize, draw: &mut Draw) -> Vectors {
    let mut centres = Vectors::new(vectors.dimensions());
    if vectors.len() == 0 || k == 0 {
        return centres;
    }
    centres.push(vectors.row(draw.below(vectors.len())));
    let mut distances = vec![f32::INFINITY; vectors.len()];
    while centres.len() < k.min(vectors.len()) {
        let newest = centres.row(centres.len() - 1);
        for (distance, row) in distances.iter_mut().zip(vectors.rows()) {
            *distance = distance.min(squared_distance(row, newest));
        }
        let total: f64 = distances.iter().map(|distance| f64::from(*distance)).sum();
        if total <= 0.0 {
            // every vector is one of the centres already
            break;
        }
        let mut left = draw.unit() * total;
        let drawn = distances.iter().position(|distance| {
            left -= f64::from(*distance);
            left < 0.0 && *distance > 0.0
        });
        // rounding may leave nothing at the end of the line
        let drawn = drawn.or_else(|| distances.iter().rposition(|distance| *distance > 0.0)).unwrap_or(0);
        centres.push(vectors.row(drawn));
    }
    centres
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

fn means(vectors: &Vectors, labels: &[usize], groups: usize) -> Vectors {
    let size = vectors.dimensions();
    let mut sums = vec![0.0f64; groups * size];
    let mut counts = vec![0usize; groups];
    for (row, label) in vectors.rows().zip(labels) {
        counts[*label] += 1;
        for (sum, number) in sums[label * size..(label + 1) * size].iter_mut().zip(row) {
            *sum += f64::from(*number);
        }
    }
    let mut centroids = Vectors::new(size);
    for (group, count) in counts.iter().enumerate() {
        let mean = |sum: &f64| (*sum / (*count).max(1) as f64) as f32;
        let mean: Vec<f32> = sums[group * size..(group + 1) * size].iter().map(mean).collect();
        centroids.push(&mean);
    }
    centroids
}

fn in_order_of_appearance(labels: Vec<usize>, centroids: &Vectors) -> Clusters {
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
    Clusters { labels, centroids: ordered }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = clusters(&points, 4, seed);
            let wanted: Vec<usize> = (0..100).map(|row| row % 4).collect();
            assert_eq!(found.labels, wanted, "seed {seed}");
            assert!(squared_distance(found.centroids.row(3), &[50.5, 50.5]) < 0.1);
            assert_eq!(found, clusters(&points, 4, seed));
        }
    }

    #[test]
    fn there_are_never_more_groups_than_different_vectors() {
        let mut points = Vectors::new(1);
        [1.0, 1.0, 5.0, 5.0, 1.0].iter().for_each(|number| assert!(points.push(&[*number])));
        let found = clusters(&points, 8, 1);
        assert_eq!(found.labels, [0, 0, 1, 1, 0]);
        assert_eq!((found.centroids.row(0), found.centroids.row(1)), (&[1.0f32][..], &[5.0f32][..]));
        assert!(clusters(&Vectors::new(3), 4, 1).labels.is_empty());
        assert_eq!(clusters(&points, 1, 1).labels, [0; 5]);
    }

    #[test]
    fn an_empty_group_takes_the_farthest() {
        let mut labels = vec![0, 0, 0];
        fill_empty(&mut labels, vec![0.1, 9.0, 0.2], 2);
        assert_eq!(labels, [0, 1, 0]);
    }
}
