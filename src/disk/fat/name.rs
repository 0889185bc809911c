//! Names for FAT: what is allowed, the 8.3 alias of a long name, and labels.

use std::{collections::BTreeSet, io};

/// An 8.3 name: eight characters and three, padded with spaces, no dot.
pub(super) type Short = [u8; 11];

/// Longest name in UTF-16 units.
const LONGEST: usize = 255;
/// Characters that a long name may not have.
const FORBIDDEN: &str = "\"*/:<>?\\|";
/// Characters beside letters and digits that an 8.3 name may have (the specification, "Name Limits").
const ALLOWED: &[u8] = b"$%'-_@~`!(){}^#&";

/// # Errors
/// No long name can be this.
pub(super) fn check(name: &str) -> io::Result<()> {
    let odd = name.is_empty() || name.ends_with(['.', ' ']) || name.starts_with(' ');
    let bad = |c: char| c.is_control() || FORBIDDEN.contains(c);
    if odd || name.encode_utf16().count() > LONGEST || name.chars().any(bad) {
        return Err(invalid(format!("`{name}` is no name for FAT")));
    }
    Ok(())
}

/// The 8.3 name of a name that is one but for small letters.
pub(super) fn plain(name: &str) -> Option<Short> {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let legal = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte));
    let fits = (1..=8).contains(&base.len()) && extension.len() <= 3 && !name.ends_with('.');
    (fits && legal(base) && legal(extension)).then(|| pad(base, extension))
}

/// An alias that is not in `taken`: the first letters, `~` and a number.
pub(super) fn alias(name: &str, taken: &BTreeSet<Short>) -> Option<Short> {
    let (base, extension) = name.trim_start_matches('.').rsplit_once('.').unwrap_or((name, ""));
    let base = legal(base);
    let extension: String = legal(extension).chars().take(3).collect();
    (1..1_000_000_u32).map(|number| numbered(&base, &extension, number)).find(|short| !taken.contains(short))
}

fn numbered(base: &str, extension: &str, number: u32) -> Short {
    let tail = format!("~{number}");
    let head: String = base.chars().take(8 - tail.len()).collect();
    pad(&(head + &tail), extension)
}

/// What an 8.3 name can say of a name; what it cannot is an underscore.
fn legal(part: &str) -> String {
    let kept = part.chars().filter(|c| !matches!(c, '.' | ' '));
    kept.map(|c| if c.is_ascii_alphanumeric() || (c.is_ascii() && ALLOWED.contains(&(c as u8))) { c } else { '_' })
        .collect()
}

/// Both parts are ASCII and short enough.
fn pad(base: &str, extension: &str) -> Short {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base.to_ascii_uppercase().as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.to_ascii_uppercase().as_bytes());
    short
}

/// A label in upper case; nothing for none.
///
/// # Errors
/// It is longer than eleven letters, or has others than firmware and people write.
pub(super) fn label(text: &str) -> io::Result<Option<Short>> {
    let mut label = [b' '; 11];
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b" -_".contains(&byte);
    if text.len() > label.len() || !text.bytes().all(legal) || text.starts_with(' ') {
        return Err(invalid(format!("`{text}` is no label for FAT")));
    }
    label[..text.len()].copy_from_slice(text.to_ascii_uppercase().as_bytes());
    Ok((!text.is_empty()).then_some(label))
}

pub(super) fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
