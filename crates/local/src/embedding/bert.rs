//! The BERT encoder with mean pooling, as sentence-transformers runs the MiniLM family: from tokens to one vector of
//! length 1 for each sequence.
//!
//! All tokens of a pass go through the weight products together, without padding; only attention is per sequence.
//! A vector does not depend, bit for bit, on what else was in the pass or on how it was split over threads.

use std::io::{Read, Seek};
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::attention::{HEAD, Keys, attend};
use super::dense::{Dense, Then};
use super::safetensors::{SafeTensors, Unusable};

/// BERT's own epsilon.
const NORM_EPSILON: f32 = 1e-12;

/// The sizes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) layers: usize,
    pub(crate) width: usize,
    pub(crate) feed_forward: usize,
    pub(crate) vocabulary: usize,
    /// Most tokens of a sequence.
    pub(crate) positions: usize,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    query_key_value: Dense,
    attention_output: Dense,
    attention_norm: Norm,
    up: Dense,
    down: Dense,
    output_norm: Norm,
}

/// A model's weights, ready to run.
pub(crate) struct Bert {
    pub(crate) shape: Shape,
    arch: Arch,
    words: Vec<f32>,
    /// Of each position, with what every token of a first segment gets.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

/// Buffers kept between passes.
#[derive(Default)]
pub(crate) struct Workspace {
    hidden: Vec<f32>,
    projected: Vec<f32>,
    blocks: Vec<Block>,
}

/// Buffers of one thread's rows.
#[derive(Default)]
struct Block {
    tiles: Vec<f32>,
    keys: Keys,
    attended: Vec<f32>,
    product: Vec<f32>,
    inner: Vec<f32>,
}

impl Bert {
    /// Reads the weights. Everything a hostile file could get wrong is checked here, so that passes cannot fail.
    /// Runs on the current rayon pool.
    pub(crate) fn read<R: Read + Seek>(file: &mut SafeTensors<R>, vocabulary: usize) -> Result<Self, Unusable> {
        let shape = read_shape(file, vocabulary)?;
        let Shape { width, feed_forward, .. } = shape;
        let norm = |file: &mut SafeTensors<R>, name: &str| -> Result<Norm, Unusable> {
            Ok(Norm {
                weight: file.floats(&format!("{name}.LayerNorm.weight"), &[width])?,
                bias: file.floats(&format!("{name}.LayerNorm.bias"), &[width])?,
            })
        };
        let dense = |file: &mut SafeTensors<R>, names: &[String], outputs: usize, inputs: usize| -> Result<Dense, Unusable> {
            let mut parts = Vec::new();
            for name in names {
                let weights = file.floats(&format!("{name}.weight"), &[outputs, inputs])?;
                parts.push((weights, file.floats(&format!("{name}.bias"), &[outputs])?));
            }
            Ok(Dense::stack(inputs, &parts))
        };
        let words = file.floats("embeddings.word_embeddings.weight", &[vocabulary, width])?;
        let mut positions = file.floats("embeddings.position_embeddings.weight", &[shape.positions, width])?;
        let segments = file.floats("embeddings.token_type_embeddings.weight", &[2, width])?;
        for position in positions.chunks_exact_mut(width) {
            add(position, &segments[..width]);
        }
        let first_norm = norm(file, "embeddings")?;
        let mut layers = Vec::new();
        for index in 0..shape.layers {
            let name = |part: &str| format!("encoder.layer.{index}.{part}");
            let projections = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
            layers.push(Layer {
                query_key_value: dense(file, &projections, width, width)?,
                attention_output: dense(file, &[name("attention.output.dense")], width, width)?,
                attention_norm: norm(file, &name("attention.output"))?,
                up: dense(file, &[name("intermediate.dense")], feed_forward, width)?,
                down: dense(file, &[name("output.dense")], width, feed_forward)?,
                output_norm: norm(file, &name("output"))?,
            });
        }
        Ok(Self { shape, arch: Arch::new(), words, positions, norm: first_norm, layers })
    }

