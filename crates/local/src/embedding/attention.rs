//! Attention of a sequence's tokens over all of the sequence, head by head, with the same kernel as the weight products:
//! a head's keys and values are laid out like weights.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::elementary::exponential;
use crate::kernel::{PANEL, Tile, largest_tile, pack_columns, padded};

/// Values of one head. That they fill one panel is what lets the kernel serve.
pub(crate) const HEAD: usize = PANEL;

/// Buffers for one head's keys, values and scores.
#[derive(Default)]
pub(crate) struct Keys {
    /// `[panel of keys][value][key in panel]`
    keys: Vec<f32>,
    /// `[key][value]`
    values: Vec<f32>,
    /// `[query][key]`, with rows that fill whole panels
    scores: Vec<f32>,
}

/// Attends from the rows `asking` to the rows `seen` of `projected`, each of whose rows holds queries, keys and values
/// of `width` each. Writes `width` values for each asking row.
#[expect(clippy::too_many_arguments, reason = "buffers and sizes of one inner step")]
pub(crate) fn attend(
    arch: Arch,
    width: usize,
    projected: &[f32],
    asking: Range<usize>,
    seen: Range<usize>,
    out: &mut [f32],
    buffers: &mut Keys,
    tiles: &mut Vec<f32>,
) {
    let Keys { keys, values, scores } = buffers;
    let stride = 3 * width;
    let tile_rows = largest_tile(arch);
    let count = seen.len();
    let panels = count.div_ceil(PANEL);
    let (asking, seen) = (&projected[asking.start * stride..asking.end * stride], &projected[seen.start * stride..seen.end * stride]);
    scores.resize(out.len() / width * panels * PANEL, 0.0);
    for head in (0..width).step_by(HEAD) {
        lay_out(seen, stride, width + head, keys, values);
        pack_columns(asking, stride, head..head + HEAD, tile_rows, tiles);
        for (index, panel) in keys.chunks_exact(HEAD * PANEL).enumerate() {
            let out = Rows { out: scores, stride: panels * PANEL, first: index * PANEL };
            multiply(arch, tiles, HEAD, panel, out, tile_rows);
        }
        arch.dispatch(Softmax { rows: scores, stride: panels * PANEL, count });
        pack_columns(scores, panels * PANEL, 0..count, tile_rows, tiles);
        multiply(arch, tiles, count, values, Rows { out, stride: width, first: head }, tile_rows);
    }
}

/// Where a product's outputs go.
struct Rows<'a> {
    out: &'a mut [f32],
    stride: usize,
    first: usize,
}

/// Multiplies all tiles, of `columns` each, with one panel.
fn multiply(arch: Arch, tiles: &[f32], columns: usize, panel: &[f32], into: Rows<'_>, tile_rows: usize) {
    let Rows { out, stride, first } = into;
    let mut tiles = tiles;
    for out in out.chunks_mut(tile_rows * stride) {
        let height = padded(out.len() / stride);
        let (tile, rest) = tiles.split_at(height * columns);
        tiles = rest;
        arch.dispatch(Tile { height, tile, panel, start: &[0.0; PANEL], out: &mut out[first..], stride });
    }
}

/// Turns one head's keys and gathers its values. Keys stand at `first` in each row, values a third of the row behind.
fn lay_out(seen: &[f32], stride: usize, first: usize, keys: &mut Vec<f32>, values: &mut Vec<f32>) {
    keys.clear();
    keys.resize((seen.len() / stride).div_ceil(PANEL) * HEAD * PANEL, 0.0);
    values.clear();
    for (rows, panel) in seen.chunks(PANEL * stride).zip(keys.chunks_exact_mut(HEAD * PANEL)) {
        for (key, row) in rows.chunks_exact(stride).enumerate() {
            for (slot, value) in panel[key..].iter_mut().step_by(PANEL).zip(&row[first..first + HEAD]) {
                *slot = *value;
            }
            values.extend_from_slice(&row[first + stride / 3..][..HEAD]);
        }
    }
}

/// Scales the first `count` scores of each row and turns them into shares of 1.
struct Softmax<'a> {
    rows: &'a mut [f32],
    stride: usize,
    count: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = 1.0 / (HEAD as f32).sqrt();
        for row in self.rows.chunks_exact_mut(self.stride) {
            row[self.count..].fill(f32::NEG_INFINITY);
            let (vectors, _) = S::as_mut_simd_f32s(row);
            let mut highest = simd.splat_f32s(f32::NEG_INFINITY);
            for vector in vectors.iter() {
                highest = simd.max_f32s(highest, *vector);
            }
            let highest = simd.reduce_max_f32s(highest);
            for score in &mut *row {
                *score = exponential((*score - highest) * scale);
            }
            row[self.count..].fill(0.0);
            let (vectors, _) = S::as_mut_simd_f32s(row);
            let mut sum = simd.splat_f32s(0.0);
            for vector in vectors.iter() {
                sum = simd.add_f32s(sum, *vector);
            }
            let share = simd.splat_f32s(1.0 / simd.reduce_sum_f32s(sum));
            for vector in vectors {
                *vector = simd.mul_f32s(*vector, share);
            }
        }
    }
}
