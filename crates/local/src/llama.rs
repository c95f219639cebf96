//! The llama architecture: from tokens to the hidden state that predicts the next one.
//!
//! One pass takes any number of sequences with any number of new tokens each. All tokens go through the weight
//! products together; only attention is per sequence.

use std::io::{Read, Seek};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::elementary::exponential;
use crate::gguf::{Gguf, GgufError};
use crate::matrix::{Matrix, Scratch};
use crate::quant::to_f32;
use crate::sequence::{LayerCache, Sequence};

/// The sizes of a model.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) layers: usize,
    pub(crate) width: usize,
    pub(crate) heads: usize,
    pub(crate) key_value_heads: usize,
    pub(crate) head_width: usize,
    pub(crate) feed_forward: usize,
    pub(crate) context: usize,
    pub(crate) vocabulary: usize,
    norm_epsilon: f32,
}

impl Shape {
    /// Values of one token's keys (or values) in one layer.
    fn key_value_width(&self) -> usize {
        self.key_value_heads * self.head_width
    }
}

struct Layer {
    attention_norm: Vec<f32>,
    query_key_value: Matrix,
    attention_output: Matrix,
    feed_forward_norm: Vec<f32>,
    gate_up: Matrix,
    down: Matrix,
}

/// A model's weights, ready to run.
pub(crate) struct Llama {
    pub(crate) shape: Shape,
    arch: Arch,
    embedding: Matrix,
    /// None when the output weights are the embedding.
    output: Option<Matrix>,
    output_norm: Vec<f32>,
    layers: Vec<Layer>,
    /// Turns per token position of each pair of dimensions in a head.
    frequencies: Vec<f32>,
}

/// One sequence's part in a pass.
pub(crate) struct Span<'a> {
    pub(crate) sequence: &'a mut Sequence,
    /// The tokens that follow those the sequence has seen; not empty.
    pub(crate) tokens: &'a [u32],
    /// Offsets into `tokens` whose hidden states are wanted.
    pub(crate) wanted: std::ops::Range<usize>,
}

/// Buffers kept between passes.
#[derive(Default)]
pub(crate) struct Workspace {
    scratch: Scratch,
    hidden: Vec<f32>,
    normed: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    product: Vec<f32>,
}

impl Llama {
    /// Reads the weights. Everything a hostile file could get wrong is checked here, so that passes cannot fail.
    pub(crate) fn read<R: Read + Seek>(file: &mut Gguf<R>, vocabulary: usize) -> Result<Self, GgufError> {
        let shape = read_shape(file, vocabulary)?;
        let matrix = |file: &mut Gguf<R>, names: &[String], rows: usize, columns: usize| -> Result<Matrix, GgufError> {
            let tensors = names.iter().map(|name| file.matrix(name)).collect::<Result<Vec<_>, _>>()?;
            let matrix = Matrix::stack(&tensors)?;
            if (matrix.rows(), matrix.columns()) != (rows, columns) {
                return Err(GgufError(format!(
                    "{} has shape {}×{}, not {rows}×{columns}",
                    names.join("+"),
                    matrix.rows(),
                    matrix.columns()
                )));
            }
            Ok(matrix)
        };
        let vector = |file: &mut Gguf<R>, name: &str, length: usize| -> Result<Vec<f32>, GgufError> {
            let tensor = file.matrix(name)?;
            let values = to_f32(tensor.format, &tensor.bytes);
            if values.len() != length {
                return Err(GgufError(format!("{name} has {} values, not {length}", values.len())));
            }
            Ok(values)
        };
        let embedding = matrix(file, &["token_embd.weight".into()], vocabulary, shape.width)?;
        let output = match file.has_tensor("output.weight") {
            true => Some(matrix(file, &["output.weight".into()], vocabulary, shape.width)?),
            false => None,
        };
        let output_norm = vector(file, "output_norm.weight", shape.width)?;
        let queries = shape.heads * shape.head_width;
        let mut layers = Vec::new();
        for index in 0..shape.layers {
            let name = |part: &str| format!("blk.{index}.{part}.weight");
            if file.has_tensor(&format!("blk.{index}.attn_q.bias")) {
                return Err(GgufError("its attention has biases, which this engine does not run".into()));
            }
            layers.push(Layer {
                attention_norm: vector(file, &name("attn_norm"), shape.width)?,
                query_key_value: matrix(
                    file,
                    &[name("attn_q"), name("attn_k"), name("attn_v")],
                    queries + 2 * shape.key_value_width(),
                    shape.width,
                )?,
                attention_output: matrix(file, &[name("attn_output")], shape.width, queries)?,
                feed_forward_norm: vector(file, &name("ffn_norm"), shape.width)?,
                gate_up: matrix(file, &[name("ffn_gate"), name("ffn_up")], 2 * shape.feed_forward, shape.width)?,
                down: matrix(file, &[name("ffn_down")], shape.width, shape.feed_forward)?,
            });
        }
        let frequencies = read_frequencies(file, shape.head_width)?;
        Ok(Self { shape, arch: Arch::new(), embedding, output, output_norm, layers, frequencies })
    }

