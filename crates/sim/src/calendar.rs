//! Dates from a count of milliseconds since 1970: timestamps, days, weeks that begin on Monday, months. All UTC.

use serde::Deserialize;

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// How often a limit on spending starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetInterval {
    /// At midnight.
    Daily,
    /// At midnight before Monday.
    Weekly,
    /// At midnight before the first of a month.
    Monthly,
}

impl ResetInterval {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ResetInterval::Daily => "daily",
            ResetInterval::Weekly => "weekly",
            ResetInterval::Monthly => "monthly",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [ResetInterval::Daily, ResetInterval::Weekly, ResetInterval::Monthly].into_iter().find(|interval| interval.name() == name)
    }

    /// The first day of the interval that `day` lies in; days are counted since 1970.
    pub(crate) fn first_day(self, day: u64) -> u64 {
        match self {
            ResetInterval::Daily => day,
            // 1970 began on a Thursday
            ResetInterval::Weekly => day.saturating_sub((day + 3) % 7),
            ResetInterval::Monthly => {
                let (year, month, _) = civil(day);
                day_of(year, month)
            }
        }
    }

    /// The day on which the next interval begins.
    pub(crate) fn next_day(self, day: u64) -> u64 {
        match self {
            ResetInterval::Daily => day + 1,
            ResetInterval::Weekly => self.first_day(day) + 7,
            ResetInterval::Monthly => {
                let (year, month, _) = civil(day);
                if month == 12 { day_of(year + 1, 1) } else { day_of(year, month + 1) }
            }
        }
    }
}

/// Year, month and day of a day counted since 1970.
fn civil(days: u64) -> (u64, u64, u64) {
    // years that begin in March make leap days the last of a year
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The first day of a month, counted since 1970.
fn day_of(year: u64, month: u64) -> u64 {
    let (year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * march_month + 2) / 5;
    (era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year).saturating_sub(719_468)
}

/// A day counted since 1970 as `2026-11-22`.
pub(crate) fn date(day: u64) -> String {
    let (year, month, day) = civil(day);
    format!("{year}-{month:02}-{day:02}")
}

/// Milliseconds since 1970 as `2026-11-22T00:00:00.000Z`.
pub(crate) fn timestamp(epoch_ms: u64) -> String {
    let ms_of_day = epoch_ms % DAY_MS;
    let (hour, minute) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60);
    let (second, ms) = (ms_of_day / 1_000 % 60, ms_of_day % 1_000);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", date(epoch_ms / DAY_MS))
}

/// Milliseconds since 1970 as `Sun, 22 Nov 2026 00:00:00 GMT`.
pub(crate) fn http_date(epoch_ms: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, seconds) = (epoch_ms / DAY_MS, epoch_ms % DAY_MS / 1_000);
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], place: u64| usize::try_from(place).ok().and_then(|place| names.get(place).copied()).unwrap_or("");
    let (weekday, month) = (name(&WEEKDAYS, days % 7), name(&MONTHS, month - 1));
    format!("{weekday}, {day:02} {month} {year} {:02}:{:02}:{:02} GMT", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Milliseconds since 1970 of a UTC timestamp such as `2027-12-31T23:59:59Z`, fractions of a second left out.
pub(crate) fn parse_timestamp(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?.split_once('T')?;
    let numbers = |text: &str, by: char| text.split(by).map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<u64>>>();
    let [year, month, day] = numbers(date, '-')?[..] else {
        return None;
    };
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?[..] else {
        return None;
    };
    let fits = (1971..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    fits.then(|| (day_of(year, month) + day - 1) * DAY_MS + ((hour * 60 + minute) * 60 + second.min(59)) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, ResetInterval, date, http_date, parse_timestamp, timestamp};

    #[test]
    fn timestamps() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_709_210_096_789), "2024-02-29T12:34:56.789Z");
        assert_eq!(timestamp(1_795_305_600_000), "2026-11-22T00:00:00.000Z");
        assert_eq!(http_date(1_795_305_661_000), "Sun, 22 Nov 2026 00:01:01 GMT");
    }

    #[test]
    fn timestamps_read_back() {
        for (text, back) in [("2024-02-29T12:34:56Z", Some(1_709_210_096_000)), ("2026-11-22T00:00:00.5+00:00", Some(1_795_305_600_000))] {
            assert_eq!(parse_timestamp(text), back, "{text}");
        }
        for text in ["", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T00:00:00+02:00", "x-y-zTa:b:cZ"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn intervals_begin_where_the_calendar_says() {
        // a Sunday
        let day = 1_795_305_600_000 / DAY_MS;
        let shown = |interval: ResetInterval| (date(interval.first_day(day)), date(interval.next_day(day)));
        assert_eq!(shown(ResetInterval::Daily), ("2026-11-22".to_owned(), "2026-11-23".to_owned()));
        assert_eq!(shown(ResetInterval::Weekly), ("2026-11-16".to_owned(), "2026-11-23".to_owned()));
        assert_eq!(shown(ResetInterval::Monthly), ("2026-11-01".to_owned(), "2026-12-01".to_owned()));
        assert_eq!(date(ResetInterval::Monthly.next_day(day + 20)), "2027-01-01");
    }
}
