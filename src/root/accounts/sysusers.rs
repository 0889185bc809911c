//! Lines of sysusers.d(5), as packages provide them.

/// One account to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `u` or `u!`: a user, with a group of the same name unless another is given.
    User {
        /// Name.
        name: String,
        /// Wanted number.
        id: Option<u32>,
        /// Name or number of its group.
        group: Option<String>,
        /// Description.
        description: String,
        /// Home; `/` where none is given.
        home: Option<String>,
        /// Shell; nologin where none is given.
        shell: Option<String>,
    },
    /// `g`: a group.
    Group {
        /// Name.
        name: String,
        /// Wanted number.
        id: Option<u32>,
    },
    /// `m`: a user becomes a member of a group.
    Member {
        /// User.
        user: String,
        /// Group.
        group: String,
    },
}

/// Reads one line. Comments, ranges (`r`) and what is not a line give nothing: a package's mistake must not make an
/// account with a name that breaks the files.
pub fn parse(line: &str) -> Option<Line> {
    let fields = split(line);
    let field = |at: usize| fields.get(at).filter(|field| !field.is_empty() && *field != "-").cloned();
    let name = field(1).filter(|name| is_name(name))?;
    let clean = |text: Option<String>| text.filter(|text| !text.contains([':', '\n']));
    match fields[0].trim_end_matches(['!', '-']) {
        "u" => {
            let (id, group) = match field(2) {
                None => (None, None),
                Some(ids) => match ids.split_once(':') {
                    Some((id, group)) => (
                        id.parse().ok(),
                        Some(group.to_owned()).filter(|group| is_name(group) || group.parse::<u32>().is_ok()),
                    ),
                    // A path: the number of its owner; packages' files are not there yet.
                    None => (ids.parse().ok(), None),
                },
            };
            let description = clean(field(3)).unwrap_or_default();
            Some(Line::User { name, id, group, description, home: clean(field(4)), shell: clean(field(5)) })
        }
        "g" => Some(Line::Group { name, id: field(2).and_then(|id| id.parse().ok()) }),
        "m" => Some(Line::Member { user: name, group: field(2).filter(|group| is_name(group))? }),
        _ => None,
    }
}

/// systemd's strict rule (user-util.c): a letter or `_`, then letters, digits, `_` and `-`, at most 31; a dot too, as
/// older packages have it.
fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.len() <= 31 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Fields between blanks; quotes hold blanks.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let (mut quote, mut begun) = (None, false);
    for c in line.trim().chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => (quote, begun) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if begun {
                    fields.push(String::new());
                    begun = false;
                }
            }
            (_, c) => {
                begun = true;
                if let Some(field) = fields.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    fields
}

/// A line from the version of a `user(…)`, `group(…)` or `groupmember(…)` capability: Base64 (RFC 4648) of the line.
/// Nothing when it is not that.
pub fn decode(version: &str) -> Option<String> {
    let (mut bits, mut held, mut bytes) = (0u32, 0u32, Vec::new());
    for byte in version.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    Some(text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_sysusers_d_has_them() {
        let user = |name: &str, id, group: Option<&str>, description: &str| Line::User {
            name: name.into(),
            id,
            group: group.map(Into::into),
            description: description.into(),
            home: None,
            shell: None,
        };
        for (text, line) in [
            ("u root 0 - -", Some(user("root", Some(0), None, ""))),
            ("u!  http 33:www  \"Web server\"", Some(user("http", Some(33), Some("www"), "Web server"))),
            ("g  video - -", Some(Line::Group { name: "video".into(), id: None })),
            ("m a b", Some(Line::Member { user: "a".into(), group: "b".into() })),
            ("# comment", None),
            ("r - 500-900", None),
            ("u a:b", None),
            ("m a", None),
            ("", None),
        ] {
            assert_eq!(parse(text), line, "{text}");
        }
    }

    #[test]
    fn capabilities_hold_lines_in_base64() {
        assert_eq!(decode("dSBkYnVzIC0=").as_deref(), Some("u dbus -"));
        assert_eq!(decode("1.0-2"), None);
    }
}
