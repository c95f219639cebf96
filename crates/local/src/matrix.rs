//! A weight matrix laid out for the processor's vector units, and its product with many rows of activations.
//!
//! Weights stay in memory as eight-bit codes (1.25 bytes per weight with scales). A product widens 32 output
//! rows at a time into cache and runs a register-blocked kernel over them; `pulp` picks the instruction set when
//! the program runs. Each output is summed in one fixed order, so a row's result does not depend on its batch.

use std::cell::RefCell;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::gguf::{GgufError, RawMatrix};
use crate::kernel::{PANEL, Tile, largest_tile, pack, padded};
use crate::quant::{BLOCK, affine_blocks};

/// Weights of `rows` outputs by `columns` inputs.
pub(crate) struct Matrix {
    rows: usize,
    columns: usize,
    /// `[panel][column][row in panel]`
    codes: Vec<u8>,
    /// `[panel][block of columns][row in panel]`
    scales: Vec<f32>,
    offsets: Vec<f32>,
}

/// Buffers that products use again and again.
#[derive(Default)]
pub(crate) struct Scratch {
    tiles: Vec<f32>,
    panels: Vec<f32>,
}

impl Matrix {
    /// Stacks the tensors' rows into one matrix, so that tensors with the same input are multiplied at once.
    pub(crate) fn stack(tensors: &[RawMatrix]) -> Result<Self, GgufError> {
        let columns = tensors.first().map_or(0, |tensor| tensor.columns);
        if columns == 0 || !columns.is_multiple_of(BLOCK) || tensors.iter().any(|tensor| tensor.columns != columns) {
            return Err(GgufError(format!("a weight matrix has rows of {columns} values, which do not fill blocks of {BLOCK}")));
        }
        let rows: usize = tensors.iter().map(|tensor| tensor.rows).sum();
        let panels = rows.div_ceil(PANEL);
        let blocks = columns / BLOCK;
        let sources: Vec<(&RawMatrix, usize)> = tensors.iter().flat_map(|tensor| (0..tensor.rows).map(move |row| (tensor, row))).collect();
        let mut codes = vec![0; panels * columns * PANEL];
        let mut scales = vec![0.0; panels * blocks * PANEL];
        let mut offsets = vec![0.0; panels * blocks * PANEL];
        codes
            .par_chunks_mut(columns * PANEL)
            .zip(scales.par_chunks_mut(blocks * PANEL))
            .zip(offsets.par_chunks_mut(blocks * PANEL))
            .zip(sources.par_chunks(PANEL))
            .for_each(|(((codes, scales), offsets), sources)| {
                for (lane, (tensor, row)) in sources.iter().enumerate() {
                    let row_bytes = tensor.format.row_bytes(columns);
                    let mut block = 0;
                    affine_blocks(tensor.format, &tensor.bytes[row * row_bytes..][..row_bytes], |affine| {
                        for (index, code) in affine.codes.iter().enumerate() {
                            codes[(block * BLOCK + index) * PANEL + lane] = *code;
                        }
                        scales[block * PANEL + lane] = affine.scale;
                        offsets[block * PANEL + lane] = affine.offset;
                        block += 1;
                    });
                }
            });
        Ok(Self { rows, columns, codes, scales, offsets })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// One row's weights.
    pub(crate) fn row(&self, row: usize, into: &mut [f32]) {
        let (panel, lane) = (row / PANEL, row % PANEL);
        let codes = &self.codes[panel * self.columns * PANEL..];
        let blocks = panel * self.columns / BLOCK;
        for (column, value) in into.iter_mut().enumerate().take(self.columns) {
            let block = (blocks + column / BLOCK) * PANEL + lane;
            *value = f32::from(codes[column * PANEL + lane]) * self.scales[block] + self.offsets[block];
        }
    }

    /// `output[i] = weights · input[i]` for every row `i`; both are row-major. Runs on the current rayon pool.
    pub(crate) fn multiply(&self, arch: Arch, input: &[f32], output: &mut Vec<f32>, scratch: &mut Scratch) {
        let count = input.len() / self.columns;
        output.clear();
        output.resize(count * self.rows, 0.0);
        if count == 0 {
            return;
        }
        let tile_rows = largest_tile(arch);
        let Scratch { tiles, panels } = scratch;
        pack(input, self.columns, tile_rows, tiles);
        let tiles = &tiles[..];
        let panel_count = self.rows.div_ceil(PANEL);
        panels.resize(panel_count * count * PANEL, 0.0);
        let blocks = self.columns / BLOCK * PANEL;
        panels[..panel_count * count * PANEL]
            .par_chunks_mut(count * PANEL)
            .zip(self.codes.par_chunks(self.columns * PANEL))
            .zip(self.scales.par_chunks(blocks))
            .zip(self.offsets.par_chunks(blocks))
            .for_each(|(((out, codes), scales), offsets)| {
                WIDE.with_borrow_mut(|wide| {
                    wide.resize(self.columns * PANEL, 0.0);
                    arch.dispatch(Widen { codes, scales, offsets, wide });
                    let mut tiles = tiles;
                    for out in out.chunks_mut(tile_rows * PANEL) {
                        let height = padded(out.len() / PANEL);
                        let (tile, rest) = tiles.split_at(height * self.columns);
                        tiles = rest;
                        arch.dispatch(Tile { height, tile, panel: wide, start: &[0.0; PANEL], out, stride: PANEL });
                    }
                });
            });
        let panels = &panels[..];
        output.par_chunks_mut(self.rows).with_min_len(16).enumerate().for_each(|(row, out)| {
            for (panel, out) in out.chunks_mut(PANEL).enumerate() {
                let from = (panel * count + row) * PANEL;
                out.copy_from_slice(&panels[from..from + out.len()]);
            }
        });
    }
}

thread_local! {
    /// The widened panel; one per pool thread, so that it stays in that core's cache.
    static WIDE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

struct Widen<'a> {
    codes: &'a [u8],
    scales: &'a [f32],
    offsets: &'a [f32],
    wide: &'a mut [f32],
}

impl WithSimd for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let codes = self.codes.as_chunks::<PANEL>().0;
        let wide = self.wide.as_chunks_mut::<PANEL>().0;
        let scales = self.scales.as_chunks::<PANEL>().0;
        let offsets = self.offsets.as_chunks::<PANEL>().0;
        for (((codes, wide), scales), offsets) in codes.chunks_exact(BLOCK).zip(wide.chunks_exact_mut(BLOCK)).zip(scales).zip(offsets) {
            for (codes, wide) in codes.iter().zip(wide) {
                for lane in 0..PANEL {
                    wide[lane] = f32::from(codes[lane]) * scales[lane] + offsets[lane];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::Format;

    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    fn matrix(rows: usize, columns: usize) -> Matrix {
        let bytes = noise(rows * columns, 1).iter().flat_map(|value| value.to_le_bytes()).collect();
        Matrix::stack(&[RawMatrix { rows, columns, format: Format::F32, bytes }]).unwrap()
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
        let (rows, columns) = (70, 96);
        let weights = matrix(rows, columns);
        let mut row = vec![0.0; columns];
        for count in 1..=27 {
            let input = noise(count * columns, 7);
            for arch in architectures() {
                let mut output = Vec::new();
                weights.multiply(arch, &input, &mut output, &mut Scratch::default());
                for (index, value) in output.iter().enumerate() {
                    weights.row(index % rows, &mut row);
                    let expected: f32 = row.iter().zip(&input[index / rows * columns..]).map(|(a, b)| a * b).sum();
                    assert!((value - expected).abs() < 1e-4, "{count} rows, output {index}: {value} is not {expected}");
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_batch() {
        let weights = matrix(64, 64);
        let input = noise(13 * 64, 3);
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        weights.multiply(Arch::new(), &input, &mut together, &mut Scratch::default());
        for (row, values) in input.chunks(64).enumerate() {
            weights.multiply(Arch::new(), values, &mut alone, &mut Scratch::default());
            assert_eq!(alone, &together[row * 64..][..64]);
        }
    }
}
