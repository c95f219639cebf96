//! Elementary functions without branches, so that loops over them become vector code.

/// e^x to about seven digits for every x; what would overflow or vanish is held at the ends.
/// Splits x into n·ln 2 + r and evaluates the Taylor polynomial of degree 6 on |r| ≤ ln 2 / 2.
#[inline(always)]
pub(crate) fn exponential(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // adding 1.5·2^23 leaves the nearest whole number in the low bits
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let series = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest * (1.0 / 720.0))))));
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    series * f32::from_bits(exponent << 23)
}

/// x·Φ(x) with the normal distribution's Φ, the exact form of GELU.
/// Φ's tail is formula 7.1.26 of Abramowitz and Stegun's handbook, whose error is below 1.5e-7.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    let size = x.abs();
    let z = size * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let tail = 0.5 * series * exponential(-z * z);
    x.max(0.0) - size * tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_close() {
        for step in -800..=800 {
            let x = step as f32 * 0.1;
            let (got, expected) = (exponential(x), x.exp());
            assert!((got - expected).abs() <= expected * 3e-6, "e^{x}: {got} is not {expected}");
        }
        assert!(exponential(-1000.0) < 1e-37 && exponential(1000.0).is_finite());
    }

    #[test]
    fn gelu_is_close() {
        // x·Φ(x) to ten digits, from tables of the normal distribution
        for (x, expected) in [
            (0.0, 0.0),
            (1.0, 0.841_344_746_1),
            (-1.0, -0.158_655_253_9),
            (2.0, 1.954_499_736_1),
            (-2.0, -0.045_500_263_9),
            (0.5, 0.345_731_230_6),
            (-3.0, -0.004_049_694_1),
            (8.0, 8.0),
            (-8.0, 0.0),
        ] {
            let got = f64::from(gelu(x));
            assert!((got - expected).abs() < 5e-7, "gelu({x}): {got} is not {expected}");
        }
        assert_eq!(gelu(1e30), 1e30);
        assert_eq!(gelu(-1e30), 0.0);
    }
}
