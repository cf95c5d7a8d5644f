//! Dates as the catalog writes them, and as HTTP does. Instants are microseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01T00:00:00Z.
pub(crate) type Micros = i64;

pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const DAY: Micros = 86_400 * SECOND;

/// Days since 1970 of a civil date (proleptic Gregorian calendar).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Midnight (UTC) of a civil date.
pub(crate) fn midnight(year: i64, month: i64, day: i64) -> Micros {
    days_from_civil(year, month, day) * DAY
}

pub(crate) fn now() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros() as Micros)
}

fn digits(bytes: &[u8], from: usize, count: usize) -> Option<i64> {
    let part = bytes.get(from..from + count)?;
    part.iter().try_fold(0i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// Reads an RFC 3339 date: fraction present or absent, `Z` or a numeric offset.
pub(crate) fn parse(text: &str) -> Option<Micros> {
    let bytes = text.as_bytes();
    let separator = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|b| allowed.contains(b));
    let (year, month, day) = (digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?);
    let (hour, minute, second) = (digits(bytes, 11, 2)?, digits(bytes, 14, 2)?, digits(bytes, 17, 2)?);
    let well_formed =
        separator(4, b"-") && separator(7, b"-") && separator(10, b"Tt") && separator(13, b":") && separator(16, b":");
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !well_formed || !in_range {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if separator(at, b".") {
        at += 1;
        let start = at;
        let mut unit = SECOND / 10;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            fraction += i64::from(digit - b'0') * unit;
            unit /= 10;
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset_minutes = match (bytes.get(at)?, bytes.len() - at) {
        (b'Z' | b'z', 1) => 0,
        (sign @ (b'+' | b'-'), 6) if separator(at + 3, b":") => {
            let minutes = digits(bytes, at + 1, 2)? * 60 + digits(bytes, at + 4, 2)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = hour * 3600 + minute * 60 + second - offset_minutes * 60;
    Some(midnight(year, month, day) + seconds * SECOND + fraction)
}

/// Writes a date as the catalog does: six digits of fraction, or none at all when it is zero.
pub(crate) fn format(instant: Micros) -> String {
    let (year, month, day) = civil_from_days(instant.div_euclid(DAY));
    let within = instant.rem_euclid(DAY);
    let (seconds, fraction) = (within / SECOND, within % SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}+00:00")
    }
}

/// Writes a date as HTTP headers hold it, to the second (rounded down).
pub(crate) fn http_date(instant: Micros) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = instant.div_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    let seconds = instant.rem_euclid(DAY) / SECOND;
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[(month - 1) as usize],
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_textual_form_is_the_same_instant() {
        let instant = midnight(2021, 5, 11) + (16 * 3600 + 23 * 60 + 33) * SECOND;
        for form in [
            "2021-05-11T16:23:33+00:00",
            "2021-05-11T16:23:33Z",
            "2021-05-11T16:23:33.000Z",
            "2021-05-11T16:23:33.000000+00:00",
            "2021-05-11T18:23:33+02:00",
            "2021-05-11T14:53:33-01:30",
        ] {
            assert_eq!(parse(form), Some(instant), "{form}");
        }
        assert_eq!(format(instant), "2021-05-11T16:23:33+00:00");
        assert_eq!(format(instant + 675_000), "2021-05-11T16:23:33.675000+00:00");
        assert_eq!(http_date(instant), "Tue, 11 May 2021 16:23:33 GMT");
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "2021",
            "2021-05-11",
            "2021-05-11T16:23:33",
            "2021-05-11T16:23:33 00:00",
            "2021-05-11T16:23:33.Z",
            "2021-13-11T16:23:33Z",
            "2021-05-11T16:23:33Zz",
            "é021-05-11T16:23:33Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn formatting_and_parsing_agree_over_centuries() {
        let mut instant = midnight(1969, 1, 1);
        while instant < midnight(2105, 1, 1) {
            assert_eq!(parse(&format(instant)), Some(instant));
            instant += 13 * DAY + 3 * 3600 * SECOND + 123_000;
        }
    }
}