    /// Runs every span's tokens and returns the wanted hidden states, row-major, in the order of the spans.
    /// Runs on the current rayon pool.
    pub(crate) fn pass(&self, spans: &mut [Span<'_>], work: &mut Workspace) -> Vec<f32> {
        let shape = &self.shape;
        let queries = shape.heads * shape.head_width;
        let key_values = shape.key_value_width();
        let projected_width = queries + 2 * key_values;
        let places = places(spans);
        let Workspace { scratch, hidden, normed, projected, attended, product } = work;
        hidden.clear();
        hidden.resize(places.len() * shape.width, 0.0);
        let tokens = spans.iter().flat_map(|span| span.tokens);
        for (token, row) in tokens.zip(hidden.chunks_exact_mut(shape.width)) {
            self.embedding.row(*token as usize, row);
        }
        attended.clear();
        attended.resize(places.len() * queries, 0.0);
        for span in spans.iter_mut() {
            span.sequence.own.layers.resize_with(shape.layers, LayerCache::default);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.norm(hidden, &layer.attention_norm, normed);
            layer.query_key_value.multiply(self.arch, normed, projected, scratch);
            projected.par_chunks_mut(projected_width).with_min_len(16).zip(&places).for_each(|(row, place)| {
                for head in row[..queries + key_values].chunks_exact_mut(shape.head_width) {
                    rotate(head, place.position, &self.frequencies);
                }
            });
            let mut rows = projected.chunks_exact(projected_width);
            for span in spans.iter_mut() {
                let cache = &mut span.sequence.own.layers[index];
                for row in rows.by_ref().take(span.tokens.len()) {
                    cache.keys.extend_from_slice(&row[queries..queries + key_values]);
                    cache.values.extend_from_slice(&row[queries + key_values..]);
                }
            }
            let sequences: Vec<&Sequence> = spans.iter().map(|span| &*span.sequence).collect();
            attended.par_chunks_mut(queries).zip(projected.par_chunks(projected_width)).zip(&places).for_each(|((out, row), place)| {
                self.arch.dispatch(Attention {
                    shape,
                    layer: index,
                    sequence: sequences[place.span],
                    queries: &row[..queries],
                    visible: place.position + 1,
                    out,
                });
            });
            layer.attention_output.multiply(self.arch, attended, product, scratch);
            add(hidden, product);
            self.norm(hidden, &layer.feed_forward_norm, normed);
            layer.gate_up.multiply(self.arch, normed, projected, scratch);
            self.gate(projected);
            // the gated half now stands first in each row
            normed.clear();
            for row in projected.chunks_exact(2 * shape.feed_forward) {
                normed.extend_from_slice(&row[..shape.feed_forward]);
            }
            layer.down.multiply(self.arch, normed, product, scratch);
            add(hidden, product);
        }
        let mut wanted = Vec::new();
        let mut first = 0;
        for span in spans.iter_mut() {
            span.sequence.own.tokens += span.tokens.len();
            wanted.extend_from_slice(&hidden[(first + span.wanted.start) * shape.width..(first + span.wanted.end) * shape.width]);
            first += span.tokens.len();
        }
        let mut result = Vec::new();
        self.norm(&wanted, &self.output_norm, &mut result);
        result
    }

    /// The score of every vocabulary token after each hidden state, row-major.
    pub(crate) fn logits(&self, hidden: &[f32], work: &mut Workspace) -> Vec<f32> {
        let mut logits = Vec::new();
        self.output.as_ref().unwrap_or(&self.embedding).multiply(self.arch, hidden, &mut logits, &mut work.scratch);
        logits
    }

    /// Root-mean-square normalisation of each row.
    fn norm(&self, rows: &[f32], weights: &[f32], into: &mut Vec<f32>) {
        into.clear();
        into.resize(rows.len(), 0.0);
        let width = self.shape.width;
        into.par_chunks_mut(width).with_min_len(16).zip(rows.par_chunks(width)).for_each(|(into, row)| {
            let mean = self.arch.dispatch(Dot { left: row, right: row }) / width as f32;
            let scale = 1.0 / (mean + self.shape.norm_epsilon).sqrt();
            for ((into, value), weight) in into.iter_mut().zip(row).zip(weights) {
                *into = value * scale * weight;
            }
        });
    }

    /// `silu(gate) * up`, written over the gates.
    fn gate(&self, rows: &mut [f32]) {
        let half = self.shape.feed_forward;
        rows.par_chunks_mut(2 * half).with_min_len(4).for_each(|row| {
            let (gates, ups) = row.split_at_mut(half);
            self.arch.dispatch(Gate { gates, ups });
        });
    }
}

/// Where one row of a pass belongs.
struct Place {
    span: usize,
    position: usize,
}

fn places(spans: &[Span<'_>]) -> Vec<Place> {
    let mut places = Vec::new();
    for (span, part) in spans.iter().enumerate() {
        let seen = part.sequence.tokens();
        places.extend((0..part.tokens.len()).map(|offset| Place { span, position: seen + offset }));
    }
    places
}

fn read_shape<R: Read + Seek>(file: &Gguf<R>, vocabulary: usize) -> Result<Shape, GgufError> {
    match file.text("general.architecture") {
        Some("llama") => {}
        Some(other) => return Err(GgufError(format!("its architecture is {other:?}; this engine runs \"llama\""))),
        None => return Err(GgufError("it names no architecture".into())),
    }
    if let Some(scaling) = file.text("llama.rope.scaling.type").filter(|scaling| *scaling != "none") {
        return Err(GgufError(format!("it scales positions by {scaling:?}, which this engine does not run")));
    }
    if file.size("llama.expert_count").is_some_and(|experts| experts > 0) {
        return Err(GgufError("it is a mixture of experts, which this engine does not run".into()));
    }
    // far beyond any model that fits a processor's memory, and far from overflowing a product
    let size = |key: &str| match file.size(key) {
        Some(size) if (1..=1 << 20).contains(&size) => Ok(size),
        _ => Err(GgufError(format!("its {key} is missing or impossible"))),
    };
    let width = size("llama.embedding_length")?;
    let heads = size("llama.attention.head_count")?;
    let key_value_heads = file.size("llama.attention.head_count_kv").unwrap_or(heads);
    let head_width = file.size("llama.attention.key_length").unwrap_or(width / heads);
    if key_value_heads == 0
        || !heads.is_multiple_of(key_value_heads)
        || head_width == 0
        || head_width > 1 << 12
        || !head_width.is_multiple_of(2)
    {
        return Err(GgufError("its attention heads do not divide evenly".into()));
    }
    if file.size("llama.rope.dimension_count").is_some_and(|turned| turned != head_width) {
        return Err(GgufError("it turns only a part of each attention head, which this engine does not run".into()));
    }
    Ok(Shape {
        layers: size("llama.block_count")?,
        width,
        heads,
        key_value_heads,
        head_width,
        feed_forward: size("llama.feed_forward_length")?,
        context: size("llama.context_length")?,
        vocabulary,
        norm_epsilon: file.float("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32,
    })
}

fn read_frequencies<R: Read + Seek>(file: &mut Gguf<R>, head_width: usize) -> Result<Vec<f32>, GgufError> {
    let base = file.float("llama.rope.freq_base").unwrap_or(10_000.0);
    let mut frequencies: Vec<f32> = (0..head_width / 2).map(|pair| base.powf(-2.0 * pair as f64 / head_width as f64) as f32).collect();
    if file.has_tensor("rope_freqs.weight") {
        let tensor = file.matrix("rope_freqs.weight")?;
        let divisors = to_f32(tensor.format, &tensor.bytes);
        for (frequency, divisor) in frequencies.iter_mut().zip(divisors) {
            *frequency /= divisor;
        }
    }
    Ok(frequencies)
}

/// Turns each pair of neighbouring dimensions by its angle at this position (GGUF keeps llama's pairs adjacent).
fn rotate(head: &mut [f32], position: usize, frequencies: &[f32]) {
    for (pair, frequency) in head.as_chunks_mut::<2>().0.iter_mut().zip(frequencies) {
        let (sine, cosine) = (position as f32 * frequency).sin_cos();
        *pair = [pair[0] * cosine - pair[1] * sine, pair[0] * sine + pair[1] * cosine];
    }
}

fn add(into: &mut [f32], from: &[f32]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
}

struct Dot<'a> {
    left: &'a [f32],
    right: &'a [f32],
}

impl WithSimd for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        dot(simd, self.left, self.right)
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, left: &[f32], right: &[f32]) -> f32 {
    let (left, left_rest) = S::as_simd_f32s(left);
    let (right, right_rest) = S::as_simd_f32s(right);
    let mut sum = simd.splat_f32s(0.0);
    for (left, right) in left.iter().zip(right) {
        sum = simd.mul_add_f32s(*left, *right, sum);
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    simd.reduce_sum_f32s(sum) + rest
}

struct Gate<'a> {
    gates: &'a mut [f32],
    ups: &'a [f32],
}

impl WithSimd for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (gate, up) in self.gates.iter_mut().zip(self.ups) {
            *gate = *gate / (1.0 + exponential(-*gate)) * up;
        }
    }
}

