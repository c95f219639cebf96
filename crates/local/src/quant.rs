//! The number formats of GGUF tensors, read into blocks of 32 eight-bit codes with one scale and one offset.
//!
//! Block layouts are those of the ggml project's `ggml-common.h`. Every format with one scale per 32 values is
//! taken over code by code; the others are widened to `f32` and fitted anew with 256 levels per block.

use half::{bf16, f16};

/// Values in a block, in this crate's own layout.
pub(crate) const BLOCK: usize = 32;

/// A tensor's format in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

/// 32 values: each is `code * scale + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub(crate) codes: [u8; BLOCK],
    pub(crate) scale: f32,
    pub(crate) offset: f32,
}

impl Format {
    pub(crate) const NAMES: &'static str = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K";

    pub(crate) fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            _ => return None,
        })
    }

    /// (values, bytes) of the file's own block.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// Bytes of a row of `columns` values, which must fill whole blocks.
    pub(crate) fn row_bytes(self, columns: usize) -> usize {
        let (values, bytes) = self.block();
        columns / values * bytes
    }
}

impl Affine {
    /// The closest 256 evenly spaced levels between the smallest and the largest of the values.
    fn fit(values: &[f32]) -> Self {
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = (high - low) / 255.0;
        let mut codes = [0; BLOCK];
        if scale > 0.0 {
            for (code, value) in codes.iter_mut().zip(values) {
                *code = ((value - low) / scale).round() as u8;
            }
        }
        Self { codes, scale, offset: low }
    }

    fn value(&self, index: usize) -> f32 {
        f32::from(self.codes[index]) * self.scale + self.offset
    }
}

/// Reads whole file blocks (and at least 32 values) as affine blocks, in order.
pub(crate) fn affine_blocks(format: Format, bytes: &[u8], mut emit: impl FnMut(Affine)) {
    match format {
        Format::F32 | Format::F16 | Format::Bf16 => {
            for values in floats(format, bytes).chunks(BLOCK) {
                emit(Affine::fit(values));
            }
        }
        Format::Q6K => {
            for block in bytes.chunks_exact(format.block().1) {
                for values in q6k(block).chunks_exact(BLOCK) {
                    emit(Affine::fit(values));
                }
            }
        }
        Format::Q4K | Format::Q5K => bytes.chunks_exact(format.block().1).for_each(|block| q45k(format, block, &mut emit)),
        Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 | Format::Q8_0 => {
            bytes.chunks_exact(format.block().1).for_each(|block| emit(simple(format, block)));
        }
    }
}

/// Reads any format as plain numbers.
pub(crate) fn to_f32(format: Format, bytes: &[u8]) -> Vec<f32> {
    match format {
        Format::F32 | Format::F16 | Format::Bf16 => floats(format, bytes),
        Format::Q6K => bytes.chunks_exact(format.block().1).flat_map(q6k).collect(),
        _ => {
            let mut values = Vec::new();
            affine_blocks(format, bytes, |block| values.extend((0..BLOCK).map(|index| block.value(index))));
            values
        }
    }
}

