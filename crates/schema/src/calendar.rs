//! Whether a text is a calendar day or a moment as RFC 3339 writes them.

/// `YYYY-MM-DD`, a day that exists in the Gregorian calendar.
pub(crate) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (digits(&bytes[..4]), digits(&bytes[5..7]), digits(&bytes[8..])) else {
        return false;
    };
    (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month)
}

/// A day, `T`, a time with optional fraction, and an offset (`Z` or `+hh:mm`), as in RFC 3339 §5.6.
pub(crate) fn is_date_time(text: &str) -> bool {
    let Some((day, rest)) = text.split_at_checked(10) else {
        return false;
    };
    let Some(clock) = rest.strip_prefix(['T', 't']) else {
        return false;
    };
    is_date(day) && is_time_with_offset(clock.as_bytes())
}

fn is_time_with_offset(clock: &[u8]) -> bool {
    if clock.len() < 9 || clock[2] != b':' || clock[5] != b':' {
        return false;
    }
    let (Some(hour), Some(minute), Some(second)) = (digits(&clock[..2]), digits(&clock[3..5]), digits(&clock[6..8])) else {
        return false;
    };
    let mut rest = &clock[8..];
    if rest[0] == b'.' {
        let length = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return false;
        }
        rest = &rest[1 + length..];
    }
    // 60 is a leap second.
    hour <= 23 && minute <= 59 && second <= 60 && is_offset(rest)
}

fn is_offset(offset: &[u8]) -> bool {
    match offset {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hour @ .., b':', minute_tens, minute_ones] => {
            hour.len() == 2
                && digits(hour).is_some_and(|hour| hour <= 23)
                && digits(&[*minute_tens, *minute_ones]).is_some_and(|minute| minute <= 59)
        }
        _ => false,
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_exist() {
        for good in ["2024-02-29", "2000-02-29", "1999-12-31", "0001-01-01"] {
            assert!(is_date(good), "{good}");
        }
        for bad in
            ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "2024-1-1", "24-01-01", "2024-01-01T", "２０２4-01"]
        {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn moments_with_an_offset() {
        for good in ["2024-01-31T09:30:00Z", "2024-01-31t09:30:00.125z", "2024-01-31T23:59:60+05:30", "2024-01-31T00:00:00-08:00"] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "2024-01-31T09:30:00",
            "2024-01-31 09:30:00Z",
            "2024-01-31T24:00:00Z",
            "2024-01-31T09:30:00.Z",
            "2024-01-31T09:30Z",
            "2024-01-31T09:30:00+5:30",
            "",
            "é2024-01-31T09:30:00Z",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }
}
