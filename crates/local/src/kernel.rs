//! The inner loop of every weight product: a tile of activation rows times a panel of 32 outputs, with all sums held
//! in vector registers. `pulp` picks the instruction set when the program runs.
//!
//! Each output is summed over the inputs in order, whatever the tile's height, so a row's result does not depend on
//! the rows beside it.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// Outputs of one panel.
pub(crate) const PANEL: usize = 32;

/// Activation rows of one tile: as many as the registers hold with two vectors of outputs each.
pub(crate) fn largest_tile(arch: Arch) -> usize {
    struct Registers;
    impl WithSimd for Registers {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            if S::REGISTER_COUNT >= 32 { 12 } else { 6 }
        }
    }
    arch.dispatch(Registers)
}

/// Heights that kernels exist for; a smaller rest is filled up with rows whose outputs nobody writes.
pub(crate) fn padded(rows: usize) -> usize {
    match rows {
        0..=2 => rows,
        3..=4 => 4,
        5..=6 => 6,
        7..=8 => 8,
        _ => 12,
    }
}

/// Reorders rows into tiles of `[column][row in tile]`.
pub(crate) fn pack(input: &[f32], columns: usize, tile_rows: usize, tiles: &mut Vec<f32>) {
    pack_columns(input, columns, 0..columns, tile_rows, tiles);
}

/// As `pack`, for some of the columns of rows that are `stride` values apart. What `tiles` holds behind the last tile means
/// nothing.
pub(crate) fn pack_columns(input: &[f32], stride: usize, columns: Range<usize>, tile_rows: usize, tiles: &mut Vec<f32>) {
    let rows = input.len() / stride;
    let heights = rows / tile_rows * tile_rows + padded(rows % tile_rows);
    let values = heights * columns.len();
    if tiles.len() < values {
        tiles.resize(values, 0.0);
    }
    for (group, tile) in input.chunks(tile_rows * stride).zip(tiles[..values].chunks_mut(tile_rows * columns.len())) {
        let columns = columns.clone();
        match tile.len() / columns.len() {
            1 => interleave::<1>(group, stride, columns, tile),
            2 => interleave::<2>(group, stride, columns, tile),
            4 => interleave::<4>(group, stride, columns, tile),
            6 => interleave::<6>(group, stride, columns, tile),
            8 => interleave::<8>(group, stride, columns, tile),
            _ => interleave::<12>(group, stride, columns, tile),
        }
    }
}

/// One tile. The last row also fills the places that are left.
fn interleave<const HEIGHT: usize>(group: &[f32], stride: usize, columns: Range<usize>, tile: &mut [f32]) {
    let last = (group.len() / stride).saturating_sub(1);
    let rows: [&[f32]; HEIGHT] = std::array::from_fn(|row| &group[row.min(last) * stride..][columns.clone()]);
    for (column, slots) in tile.as_chunks_mut::<HEIGHT>().0.iter_mut().enumerate() {
        for (slot, row) in slots.iter_mut().zip(rows) {
            *slot = row[column];
        }
    }
}

/// One tile's product with one panel.
pub(crate) struct Tile<'a> {
    /// One of the heights of `padded`.
    pub(crate) height: usize,
    /// `[column][row in tile]`
    pub(crate) tile: &'a [f32],
    /// `[column][output in panel]`
    pub(crate) panel: &'a [f32],
    /// What each output's sum starts from.
    pub(crate) start: &'a [f32; PANEL],
    /// The first row's outputs and all that follows; rows beyond its end are padding and are not written.
    pub(crate) out: &'a mut [f32],
    /// From one row's outputs to the next one's.
    pub(crate) stride: usize,
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.height {
            1 => kernel::<S, 1>(simd, self),
            2 => kernel::<S, 2>(simd, self),
            4 => kernel::<S, 4>(simd, self),
            6 => kernel::<S, 6>(simd, self),
            8 => kernel::<S, 8>(simd, self),
            _ => kernel::<S, 12>(simd, self),
        }
    }
}

#[inline(always)]
fn kernel<S: Simd, const HEIGHT: usize>(simd: S, task: Tile<'_>) {
    let Tile { tile, panel, start, out, stride, .. } = task;
    let inputs = tile.as_chunks::<HEIGHT>().0;
    let weights = panel.as_chunks::<PANEL>().0;
    let vector = S::F32_LANES;
    for first in (0..PANEL).step_by(2 * vector) {
        let start = S::as_simd_f32s(&start[first..first + 2 * vector]).0;
        let mut sums = [[start[0], start[1]]; HEIGHT];
        for (input, weight) in inputs.iter().zip(weights) {
            let pair = S::as_simd_f32s(&weight[first..first + 2 * vector]).0;
            let (left, right) = (pair[0], pair[1]);
            for row in 0..HEIGHT {
                let value = simd.splat_f32s(input[row]);
                sums[row][0] = simd.mul_add_f32s(value, left, sums[row][0]);
                sums[row][1] = simd.mul_add_f32s(value, right, sums[row][1]);
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            // the padding rows of the last tile have no output
            if let Some(out) = out.get_mut(row * stride + first..row * stride + first + 2 * vector) {
                let pair = S::as_mut_simd_f32s(out).0;
                pair[0] = sums[0];
                pair[1] = sums[1];
            }
        }
    }
}
