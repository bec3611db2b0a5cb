//! `YYYYMMDDTHHMMSSZ`, the one way a signature writes time.

use domain::Timestamp;

const LEN: usize = 16;

/// Reads a date.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let shaped = text.len() == LEN
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let real = shaped
        && year >= 1970
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    real.then(|| Timestamp::from_seconds(((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second))
}

/// Writes a date.
pub(super) fn write(moment: Timestamp) -> String {
    let text = Timestamp::from_seconds(moment.seconds()).to_string();
    text.chars().filter(|it| !matches!(it, '-' | ':')).collect()
}

/// `YYYYMMDD` of a date.
pub(super) fn day(date: &str) -> &str {
    date.get(..8).unwrap_or(date)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar, counted in years that begin in March so that the
/// leap day is the last of its year.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_real_second_written_in_full_is_a_date() {
        assert_eq!(parse("20150830T123600Z").unwrap().to_string(), "2015-08-30T12:36:00Z");
        assert_eq!(parse("20240229T000000Z").unwrap().to_string(), "2024-02-29T00:00:00Z");
        for bad in [
            "",
            "20150830T123600",
            "20150830t123600Z",
            "2015-08-30T12:36:00Z",
            "20150830T123600Z ",
            "+2015830T123600Z",
            "20150830T+23600Z",
            "20150830T246000Z",
            "20150830T123660Z",
            "20150832T123600Z",
            "20150229T123600Z",
            "21000229T123600Z",
            "20151330T123600Z",
            "20150030T123600Z",
            "19691231T235959Z",
            "2015083０123600Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0i64..4_102_444_800) {
            let moment = Timestamp::from_seconds(seconds);
            prop_assert_eq!(parse(&write(moment)), Some(moment));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,20}") {
            parse(&text);
        }
    }
}
