//! A package as a spec file that lists what is already there and builds nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::control::{Control, Evr};
use crate::error::{Error, Result};
use crate::tar::{Kind, Member};

/// What a spec file says.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) evr: Evr,
    /// In RPM's words.
    pub(crate) arch: &'static str,
    pub(crate) summary: String,
    pub(crate) description: String,
    pub(crate) url: Option<String>,
    /// Tag and value, in order.
    pub(crate) relations: Vec<(&'static str, String)>,
    /// Scriptlet header (`%pre`) and body, in order.
    pub(crate) scriptlets: Vec<(&'static str, String)>,
    /// Paths that the administrator may change.
    pub(crate) conffiles: BTreeSet<String>,
}

/// The relations of Debian that RPM has, and its tag for each. Conflicts and Breaks stay out: what apt chose together
/// has none inside, and some of them make false conflicts, a package with what it provides itself for one.
const RELATIONS: [(&str, &str); 5] = [
    ("Pre-Depends", "Requires(pre)"),
    ("Depends", "Requires"),
    ("Recommends", "Recommends"),
    ("Suggests", "Suggests"),
    ("Provides", "Provides"),
];

/// RPM's name of a Debian architecture, where `native` is the repository's.
pub(crate) fn arch(debian: &str) -> Result<&'static str> {
    match debian {
        "all" => Ok("noarch"),
        "amd64" => Ok("x86_64"),
        "arm64" => Ok("aarch64"),
        other => Err(Error::malformed(format!("architecture `{other}`"), "is not known here")),
    }
}

impl Spec {
    /// What a control record says by itself.
    pub(crate) fn from_control(control: &Control) -> Result<Self> {
        let (summary, description) = description(control.get("Description").unwrap_or("(no description)"));
        let mut relations = Vec::new();
        for (field, tag) in RELATIONS {
            for relation in control.relations(field)? {
                relations.push((tag, relation.to_string()));
                if field == "Pre-Depends" {
                    // `Requires(pre)` alone may be erased after the installation.
                    relations.push(("Requires", relation.to_string()));
                }
            }
        }
        Ok(Self {
            name: control.need("Package")?.to_owned(),
            evr: Evr::from_debian(control.need("Version")?),
            arch: arch(control.need("Architecture")?)?,
            summary,
            description,
            url: control.get("Homepage").map(str::to_owned),
            relations,
            scriptlets: Vec::new(),
            conffiles: BTreeSet::new(),
        })
    }

    /// The name of the package's file.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name, self.evr.version, self.evr.release, self.arch)
    }

    /// The spec file, for the members of a tree.
    pub(crate) fn render<'a>(&self, members: impl Iterator<Item = &'a Member>) -> Result<String> {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
        line(format!("Name: {}", literal(&self.name)));
        line(format!("Version: {}\nRelease: {}", literal(&self.evr.version), literal(&self.evr.release)));
        if let Some(epoch) = &self.evr.epoch {
            line(format!("Epoch: {epoch}"));
        }
        line(format!("Summary: {}\nLicense: Debian", literal(&self.summary)));
        if self.arch == "noarch" {
            // Any other is rpmbuild's target: named here, a host of another architecture refused it.
            line("BuildArch: noarch".to_owned());
        }
        if let Some(url) = &self.url {
            line(format!("URL: {}", literal(url)));
        }
        for (tag, value) in &self.relations {
            line(format!("{tag}: {}", literal(value)));
        }
        line(format!("%description\n{}", literal(&self.description)));
        for (header, body) in &self.scriptlets {
            line(format!("{header}\n{}", literal(body)));
        }
        line("%files".to_owned());
        for member in members {
            line(self.file(member)?);
        }
        Ok(text)
    }

    /// One line of `%files`.
    fn file(&self, member: &Member) -> Result<String> {
        let (mode, kind) = match &member.kind {
            Kind::Directory => (format!("{:04o}", member.mode), "%dir "),
            Kind::Symlink(_) => ("-".to_owned(), marker(&member.path)),
            _ if self.conffiles.contains(&member.path) => (format!("{:04o}", member.mode), "%config(noreplace) "),
            _ => (format!("{:04o}", member.mode), marker(&member.path)),
        };
        Ok(format!("%attr({mode},{},{}) {kind}\"{}\"", member.user, member.group, quoted(&member.path)?))
    }
}

/// What `excludedocs` leaves out, and what it keeps.
fn marker(path: &str) -> &'static str {
    let is_doc = ["/usr/share/doc/", "/usr/share/man/", "/usr/share/info/"].iter().any(|top| path.starts_with(top));
    match is_doc {
        true if path.ends_with("/copyright") => "%license ",
        true => "%doc ",
        false => "",
    }
}

/// A path between quotes in `%files`: no macro, and a pattern that matches one file only.
fn quoted(path: &str) -> Result<String> {
    let is_pattern = path.contains(['*', '?', '[']);
    // rpm splits a pattern at its spaces, whatever the quotes.
    if path.contains(['"', '{', '\\']) || (is_pattern && path.contains(' ')) {
        return Err(Error::malformed(format!("path `{path}`"), "has letters that a file list cannot name"));
    }
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        match letter {
            // rpm 4.18 reads a backslash as a part of the name, so classes of one letter it is.
            '*' | '?' | '[' => text.extend(['[', letter, ']']),
            _ => text.push(letter),
        }
    }
    Ok(literal(&text))
}

/// Text in which RPM expands nothing.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

/// Summary and long text of a `Description` field.
fn description(text: &str) -> (String, String) {
    let (summary, rest) = text.split_once('\n').unwrap_or((text, ""));
    let lines = rest.lines().map(|line| match line.strip_prefix(' ').unwrap_or(line) {
        "." => "",
        line => line,
    });
    let long: Vec<_> = lines.collect();
    let long = if long.is_empty() { summary.to_owned() } else { long.join("\n") };
    (summary.to_owned(), long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_one_file_each() {
        let table = [("/a b", "/a b"), ("/50%", "/50%%"), ("/[", "/[[]"), ("/a*]", "/a[*]]")];
        for (path, expected) in table {
            assert_eq!(quoted(path).unwrap(), expected);
        }
        quoted("/\"").unwrap_err();
        quoted("/[ ").unwrap_err();
    }

    #[test]
    fn a_description_loses_its_indent() {
        assert_eq!(description("one\n two\n .\n  three"), ("one".to_owned(), "two\n\n three".to_owned()));
        assert_eq!(description("one"), ("one".to_owned(), "one".to_owned()));
    }

    #[test]
    fn documentation_is_marked_and_licences_are_kept() {
        assert_eq!(marker("/usr/share/doc/bash/copyright"), "%license ");
        assert_eq!(marker("/usr/share/man/man1/bash.1.gz"), "%doc ");
        assert_eq!(marker("/usr/bin/bash"), "");
    }
}