    /// The vector of each sequence. A sequence holds between one and `positions` tokens of the vocabulary. The rows are
    /// shared out in `parts` over the current rayon pool.
    pub(crate) fn embed(&self, sequences: &[&[u32]], parts: usize, work: &mut Workspace) -> Vec<Vec<f32>> {
        let width = self.shape.width;
        let Workspace { hidden, projected, blocks } = work;
        let spans = spans(sequences);
        let rows = spans.last().map_or(0, |span| span.end);
        if rows == 0 {
            return Vec::new();
        }
        let block_rows = rows.div_ceil(parts.max(1));
        blocks.resize_with(rows.div_ceil(block_rows).max(blocks.len()), Block::default);
        hidden.clear();
        hidden.resize(rows * width, 0.0);
        projected.resize(rows * 3 * width, 0.0);
        let tokens = sequences.iter().flat_map(|sequence| sequence.iter().enumerate());
        for ((position, token), row) in tokens.zip(hidden.chunks_exact_mut(width)) {
            row.copy_from_slice(&self.words[*token as usize * width..][..width]);
            self.add_and_norm(row, &self.positions[position * width..][..width], &self.norm);
        }
        for layer in &self.layers {
            hidden
                .par_chunks(block_rows * width)
                .zip(projected.par_chunks_mut(block_rows * 3 * width))
                .zip(blocks.par_iter_mut())
                .with_max_len(1)
                .for_each(|((hidden, projected), block)| {
                    layer.query_key_value.apply(self.arch, hidden, Then::Nothing, projected, &mut block.tiles);
                });
            hidden.par_chunks_mut(block_rows * width).zip(blocks.par_iter_mut()).enumerate().with_max_len(1).for_each(
                |(index, (hidden, block))| {
                    let first = index * block_rows;
                    self.rest_of_layer(layer, first..first + hidden.len() / width, &spans, projected, hidden, block);
                },
            );
        }
        spans.iter().map(|span| pooled(&hidden[span.start * width..span.end * width], width)).collect()
    }

    /// Attention and the feed-forward part for some of the rows.
    fn rest_of_layer(
        &self,
        layer: &Layer,
        rows: Range<usize>,
        spans: &[Range<usize>],
        projected: &[f32],
        hidden: &mut [f32],
        block: &mut Block,
    ) {
        let width = self.shape.width;
        let Block { tiles, keys, attended, product, inner } = block;
        attended.resize(hidden.len(), 0.0);
        product.resize(hidden.len(), 0.0);
        inner.resize(rows.len() * self.shape.feed_forward, 0.0);
        let first = spans.partition_point(|span| span.end <= rows.start);
        for span in spans[first..].iter().take_while(|span| span.start < rows.end) {
            let asking = span.start.max(rows.start)..span.end.min(rows.end);
            let out = &mut attended[(asking.start - rows.start) * width..(asking.end - rows.start) * width];
            attend(self.arch, width, projected, asking, span.clone(), out, keys, tiles);
        }
        layer.attention_output.apply(self.arch, attended, Then::Nothing, product, tiles);
        self.add_and_norm(hidden, product, &layer.attention_norm);
        layer.up.apply(self.arch, hidden, Then::Gelu, inner, tiles);
        layer.down.apply(self.arch, inner, Then::Nothing, product, tiles);
        self.add_and_norm(hidden, product, &layer.output_norm);
    }

    /// Adds to each row and gives it mean 0 and variance 1, then the layer's own scale and shift.
    fn add_and_norm(&self, rows: &mut [f32], added: &[f32], norm: &Norm) {
        self.arch.dispatch(AddAndNorm { rows, added, norm });
    }
}

/// The rows of each sequence.
fn spans(sequences: &[&[u32]]) -> Vec<Range<usize>> {
    let mut end = 0;
    let next = |sequence: &&[u32]| {
        let start = end;
        end += sequence.len();
        start..end
    };
    sequences.iter().map(next).collect()
}

fn read_shape<R: Read + Seek>(file: &SafeTensors<R>, vocabulary: usize) -> Result<Shape, Unusable> {
    let sizes = |name: &str| match file.shape(name)? {
        // far beyond any model that fits a processor's memory, and far from overflowing a product
        [rows, columns] if (1..1 << 20).contains(rows) && (1..1 << 16).contains(columns) => Ok((*rows as usize, *columns as usize)),
        shape => Err(Unusable(format!("{name} has the impossible shape {shape:?}"))),
    };
    let (known, width) = sizes("embeddings.word_embeddings.weight")?;
    if known != vocabulary {
        return Err(Unusable(format!("it knows {known} tokens, but vocab.txt has {vocabulary}")));
    }
    let (positions, _) = sizes("embeddings.position_embeddings.weight")?;
    let (feed_forward, _) = sizes("encoder.layer.0.intermediate.dense.weight")?;
    if !width.is_multiple_of(HEAD) || !feed_forward.is_multiple_of(HEAD) {
        return Err(Unusable(format!("its widths {width} and {feed_forward} are no multiples of {HEAD}, which this engine needs")));
    }
    Ok(Shape { layers: file.count(".intermediate.dense.weight"), width, feed_forward, vocabulary, positions })
}

/// The mean of the rows, scaled to length 1.
fn pooled(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    rows.chunks_exact(width).for_each(|row| add(&mut sum, row));
    let count = (rows.len() / width) as f32;
    sum.iter_mut().for_each(|value| *value /= count);
    let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
    sum.iter_mut().for_each(|value| *value /= length);
    sum
}

fn add(into: &mut [f32], from: &[f32]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
}

struct AddAndNorm<'a> {
    rows: &'a mut [f32],
    added: &'a [f32],
    norm: &'a Norm,
}

