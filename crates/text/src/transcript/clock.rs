//! Times as transcripts write them.

/// Seconds of `1:02:03.5`, `02:03,500` or `62.5`. Anything else, or minutes and seconds from 60 on behind a larger part,
/// is no time.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (whole, fraction) = match text.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<u32> = whole.split(':').map(digits).collect::<Option<_>>()?;
    let (first, below) = parts.split_first()?;
    if below.len() > 2 || below.iter().any(|part| *part >= 60) {
        return None;
    }
    let seconds = below.iter().fold(f64::from(*first), |larger, part| larger * 60.0 + f64::from(*part));
    let fraction = match fraction {
        Some(fraction) => {
            digits(fraction)?;
            format!("0.{fraction}").parse::<f64>().ok()?
        }
        None => 0.0,
    };
    Some(seconds + fraction)
}

/// Up to nine digits as a number.
fn digits(text: &str) -> Option<u32> {
    ((1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times() {
        let cases = [
            ("00:00:01,250", 1.25),
            ("1:02:03.5", 3723.5),
            ("02:03", 123.0),
            (" 75.25 ", 75.25),
            ("100:00:00", 360_000.0),
            ("90:00", 5400.0),
        ];
        for (text, wanted) in cases {
            assert_eq!(seconds(text), Some(wanted), "{text}");
        }
        for text in ["", ":", "1:60", "1:2:3:4", "-1", "1.", ".5", "1,2,3", "a", "1:2x", "9999999999", "+5", "1:90:00"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
