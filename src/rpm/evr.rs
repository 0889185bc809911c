//! Epoch, version and release, ordered as rpm orders them.

use std::{cmp::Ordering, fmt};

/// `[epoch:]version[-release]`.
///
/// Two are equal when rpm takes them for the same: `1.0` and `1.00`, no epoch and epoch 0.
#[derive(Clone, Debug, Default)]
pub struct Evr {
    /// Absent counts as 0.
    pub epoch: Option<u32>,
    /// Upstream's version.
    pub version: String,
    /// The packager's release; may be empty in capabilities.
    pub release: String,
}

impl Evr {
    /// Takes `[epoch:]version[-release]` apart; the last `-` starts the release. Never fails, as in rpm: what isn't
    /// a number before `:` is no epoch.
    pub fn parse(text: &str) -> Self {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (epoch, rest) = match text.as_bytes().get(digits) {
            // rpm takes a missing number before the colon for epoch 0.
            Some(b':') => (Some(text[..digits].parse().unwrap_or(0)), &text[digits + 1..]),
            _ => (None, text),
        };
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, version: version.into(), release: release.into() }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(epoch) = self.epoch {
            write!(f, "{epoch}:")?;
        }
        f.write_str(&self.version)?;
        if !self.release.is_empty() {
            write!(f, "-{}", self.release)?;
        }
        Ok(())
    }
}

impl Ord for Evr {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.epoch.unwrap_or(0).cmp(&other.epoch.unwrap_or(0)))
            .then_with(|| compare(&self.version, &other.version))
            .then_with(|| compare(&self.release, &other.release))
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Evr {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Evr {}

/// Orders two versions or two releases as `rpmvercmp` does.
///
/// Runs of digits and runs of letters are compared in turn; everything else only separates. `~` sorts before the
/// end (`1.0~rc1` < `1.0`), `^` after it but before anything longer (`1.0` < `1.0^git1` < `1.0.1`).
pub fn compare(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        (left, right) = (skip_separators(left), skip_separators(right));
        let order = match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (Some(b'~'), _) => Ordering::Less,
            (_, Some(b'~')) => Ordering::Greater,
            (None, Some(b'^')) => Ordering::Less,
            (Some(b'^'), None) => Ordering::Greater,
            (Some(b'^'), _) => Ordering::Less,
            (_, Some(b'^')) => Ordering::Greater,
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(first), Some(_)) => {
                let of_kind = if first.is_ascii_digit() { u8::is_ascii_digit } else { u8::is_ascii_alphabetic };
                let (a, left_rest) = split_run(left, of_kind);
                let (b, right_rest) = split_run(right, of_kind);
                match compare_runs(a, b, first.is_ascii_digit()) {
                    Ordering::Equal => {
                        (left, right) = (left_rest, right_rest);
                        continue;
                    }
                    order => order,
                }
            }
        };
        return order;
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let at = text.iter().position(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'~' | b'^'));
    &text[at.unwrap_or(text.len())..]
}

fn split_run(text: &[u8], of_kind: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| of_kind(byte)).count())
}

/// `right` is empty when it continues with the other kind: numbers are newer than letters.
fn compare_runs(left: &[u8], right: &[u8], numeric: bool) -> Ordering {
    if right.is_empty() {
        return if numeric { Ordering::Greater } else { Ordering::Less };
    }
    if !numeric {
        return left.cmp(right);
    }
    let significant = |run: &[u8]| run.iter().take_while(|&&digit| digit == b'0').count();
    let (left, right) = (&left[significant(left)..], &right[significant(right)..]);
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_in_rpm() {
        // Cases of rpm's own `tests/rpmvercmp.at`, as facts.
        for (left, order, right) in [
            ("1.0", '=', "1.0"),
            ("1.0", '<', "2.0"),
            ("2.0.1", '<', "2.0.1a"),
            ("5.5p1", '<', "5.5p2"),
            ("5.5p10", '>', "5.5p1"),
            ("10xyz", '<', "10.1xyz"),
            ("xyz10", '<', "xyz10.1"),
            ("xyz.4", '<', "8"),
            ("5.5p2", '<', "5.6p1"),
            ("6.0.rc1", '>', "6.0"),
            ("10b2", '>', "10a1"),
            ("1.0aa", '>', "1.0a"),
            ("10.0001", '=', "10.1"),
            ("10.0001", '<', "10.0039"),
            ("4.999.9", '<', "5.0"),
            ("20101121", '<', "20101122"),
            ("2_0", '=', "2.0"),
            ("a", '=', "a+"),
            ("+", '=', "_"),
            ("1.0~rc1", '<', "1.0"),
            ("1.0~rc1", '<', "1.0~rc2"),
            ("1.0~rc1~git123", '<', "1.0~rc1"),
            ("1.0^", '>', "1.0"),
            ("1.0^git1", '<', "1.01"),
            ("1.0^20160101", '<', "1.0.1"),
            ("1.0^20160101^git1", '>', "1.0^20160101"),
            ("1.0~rc1^git1", '>', "1.0~rc1"),
            ("1.0^git1~pre", '<', "1.0^git1"),
            ("1b.fc17", '<', "1.fc17"),
            ("1g.fc17", '>', "1.fc17"),
        ] {
            let expected = match order {
                '<' => Ordering::Less,
                '>' => Ordering::Greater,
                _ => Ordering::Equal,
            };
            // Only letters against digits in the middle of a word isn't antisymmetric in rpm's own table.
            assert_eq!(compare(left, right), expected, "{left} {order} {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} against {left}");
        }
    }

    #[test]
    fn an_epoch_weighs_most_and_its_absence_is_zero() {
        assert!(Evr::parse("1:1.0-1") > Evr::parse("2.0-1"));
        assert_eq!(Evr::parse("0:1.0-1"), Evr::parse("1.0-1"));
        assert_eq!(Evr::parse(":1.0").epoch, Some(0));
        assert_eq!(Evr::parse("1.0-beta-2").release, "2");
        assert_eq!(Evr::parse("4:1.0-2").to_string(), "4:1.0-2");
    }
}
