//! Debian control records: fields, versions and relations, and the same in RPM's words.
//!
//! Debian Policy 4.7, chapters 5 and 7.

use std::fmt;

use crate::error::{Error, Result};

/// One paragraph of fields, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Control {
    fields: Vec<(String, String)>,
}

impl Control {
    /// Reads one paragraph; continuation lines keep their leading space.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut().ok_or_else(|| bad(line, "continues no field"))?;
                value.push('\n');
                value.push_str(line);
            } else {
                let (name, value) = line.split_once(':').ok_or_else(|| bad(line, "has no colon"))?;
                fields.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        Ok(Self { fields })
    }

    /// The value of a field, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a field that every package has.
    pub(crate) fn need(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| bad(name, "is missing"))
    }

    /// The relations of a field; none if it is not there.
    pub(crate) fn relations(&self, name: &str) -> Result<Vec<Alternatives>> {
        relations(self.get(name).unwrap_or_default())
    }

    /// The record as dpkg's status file holds it for an installed package.
    pub(crate) fn to_status(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\n"));
            if name == "Package" {
                text.push_str("Status: install ok installed\n");
            }
        }
        text + "\n"
    }
}

/// A version as RPM splits it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Evr {
    pub(crate) epoch: Option<String>,
    pub(crate) version: String,
    pub(crate) release: String,
}

impl Evr {
    /// Splits `[epoch:]upstream[-revision]`. Without a revision the release is `0`: RPM would take any release
    /// for equal, and then `> 2.41` refused `2.41-12`.
    pub(crate) fn from_debian(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (Some(epoch.to_owned()), rest),
            None => (None, text),
        };
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        // RPM allows no `-` inside either part.
        Self { epoch, version: version.replace('-', "_"), release: release.replace('-', "_") }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(epoch) = &self.epoch {
            write!(f, "{epoch}:")?;
        }
        write!(f, "{}-{}", self.version, self.release)
    }
}

/// One package name with an optional bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) name: String,
    bound: Option<(&'static str, Evr)>,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bound {
            Some((operator, evr)) => write!(f, "{} {operator} {evr}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// `a | b`: any one of them will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alternatives(pub(crate) Vec<Relation>);

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(Relation::to_string).collect();
        match words.as_slice() {
            [one] => f.write_str(one),
            _ => write!(f, "({})", words.join(" or ")),
        }
    }
}

fn relations(text: &str) -> Result<Vec<Alternatives>> {
    let clauses = text.split(',').map(str::trim).filter(|clause| !clause.is_empty());
    clauses.map(|clause| clause.split('|').map(relation).collect::<Result<_>>().map(Alternatives)).collect()
}

fn relation(text: &str) -> Result<Relation> {
    let text = text.trim();
    let (name, rest) = text.split_at(text.find([' ', '\t', '\n', '(']).unwrap_or(text.len()));
    // `name:any` and `name:native` say which architecture may satisfy it; a repository here has one.
    let name = name.split(':').next().unwrap_or(name);
    if name.is_empty() {
        return Err(bad(text, "names no package"));
    }
    let bound = match rest.trim() {
        "" => None,
        rest => Some(bound(rest).ok_or_else(|| bad(text, "is no relation"))?),
    };
    Ok(Relation { name: name.to_owned(), bound })
}

fn bound(text: &str) -> Option<(&'static str, Evr)> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?.trim();
    let (operator, version) = inner.split_at(inner.find(|c: char| !"<>=".contains(c))?);
    let operator = match operator {
        ">>" => ">",
        "<<" => "<",
        ">=" => ">=",
        "<=" => "<=",
        "=" => "=",
        _ => return None,
    };
    Some((operator, Evr::from_debian(version.trim())))
}

fn bad(what: &str, why: &str) -> Error {
    Error::malformed(format!("control record: `{what}`"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_split_as_rpm_wants_them() {
        let table = [
            ("1:10.0p1-7+deb13u4", "1:10.0p1-7+deb13u4"),
            ("2.41", "2.41-0"),
            ("257.13-1~deb13u1", "257.13-1~deb13u1"),
            ("1:4.16.0-2+really2.41.5-0+deb13u1", "1:4.16.0_2+really2.41.5-0+deb13u1"),
        ];
        for (debian, rpm) in table {
            assert_eq!(Evr::from_debian(debian).to_string(), rpm, "{debian}");
        }
    }

    #[test]
    fn relations_in_rpms_words() {
        let table = [
            ("", ""),
            ("libc6 (>= 2.38), perl:any", "libc6 >= 2.38-0; perl"),
            ("debconf (>= 0.5) | debconf-2.0,", "(debconf >= 0.5-0 or debconf-2.0)"),
            ("a(<<1:2-3)", "a < 1:2-3"),
            ("a (>> 1), b\n (= 2-1)", "a > 1-0; b = 2-1"),
        ];
        for (debian, rpm) in table {
            let words: Vec<_> = relations(debian).unwrap().iter().map(Alternatives::to_string).collect();
            assert_eq!(words.join("; "), rpm, "{debian}");
        }
        for broken in ["(>= 1)", "a (~ 1)", "a (>= 1", "a b"] {
            relations(broken).unwrap_err();
        }
    }

    #[test]
    fn a_record_keeps_its_order_and_its_continuations() {
        let control = Control::parse("Package: a\nVersion: 1\nDescription: short\n long\n .\n more\n").unwrap();
        assert_eq!(control.get("description"), Some("short\n long\n .\n more"));
        assert!(control.to_status().starts_with("Package: a\nStatus: install ok installed\nVersion: 1\n"));
        assert!(control.need("Depends").is_err());
        Control::parse(" continues nothing").unwrap_err();
    }
}
