//! A layer of weights with biases, kept as 32-bit floats in the order the kernel reads them.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::elementary::gelu;
use crate::kernel::{PANEL, Tile, largest_tile, pack, padded};

/// What happens to each output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    Gelu,
}

/// `outputs` by `inputs` weights; outputs fill whole panels.
pub(crate) struct Dense {
    inputs: usize,
    outputs: usize,
    /// `[panel][input][output in panel]`
    panels: Vec<f32>,
    bias: Vec<f32>,
}

impl Dense {
    /// Stacks layers with the same inputs into one: each has its weights, row-major with one row per output, and its
    /// biases. The number of outputs must be a multiple of `PANEL`.
    pub(crate) fn stack(inputs: usize, layers: &[(Vec<f32>, Vec<f32>)]) -> Self {
        let rows: Vec<&[f32]> = layers.iter().flat_map(|(weights, _)| weights.chunks_exact(inputs)).collect();
        let bias: Vec<f32> = layers.iter().flat_map(|(_, bias)| bias).copied().collect();
        let mut panels = vec![0.0; rows.len() * inputs];
        panels.par_chunks_mut(PANEL * inputs).zip(rows.par_chunks(PANEL)).for_each(|(panel, rows)| {
            // in blocks, so that what is written stays in the nearest cache
            for first in (0..inputs).step_by(PANEL) {
                for (output, row) in rows.iter().enumerate() {
                    for (input, weight) in row.iter().enumerate().skip(first).take(PANEL) {
                        panel[input * PANEL + output] = *weight;
                    }
                }
            }
        });
        Self { inputs, outputs: rows.len(), panels, bias }
    }

    /// `output[i] = then(weights · input[i] + bias)` for every row `i`; both are row-major. Runs on this thread.
    pub(crate) fn apply(&self, arch: Arch, input: &[f32], then: Then, output: &mut [f32], tiles: &mut Vec<f32>) {
        let tile_rows = largest_tile(arch);
        pack(input, self.inputs, tile_rows, tiles);
        let panels = self.panels.chunks_exact(self.inputs * PANEL);
        for (index, (panel, bias)) in panels.zip(self.bias.as_chunks::<PANEL>().0).enumerate() {
            let mut tiles = &tiles[..];
            for out in output.chunks_mut(tile_rows * self.outputs) {
                let rows = out.len() / self.outputs;
                let height = padded(rows);
                let (tile, rest) = tiles.split_at(height * self.inputs);
                tiles = rest;
                let out = &mut out[index * PANEL..];
                arch.dispatch(Finished { tile: Tile { height, tile, panel, start: bias, out, stride: self.outputs }, rows, then });
            }
        }
    }
}

/// A tile's product with what follows it, while it is still in the nearest cache.
struct Finished<'a> {
    tile: Tile<'a>,
    rows: usize,
    then: Then,
}

impl WithSimd for Finished<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, rows, then } = self;
        let Tile { stride, out, .. } = tile;
        Tile { out: &mut *out, ..tile }.with_simd(simd);
        if then == Then::Gelu {
            for row in 0..rows {
                for value in &mut out[row * stride..row * stride + PANEL] {
                    *value = gelu(*value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    /// What this machine has, and what others may have to do with.
    fn architectures() -> Vec<Arch> {
        let mut all = vec![Arch::new(), Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(Arch::V3));
        all
    }

    #[test]
    fn products_are_right_for_every_number_of_rows() {
        let (inputs, first, second) = (48, 32, 64);
        let layers = [(noise(first * inputs, 1), noise(first, 2)), (noise(second * inputs, 3), noise(second, 4))];
        let weights: Vec<f32> = layers.iter().flat_map(|(weights, _)| weights.clone()).collect();
        let bias: Vec<f32> = layers.iter().flat_map(|(_, bias)| bias.clone()).collect();
        let dense = Dense::stack(inputs, &layers);
        let outputs = first + second;
        for rows in 1..=27 {
            let input = noise(rows * inputs, 7);
            for (arch, then) in architectures().into_iter().flat_map(|arch| [(arch, Then::Nothing), (arch, Then::Gelu)]) {
                let mut output = vec![0.0; rows * outputs];
                dense.apply(arch, &input, then, &mut output, &mut Vec::new());
                for (index, value) in output.iter().enumerate() {
                    let (row, out) = (index / outputs, index % outputs);
                    let sum: f32 = weights[out * inputs..].iter().zip(&input[row * inputs..][..inputs]).map(|(a, b)| a * b).sum();
                    let expected = if then == Then::Gelu { gelu(sum + bias[out]) } else { sum + bias[out] };
                    assert!((value - expected).abs() < 1e-5, "{rows} rows, row {row}, output {out}: {value} is not {expected}");
                }
            }
        }
    }
}