fn floats(format: Format, bytes: &[u8]) -> Vec<f32> {
    match format {
        Format::F32 => bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
        Format::F16 => bytes.as_chunks::<2>().0.iter().map(|two| f16::from_le_bytes(*two).to_f32()).collect(),
        _ => bytes.as_chunks::<2>().0.iter().map(|two| bf16::from_le_bytes(*two).to_f32()).collect(),
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Low halves of 16 bytes are the first 16 values, high halves the last 16.
fn nibbles(packed: &[u8]) -> [u8; BLOCK] {
    let mut codes = [0; BLOCK];
    for (index, byte) in packed.iter().enumerate().take(16) {
        codes[index] = byte & 15;
        codes[index + 16] = byte >> 4;
    }
    codes
}

fn simple(format: Format, block: &[u8]) -> Affine {
    let scale = half_at(block, 0);
    match format {
        Format::Q4_0 => Affine { codes: nibbles(&block[2..]), scale, offset: -8.0 * scale },
        Format::Q4_1 => Affine { codes: nibbles(&block[4..]), scale, offset: half_at(block, 2) },
        Format::Q5_0 => Affine { codes: five_bits(&block[2..6], &block[6..]), scale, offset: -16.0 * scale },
        Format::Q5_1 => Affine { codes: five_bits(&block[4..8], &block[8..]), scale, offset: half_at(block, 2) },
        _ => {
            let mut codes = [0; BLOCK];
            for (code, byte) in codes.iter_mut().zip(&block[2..]) {
                // signed to unsigned by moving zero to 128
                *code = byte ^ 0x80;
            }
            Affine { codes, scale, offset: -128.0 * scale }
        }
    }
}

fn five_bits(high: &[u8], low: &[u8]) -> [u8; BLOCK] {
    let mut codes = nibbles(low);
    for (index, code) in codes.iter_mut().enumerate() {
        *code |= (high[index / 8] >> (index % 8) & 1) << 4;
    }
    codes
}

/// The 6-bit scale and offset factors of sub-block `index` out of the 12 bytes that hold eight of each.
fn k_factors(packed: &[u8], index: usize) -> (u8, u8) {
    if index < 4 {
        (packed[index] & 63, packed[index + 4] & 63)
    } else {
        (packed[index + 4] & 15 | packed[index - 4] >> 6 << 4, packed[index + 4] >> 4 | packed[index] >> 6 << 4)
    }
}

fn q45k(format: Format, block: &[u8], emit: &mut impl FnMut(Affine)) {
    let (scale, offset) = (half_at(block, 0), half_at(block, 2));
    let factors = &block[4..16];
    let (high, low) = if format == Format::Q5K { block[16..].split_at(32) } else { block[16..].split_at(0) };
    for index in 0..8 {
        let (scale_factor, offset_factor) = k_factors(factors, index);
        let mut codes = [0; BLOCK];
        for (position, code) in codes.iter_mut().enumerate() {
            let byte = low[index / 2 * 32 + position];
            *code = if index % 2 == 0 { byte & 15 } else { byte >> 4 };
            if let Some(bits) = high.get(position) {
                *code |= (bits >> index & 1) << 4;
            }
        }
        emit(Affine { codes, scale: scale * f32::from(scale_factor), offset: -offset * f32::from(offset_factor) });
    }
}

fn q6k(block: &[u8]) -> [f32; 256] {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let scale = half_at(rest, 16);
    let mut values = [0.0; 256];
    for (index, value) in values.iter_mut().enumerate() {
        let (half, quarter, position) = (index / 128, index % 128 / 32, index % 32);
        let byte = low[half * 64 + quarter % 2 * 32 + position];
        let four = if quarter < 2 { byte & 15 } else { byte >> 4 };
        let two = high[half * 32 + position] >> (quarter * 2) & 3;
        let code = i32::from(four | two << 4) - 32;
        let factor = rest[half * 8 + quarter * 2 + position / 16] as i8;
        *value = scale * f32::from(factor) * code as f32;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_bytes(value: f32) -> [u8; 2] {
        f16::from_f32(value).to_le_bytes()
    }

    #[test]
    fn plain_floats_are_read_as_they_are() {
        assert_eq!(to_f32(Format::F32, &1.25f32.to_le_bytes()), [1.25]);
        assert_eq!(to_f32(Format::F16, &half_bytes(-0.5)), [-0.5]);
        assert_eq!(to_f32(Format::Bf16, &bf16::from_f32(3.0).to_le_bytes()), [3.0]);
    }

    #[test]
    fn four_bit_blocks() {
        let mut block = half_bytes(0.5).to_vec();
        block.extend([0x80; 16]); // low half 0, high half 8
        let values = to_f32(Format::Q4_0, &block);
        assert_eq!((values[0], values[15], values[16], values[31]), (-4.0, -4.0, 0.0, 0.0));

        let mut block = [half_bytes(2.0), half_bytes(-1.0)].concat();
        block.extend([0x31; 16]);
        let values = to_f32(Format::Q4_1, &block);
        assert_eq!((values[0], values[16]), (1.0, 5.0));
    }

    #[test]
    fn five_bit_blocks_take_their_top_bit_from_the_mask() {
        let mut block = half_bytes(1.0).to_vec();
        block.extend([0b10, 0, 0, 0b1000_0000]); // values 1 and 31
        block.extend([0x22; 16]);
        let values = to_f32(Format::Q5_0, &block);
        assert_eq!((values[0], values[1], values[30], values[31]), (-14.0, 2.0, -14.0, 2.0));

        let mut block = [half_bytes(1.0), half_bytes(100.0)].concat();
        block.extend([0, 0, 1, 0]); // value 16
        block.extend([0x43; 16]);
        let values = to_f32(Format::Q5_1, &block);
        assert_eq!((values[0], values[16], values[17]), (103.0, 120.0, 104.0));
    }

    #[test]
    fn eight_bit_blocks_are_signed() {
        let mut block = half_bytes(0.25).to_vec();
        block.extend((0..32u8).map(|index| index.wrapping_sub(16)));
        let values = to_f32(Format::Q8_0, &block);
        assert_eq!((values[0], values[16], values[31]), (-4.0, 0.0, 3.75));
    }

    #[test]
    fn four_bit_super_blocks() {
        let mut block = [half_bytes(1.0), half_bytes(0.5)].concat();
        // sub-blocks 0..4: scale = index + 1, offset = 2 * index; sub-block 4: scale 0b01_0011 = 19, offset 0b10_0101 = 37
        let mut factors = [1u8, 2, 3, 4, 0, 2, 4, 6, 0x53, 0, 0, 0];
        factors[0] |= 0b0100_0000; // upper bits of sub-block 4's scale
        factors[4] |= 0b1000_0000; // upper bits of sub-block 4's offset
        block.extend(factors);
        block.extend([0x21; 128]);
        let values = to_f32(Format::Q4K, &block);
        assert_eq!((values[0], values[32], values[64]), (1.0, 2.0 * 2.0 - 1.0, 3.0 - 2.0));
        assert_eq!(values[128], 19.0 - 0.5 * 37.0);
    }

    #[test]
    fn five_bit_super_blocks() {
        let mut block = [half_bytes(1.0), half_bytes(0.0)].concat();
        block.extend([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
        let mut high = [0u8; 32];
        high[3] = 0b1000_0001; // value 3 of sub-blocks 0 and 7
        block.extend(high);
        block.extend([0x21; 128]);
        let values = to_f32(Format::Q5K, &block);
        assert_eq!((values[2], values[3], values[35], values[7 * 32 + 3]), (1.0, 17.0, 2.0, 18.0));
    }

    #[test]
    fn six_bit_super_blocks() {
        let mut block = vec![0u8; 210];
        block[0] = 0x5A; // low bits of values 0 and 64
        block[128] = 0b00_10_00_01; // top bits of values 0 (1) and 64 (2)
        block[192..208].fill(2);
        block[192 + 4] = 0xFF; // factor -1 for value 64
        block[208..].copy_from_slice(&half_bytes(0.5));
        let values = to_f32(Format::Q6K, &block);
        assert_eq!(values[0], (0x1A - 32) as f32);
        assert_eq!(values[64], -0.5 * (0x25 - 32) as f32);
        assert_eq!(values[1], -32.0);
    }

    #[test]
    fn fitting_stays_within_half_a_level() {
        let values: Vec<f32> = (0..32).map(|index| (index as f32 * 0.7).sin()).collect();
        let fitted = Affine::fit(&values);
        for (index, value) in values.iter().enumerate() {
            assert!((fitted.value(index) - value).abs() <= fitted.scale * 0.51);
        }
        assert_eq!(Affine::fit(&[0.75; 32]).value(5), 0.75);
    }
}
