//! Sizes and times as types, so that a unit is never a comment.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` times 1024 bytes.
    pub const fn from_kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` times 1024² bytes.
    pub const fn from_mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` times 1024³ bytes.
    pub const fn from_gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The smallest multiple of `unit` that is not less; `unit` is a power of two.
    pub const fn align_up(self, unit: u64) -> Self {
        debug_assert!(unit.is_power_of_two());
        Self((self.0 + unit - 1) & !(unit - 1))
    }
}

/// As people read it: powers of ten, as disks and downloads are sold.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STEPS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        for (step, name) in STEPS {
            if self.0 >= step {
                let tenths = self.0 / (step / 10);
                return match tenths {
                    100.. => write!(f, "{} {name}", tenths / 10),
                    _ => write!(f, "{}.{} {name}", tenths / 10, tenths % 10),
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// A moment in seconds since 1970, UTC: the newest time that anything in an image may carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl Epoch {
    /// Year, month, day, hour, minute and second in UTC.
    ///
    /// Proleptic Gregorian calendar; the day count is turned into a date by the era method
    /// (400-year cycles of 146,097 days).
    pub fn to_civil(self) -> (i64, u32, u32, u32, u32, u32) {
        let days = self.0.div_euclid(86_400);
        let second = self.0.rem_euclid(86_400) as u32;
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day, second / 3600, second / 60 % 60, second % 60)
    }

    /// `YYYYMMDD`.
    pub fn date(self) -> String {
        let (year, month, day, ..) = self.to_civil();
        format!("{year:04}{month:02}{day:02}")
    }

    /// `YYYY-MM-DD`, as people read it.
    pub fn day(self) -> String {
        let (year, month, day, ..) = self.to_civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `YYYY-MM-DD HH:MM:SS`, as snapper's `info.xml` has it.
    pub fn timestamp(self) -> String {
        let (.., hour, minute, second) = self.to_civil();
        format!("{} {hour:02}:{minute:02}:{second:02}", self.day())
    }

    /// By this machine's clock: never part of an image.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_powers_of_ten() {
        let shown: Vec<String> = [0, 999, 1_000, 1_450_000, 618_000_000, 20 << 30].map(|n| Bytes(n).to_string()).into();
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.4 MB", "618 MB", "21 GB"]);
    }

    #[test]
    fn epochs_are_dates() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_529_790, "2026-11-24 14:16:30"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(Epoch(seconds).timestamp(), shown);
        }
        assert_eq!(Epoch(1_795_529_790).date(), "20261124");
    }
}