impl WithSimd for AddAndNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Norm { weight, bias } = self.norm;
        let width = weight.len();
        for (row, added) in self.rows.chunks_exact_mut(width).zip(self.added.chunks_exact(width)) {
            add(row, added);
            // the width fills whole vectors
            let (values, _) = S::as_mut_simd_f32s(row);
            let mut sum = simd.splat_f32s(0.0);
            for value in values.iter() {
                sum = simd.add_f32s(sum, *value);
            }
            let mean = simd.splat_f32s(simd.reduce_sum_f32s(sum) / width as f32);
            let mut squares = simd.splat_f32s(0.0);
            for value in values.iter_mut() {
                *value = simd.sub_f32s(*value, mean);
                squares = simd.mul_add_f32s(*value, *value, squares);
            }
            let variance = simd.reduce_sum_f32s(squares) / width as f32;
            let scale = simd.splat_f32s(1.0 / (variance + NORM_EPSILON).sqrt());
            for ((value, weight), bias) in values.iter_mut().zip(S::as_simd_f32s(weight).0).zip(S::as_simd_f32s(bias).0) {
                *value = simd.mul_add_f32s(simd.mul_f32s(*value, scale), *weight, *bias);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::synthetic;
    use super::*;

    fn tiny() -> Bert {
        let mut file = SafeTensors::open(Cursor::new(synthetic::safetensors())).unwrap();
        Bert::read(&mut file, synthetic::vocabulary().lines().count()).unwrap_or_else(|why| panic!("{}", why.0))
    }

    fn sequence(length: usize, seed: usize) -> Vec<u32> {
        (0..length).map(|index| ((index * 31 + seed * 17) % 62) as u32).collect()
    }

    /// The same model in the plainest way, in double precision.
    struct Plain(Vec<(String, Vec<f64>)>);

    impl Plain {
        fn of(&self, name: &str) -> &[f64] {
            &self.0.iter().find(|(known, _)| known == name).unwrap().1
        }

        fn dense(&self, name: &str, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
            let (weights, bias) = (self.of(&format!("{name}.weight")), self.of(&format!("{name}.bias")));
            let output = |row: &Vec<f64>, (weights, bias): (&[f64], &f64)| weights.iter().zip(row).map(|(a, b)| a * b).sum::<f64>() + bias;
            rows.iter().map(|row| weights.chunks(row.len()).zip(bias).map(|part| output(row, part)).collect()).collect()
        }

        fn norm(&self, name: &str, rows: &[Vec<f64>], added: &[Vec<f64>]) -> Vec<Vec<f64>> {
            let (weight, bias) = (self.of(&format!("{name}.LayerNorm.weight")), self.of(&format!("{name}.LayerNorm.bias")));
            let norm = |(row, added): (&Vec<f64>, &Vec<f64>)| {
                let sum: Vec<f64> = row.iter().zip(added).map(|(a, b)| a + b).collect();
                let mean = sum.iter().sum::<f64>() / sum.len() as f64;
                let variance = sum.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / sum.len() as f64;
                let scaled = sum.iter().map(|value| (value - mean) / (variance + 1e-12).sqrt());
                scaled.zip(weight.iter().zip(bias)).map(|(value, (weight, bias))| value * weight + bias).collect()
            };
            rows.iter().zip(added).map(norm).collect()
        }

        fn embed(&self, tokens: &[u32]) -> Vec<f64> {
            let width = synthetic::WIDTH;
            let row = |name: &str, index: usize| self.of(name)[index * width..][..width].to_vec();
            let words: Vec<_> = tokens.iter().map(|token| row("embeddings.word_embeddings.weight", *token as usize)).collect();
            let position = |index: usize| {
                let segment = row("embeddings.token_type_embeddings.weight", 0);
                row("embeddings.position_embeddings.weight", index).iter().zip(segment).map(|(a, b)| a + b).collect()
            };
            let mut hidden = self.norm("embeddings", &words, &(0..tokens.len()).map(position).collect::<Vec<_>>());
            for layer in 0..synthetic::LAYERS {
                let name = |part: &str| format!("encoder.layer.{layer}.{part}");
                let [queries, keys, values] =
                    ["query", "key", "value"].map(|part| self.dense(&name(&format!("attention.self.{part}")), &hidden));
                let mut attended = vec![vec![0.0; width]; tokens.len()];
                for head in (0..width).step_by(32) {
                    for (query, out) in queries.iter().zip(&mut attended) {
                        let score = |key: &Vec<f64>| (head..head + 32).map(|at| query[at] * key[at]).sum::<f64>() / 32f64.sqrt();
                        let shares: Vec<f64> = keys.iter().map(|key| score(key).exp()).collect();
                        let whole: f64 = shares.iter().sum();
                        for at in head..head + 32 {
                            out[at] = shares.iter().zip(&values).map(|(share, value)| share / whole * value[at]).sum();
                        }
                    }
                }
                let product = self.dense(&name("attention.output.dense"), &attended);
                hidden = self.norm(&name("attention.output"), &hidden, &product);
                let mut inner = self.dense(&name("intermediate.dense"), &hidden);
                inner.iter_mut().flatten().for_each(|value| *value = f64::from(crate::elementary::gelu(*value as f32)));
                let product = self.dense(&name("output.dense"), &inner);
                hidden = self.norm(&name("output"), &hidden, &product);
            }
            let mean: Vec<f64> = (0..width).map(|at| hidden.iter().map(|row| row[at]).sum::<f64>() / hidden.len() as f64).collect();
            let length = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
            mean.iter().map(|value| value / length).collect()
        }
    }

    #[test]
    fn vectors_are_those_of_the_plain_computation() {
        let widened = |(name, _, values): (String, Vec<usize>, Vec<f32>)| (name, values.into_iter().map(f64::from).collect());
        let plain = Plain(synthetic::tensors().into_iter().map(widened).collect());
        let mut bert = tiny();
        #[cfg(target_arch = "x86_64")]
        let narrow = pulp::x86::V3::try_new().map(Arch::V3);
        #[cfg(not(target_arch = "x86_64"))]
        let narrow = None;
        for arch in [Some(Arch::new()), narrow, Some(Arch::Scalar)].into_iter().flatten() {
            bert.arch = arch;
            for length in [1, 2, 13, 32, 33, 100] {
                let tokens = sequence(length, 3);
                let vectors = bert.embed(&[&tokens], 1, &mut Workspace::default());
                for (got, expected) in vectors[0].iter().zip(plain.embed(&tokens)) {
                    assert!((f64::from(*got) - expected).abs() < 2e-6, "{length} tokens: {got} is not {expected}");
                }
            }
        }
    }

    #[test]
    fn company_and_threads_do_not_change_a_vector() {
        let bert = tiny();
        let sequences: Vec<Vec<u32>> = [5, 1, 40, 33, 2, 100, 7].iter().enumerate().map(|(seed, length)| sequence(*length, seed)).collect();
        let rows: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let mut work = Workspace::default();
        let together = bert.embed(&rows, 1, &mut work);
        for parts in [2, 3, 1000] {
            assert_eq!(bert.embed(&rows, parts, &mut work), together);
        }
        for (row, vector) in rows.iter().zip(&together) {
            assert_eq!(&bert.embed(&[row], 1, &mut work)[0], vector);
        }
        assert_ne!(together[0], together[1]);
        assert!(bert.embed(&[], 4, &mut work).is_empty());
    }

    #[test]
    fn damaged_files_are_refused_or_read_but_never_panic() {
        let whole = synthetic::safetensors();
        let words = synthetic::vocabulary().lines().count();
        let read = |bytes: &[u8]| Bert::read(&mut SafeTensors::open(Cursor::new(bytes))?, words).map(drop);
        assert!(read(&whole).is_ok());
        for length in (0..whole.len()).step_by(499) {
            assert!(read(&whole[..length]).is_err(), "the first {length} bytes were taken for a model");
        }
        let header = whole.windows(4).position(|bytes| bytes == b"]}}\0").unwrap_or(4000);
        let (mut state, mut refused) = (7u64, 0);
        for _ in 0..1500 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut damaged = whole.clone();
            damaged[(state >> 33) as usize % header] = b"0987654321]}[{,:x\"\xff\0"[(state >> 58) as usize % 20];
            refused += usize::from(read(&damaged).is_err());
        }
        assert!(refused > 500, "only {refused} damaged files were noticed");
    }

    #[test]
    fn sizes_that_do_not_fit_are_told() {
        let mut file = SafeTensors::open(Cursor::new(synthetic::safetensors())).unwrap();
        assert!(Bert::read(&mut file, 10).is_err_and(|why| why.0.contains("vocab.txt has 10")));
    }
}
