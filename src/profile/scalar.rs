//! Scalars: sizes, times, clocks, modes, and what YAML 1.1 would take a bare word for.

use crate::units::Bytes;

/// `512M`, `20G`, `4096`: powers of 1024.
pub(super) fn size(text: &str) -> Option<Bytes> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift).filter(|bytes| *bytes <= 1 << 50).map(Bytes)
}

/// `60s`, `2h`, `1h30m`, `1d`, in seconds.
pub(super) fn time(text: &str) -> Option<u64> {
    let (mut seconds, mut rest, mut above) = (0_u64, text, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = match tail.as_bytes().first()? {
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        if unit >= above {
            return None;
        }
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        (above, rest) = (unit, &tail[1..]);
    }
    (!text.is_empty() && seconds <= 366 * 86_400).then_some(seconds)
}

/// `03:30`.
pub(super) fn clock(text: &str) -> Option<(u32, u32)> {
    let (hour, minute) = text.split_once(':')?;
    let two = |word: &str| (word.len() == 2).then(|| count(word)).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// `0644`, `755`.
pub(super) fn mode(text: &str) -> Option<u32> {
    let octal = (3..=5).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    octal.then(|| u32::from_str_radix(text, 8).ok()).flatten().filter(|mode| *mode <= 0o7777)
}

/// A whole number.
pub(super) fn count(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Whether a path is absolute and has neither `.` nor `..` nor an empty part; `/` alone is none.
pub(super) fn is_absolute(text: &str) -> bool {
    text.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !text.contains('\0'))
}

/// What a bare word would be for a reader of YAML 1.1 (or 1.2) if not a text.
///
/// The regular expressions of the types `bool`, `null`, `int`, `float` and `timestamp` at yaml.org/type (2005), made
/// wider where readers differ: a leading zero before a sexagesimal, `0o` for octal.
pub(super) fn yaml_1_1(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" => return Some("a boolean"),
        "~" | "null" => return Some("nothing"),
        ".inf" | "+.inf" | "-.inf" | ".nan" => return Some("a number"),
        _ => {}
    }
    let number = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    let all = |word: &str, allowed: &dyn Fn(u8) -> bool| {
        !word.is_empty() && word.bytes().all(|byte| allowed(byte) || byte == b'_')
    };
    let digits = |word: &str| all(word, &|byte| byte.is_ascii_digit()) && word.as_bytes()[0] != b'_';
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if number.len() > 1 && number.starts_with('0') && number.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return Some("an octal number");
    }
    if digits(number) {
        return Some("a number");
    }
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        if number.strip_prefix(prefix).is_some_and(|rest| all(rest, &|byte| (byte as char).is_digit(radix))) {
            return Some("a number");
        }
    }
    let sexagesimal = |word: &str| {
        word.split(':').enumerate().all(|(at, part)| {
            digits(part)
                && (at == 0
                    || (part.len() <= 2
                        && part.as_bytes()[0] <= b'9'
                        && (part.len() == 1 || part.as_bytes()[0] < b'6')))
        })
    };
    let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
    if number.contains(':')
        && sexagesimal(whole)
        && number.split_once('.').is_none_or(|(_, rest)| rest.is_empty() || digits(rest))
    {
        return Some("a sexagesimal number");
    }
    if is_date(number) {
        return Some("a date");
    }
    is_float(number).then_some("a floating-point number")
}

/// `1.10`, `1.`, `.5`, `1e3`, `6.02e+23`.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) =
        text.split_once('e').map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let sound_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let mut dots = 0;
    let sound = mantissa.bytes().all(|byte| {
        dots += u32::from(byte == b'.');
        byte.is_ascii_digit() || byte == b'.' || byte == b'_'
    });
    sound
        && sound_exponent
        && dots <= 1
        && mantissa.bytes().any(|byte| byte.is_ascii_digit())
        && (dots == 1 || exponent.is_some())
}

/// `2026-11-20`, alone or with a time behind it.
fn is_date(text: &str) -> bool {
    let date = text.split(['t', ' ']).next().unwrap_or_default();
    let parts: Vec<&str> = date.split('-').collect();
    matches!(parts[..], [year, month, day] if year.len() == 4 && (1..=2).contains(&month.len()) && (1..=2).contains(&day.len()))
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_clocks_and_modes() {
        for (text, bytes) in [
            ("512M", Some(512 << 20)),
            ("20G", Some(20 << 30)),
            ("4096", Some(4096)),
            ("1.5G", None),
            ("G", None),
            ("9999999T", None),
        ] {
            assert_eq!(size(text), bytes.map(Bytes), "{text}");
        }
        for (text, seconds) in [
            ("60s", Some(60)),
            ("1h30m", Some(5400)),
            ("2h", Some(7200)),
            ("30m1h", None),
            ("90", None),
            ("", None),
            ("h", None),
        ] {
            assert_eq!(time(text), seconds, "{text}");
        }
        assert_eq!([clock("03:30"), clock("24:00"), clock("3:30")], [Some((3, 30)), None, None]);
        assert_eq!([mode("0644"), mode("755"), mode("0888"), mode("17777")], [Some(0o644), Some(0o755), None, None]);
    }

    #[test]
    fn bare_words_that_are_no_texts_elsewhere() {
        for (text, kind) in [
            ("NO", Some("a boolean")),
            ("on", Some("a boolean")),
            ("~", Some("nothing")),
            ("1.10", Some("a floating-point number")),
            ("1e3", Some("a floating-point number")),
            ("0644", Some("an octal number")),
            ("03:30", Some("a sexagesimal number")),
            ("52:54:00:12:34:56", Some("a sexagesimal number")),
            ("20261120", Some("a number")),
            ("0x0c", Some("a number")),
            ("2026-11-20", Some("a date")),
            ("192.168.7.1", None),
            ("192.168.7.20/24", None),
            ("20G", None),
            ("1h30m", None),
            ("ttyS0,115200", None),
            ("us", None),
            ("~/.ssh/id.pub", None),
            ("2-10", None),
            ("AD485664E901B867051AB15F35A2F86E29B700A4", None),
        ] {
            assert_eq!(yaml_1_1(text), kind, "{text}");
        }
    }

    #[test]
    fn image_paths_are_absolute_and_normalised() {
        let sound = ["/etc/motd", "/a"].map(is_absolute);
        let unsound = ["etc", "/", "/a/../b", "/a//b", "/a/", "/./a", ""].map(is_absolute);
        assert!(sound.iter().all(|yes| *yes) && unsound.iter().all(|yes| !yes));
    }
}
