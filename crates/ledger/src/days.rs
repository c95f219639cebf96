//! Days of the UTC calendar, by which spending is booked.

use crate::Millis;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// The day of a moment, in days since 1970-01-01.
pub(crate) fn day_of(moment: Millis) -> i64 {
    moment.div_euclid(MILLIS_PER_DAY)
}

/// A day as `2026-11-22`. One too far from now for a calendar of four-digit years is named by its number.
pub(crate) fn day_text(day: i64) -> String {
    match civil(day) {
        Some((year, month, day)) => format!("{year:04}-{month:02}-{day:02}"),
        None => format!("day {day}"),
    }
}

/// Year, month and day of month in the Gregorian calendar, for the years 0 to 9999.
fn civil(day: i64) -> Option<(i64, i64, i64)> {
    // Counted from the 1st of March of the year 0, so that a leap day is the last of its year.
    let since_march = day.checked_add(719_468).filter(|days| (-60..=3_652_364).contains(days))?;
    let (era, day_of_era) = (since_march.div_euclid(146_097), since_march.rem_euclid(146_097));
    // A leap day every 4 years, but not every 100, but every 400.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, months of 31 and 30 days alternate so that five of them have 153.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Some((year, month, day_of_month))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn days_are_named_as_sqlite_names_them() {
        let connection = Connection::open_in_memory().unwrap();
        let mut date = connection.prepare("SELECT date(? * 86400, 'unixepoch')").unwrap();
        for day in (-719_528..=2_932_896).step_by(97).chain([-719_528, -719_469, -1, 0, 59, 60, 11_016, 11_017, 2_932_896]) {
            let told: String = date.query_row([day], |row| row.get(0)).unwrap();
            assert_eq!(day_text(day), told, "{day}");
        }
    }

    #[test]
    fn days_out_of_the_calendar_have_a_number() {
        for day in [i64::MIN, -719_529, 2_932_897, i64::MAX] {
            assert_eq!(day_text(day), format!("day {day}"));
        }
    }

    #[test]
    fn a_day_ends_at_midnight_before_1970_too() {
        assert_eq!((day_of(-1), day_of(0), day_of(86_399_999), day_of(86_400_000)), (-1, 0, 0, 1));
    }
}