/// One token's attention over everything its sequence has seen, up to itself.
struct Attention<'a> {
    shape: &'a Shape,
    layer: usize,
    sequence: &'a Sequence,
    queries: &'a [f32],
    visible: usize,
    out: &'a mut [f32],
}

impl WithSimd for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { shape, layer, sequence, queries, visible, out } = self;
        let (head_width, stride) = (shape.head_width, shape.key_value_width());
        let scale = 1.0 / (head_width as f32).sqrt();
        let shared = sequence.shared.iter().map(|part| (&part.segment.layers[layer], part.tokens));
        let caches: Vec<(&LayerCache, usize)> = shared.chain([(&sequence.own.layers[layer], visible)]).collect();
        let mut scores = vec![0.0; visible];
        for (head, (query, out)) in queries.chunks_exact(head_width).zip(out.chunks_exact_mut(head_width)).enumerate() {
            let first = head * shape.key_value_heads / shape.heads * head_width;
            let mut left = &mut scores[..];
            for (cache, tokens) in &caches {
                let (now, later) = left.split_at_mut((*tokens).min(left.len()));
                left = later;
                for (score, key) in now.iter_mut().zip(cache.keys.chunks_exact(stride)) {
                    *score = dot(simd, query, &key[first..first + head_width]) * scale;
                }
            }
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for score in &mut scores {
                *score = exponential(*score - highest);
            }
            let share = 1.0 / scores.iter().sum::<f32>();
            let block = 4 * S::F32_LANES;
            let whole = head_width - head_width % block;
            for at in (0..whole).step_by(block) {
                let from = first + at..first + at + block;
                let mut sums = [simd.splat_f32s(0.0); 4];
                let mut left = &scores[..];
                for (cache, tokens) in &caches {
                    let (now, later) = left.split_at((*tokens).min(left.len()));
                    left = later;
                    for (score, values) in now.iter().zip(cache.values.chunks_exact(stride)) {
                        let weight = simd.splat_f32s(*score);
                        for (sum, value) in sums.iter_mut().zip(S::as_simd_f32s(&values[from.clone()]).0) {
                            *sum = simd.mul_add_f32s(weight, *value, *sum);
                        }
                    }
                }
                let share = simd.splat_f32s(share);
                for (out, sum) in S::as_mut_simd_f32s(&mut out[at..at + block]).0.iter_mut().zip(sums) {
                    *out = simd.mul_f32s(sum, share);
                }
            }
            // head widths that do not fill the vector registers
            for (at, out) in out.iter_mut().enumerate().skip(whole) {
                let values = caches.iter().flat_map(|(cache, tokens)| cache.values.chunks_exact(stride).take(*tokens));
                *out = scores.iter().zip(values).map(|(score, values)| score * values[first + at]).sum::<f32>() * share;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Cursor;

    use crate::synthetic;

    fn tiny() -> Llama {
        let mut file = Gguf::open(Cursor::new(synthetic::gguf())).map_err(|error| error.0).unwrap();
        let vocabulary = crate::tokenizer::Tokenizer::read(&file).map_err(|error| error.0).unwrap().vocabulary();
        Llama::read(&mut file, vocabulary).map_err(|error| error.0).unwrap()
    }

    fn run(llama: &Llama, sequence: &mut Sequence, tokens: &[u32]) -> Vec<f32> {
        llama.pass(&mut [Span { sequence, tokens, wanted: 0..tokens.len() }], &mut Workspace::default())
    }

    const TOKENS: [u32; 23] = [1, 70, 80, 90, 100, 110, 120, 70, 80, 3, 4, 5, 6, 7, 8, 200, 201, 202, 203, 2, 40, 41, 42];

    #[test]
    fn one_token_at_a_time_gives_the_same_states_as_all_at_once() {
        let llama = tiny();
        let together = run(&llama, &mut Sequence::default(), &TOKENS);
        let mut sequence = Sequence::default();
        let stepwise: Vec<f32> = TOKENS.iter().flat_map(|token| run(&llama, &mut sequence, &[*token])).collect();
        assert_eq!(together, stepwise);
        assert_ne!(together[..llama.shape.width], together[llama.shape.width..2 * llama.shape.width]);
    }

    #[test]
    fn sequences_in_one_pass_do_not_see_each_other() {
        let llama = tiny();
        let parts = [&TOKENS[..9], &TOKENS[3..5], &TOKENS[10..]];
        let mut sequences = vec![Sequence::default(); parts.len()];
        let mut spans: Vec<_> =
            sequences.iter_mut().zip(parts).map(|(sequence, tokens)| Span { sequence, tokens, wanted: 0..tokens.len() }).collect();
        let together = llama.pass(&mut spans, &mut Workspace::default());
        let alone: Vec<f32> = parts.iter().flat_map(|tokens| run(&llama, &mut Sequence::default(), tokens)).collect();
        assert_eq!(together, alone);
    }

    #[test]
    fn going_on_from_a_shared_beginning_changes_nothing() {
        let llama = tiny();
        let mut first = Sequence::default();
        run(&llama, &mut first, &TOKENS[..12]);
        let mut shared = first.freeze();
        shared[0].tokens = 10; // only a part of what was computed is the same
        let rest = run(&llama, &mut Sequence::after(shared), &TOKENS[10..]);
        assert_eq!(rest, run(&llama, &mut Sequence::default(), &TOKENS)[10 * llama.shape.width..]);
    }

    #[test]
    fn damaged_files_are_refused_or_read_but_never_panic() {
        let whole = synthetic::gguf();
        let read = |bytes: Vec<u8>| -> Result<(), GgufError> {
            let mut file = Gguf::open(Cursor::new(bytes))?;
            let vocabulary = crate::tokenizer::Tokenizer::read(&file)?.vocabulary();
            Llama::read(&mut file, vocabulary).map(drop)
        };
        assert!(read(whole.clone()).is_ok());
        for length in (0..whole.len()).step_by(101) {
            assert!(read(whole[..length].to_vec()).is_err(), "the first {length} bytes were taken for a model");
        }
        let mut state = 7u64;
        let mut refused = 0;
        for _ in 0..1500 {
            let mut damaged = whole.clone();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // the header takes the first ten kilobytes or so; weights may hold anything
            let at = (state >> 33) as usize % 10_000;
            damaged[at] = [0, 0xFF, 0x7F, damaged[at] ^ 1][(state >> 60) as usize % 4];
            refused += usize::from(read(damaged).is_err());
        }
        assert!(refused > 100, "only {refused} damaged files were noticed");
    }

    #[test]
    fn rotation_keeps_length_and_turns_pairs_by_position() {
        let mut head = [1.0, 0.0, 0.0, 2.0];
        rotate(&mut head, 1, &[std::f32::consts::FRAC_PI_2, 0.0]);
        assert!((head[0]).abs() < 1e-6 && (head[1] - 1.0).abs() < 1e-6);
        assert_eq!(head[2..], [0.0, 2.0]);
    }
}
