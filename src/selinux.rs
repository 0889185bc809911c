//! The label that an SELinux policy's `file_contexts` give a path, as libselinux finds it (facts: libselinux 3.11,
//! `label_file.c`, `label_file.h`, `regex.c`; the file format is in file_contexts(5)).
//!
//! - A line is a regular expression, maybe a file type, and a context or `<<none>>`. Expressions are PCRE2's with the
//!   option that `.` matches every byte; they match the whole path.
//! - A line without meta characters (escaped ones are none) is a literal path and wins over every pattern. Otherwise
//!   the last line that matches wins, the file `.local` coming after `.homedirs` and that after the policy's own.
//! - `.subs_dist` and `.subs` name folders that are looked up as others; the last line that fits comes first.

use std::collections::HashMap;

use pcre2::bytes::{Regex, RegexBuilder};
use rayon::prelude::*;

use crate::tree::{Kind, RelPath};

/// Which policy is loaded, and whether it is enforced (selinux_config(5)).
pub const CONFIG: &str = "/etc/selinux/config";
/// The attribute that holds a label: the context and a zero byte.
pub const XATTR: &[u8] = b"security.selinux";

/// The context of files that the policy leaves without one.
const NONE: &str = "<<none>>";
/// The files with specifications, by what is added to the name, in the order in which they count.
const FILES: [&str; 3] = ["", ".homedirs", ".local"];
/// Longest expression, in bytes; libselinux's own limit.
const MAX_EXPRESSION: usize = 4095;
/// Most specifications. Our limit: Fedora's, openSUSE's and Debian's policies have 4,000 to 7,000.
const MAX_SPECIFICATIONS: usize = 100_000;
/// The characters that make a line a pattern.
const META: &[u8] = b".^$?*+|[({])}";
/// What a backslash takes the meaning of, besides those; before any other character it makes the line a pattern.
const ESCAPED: &[u8] = b"-_,";

/// A policy's labels.
#[derive(Clone, Debug)]
pub struct FileContexts {
    literals: HashMap<Vec<u8>, Vec<Label>>,
    patterns: Vec<Pattern>,
    /// `.subs`, then `.subs_dist`: what is replaced, and by what.
    substitutions: [Vec<(Vec<u8>, Vec<u8>)>; 2],
}

/// What one line gives.
#[derive(Clone, Debug)]
struct Label {
    /// As in [`letter`]; nothing for every kind of file.
    kind: Option<u8>,
    context: String,
}

#[derive(Clone, Debug)]
struct Pattern {
    /// What every path that matches begins with: cheaper to compare than the expression is to run.
    prefix: Vec<u8>,
    expression: Regex,
    label: Label,
}

/// A line of `file_contexts` that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`, line {line}: {what}")]
pub struct Error {
    file: String,
    line: usize,
    what: String,
}

/// A line, read.
struct Line<'a> {
    expression: &'a str,
    label: Label,
    file: &'a str,
    number: usize,
}

/// The policy that a text of [`CONFIG`] names.
pub fn policy(config: &str) -> Option<&str> {
    setting(config, "SELINUXTYPE")
}

/// The value of a key of [`CONFIG`]; the last line counts.
pub fn setting<'a>(config: &'a str, key: &str) -> Option<&'a str> {
    let values = config.lines().filter_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='));
    values.map(str::trim).next_back()
}

/// Where a policy's `file_contexts` lie.
pub fn path(policy: &str) -> String {
    format!("/etc/selinux/{policy}/contexts/files/file_contexts")
}

impl FileContexts {
    /// Reads the policy of a system whose files `text` reads; nothing where it has none.
    ///
    /// # Errors
    /// A line that libselinux would refuse, too.
    pub fn read(text: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let config = text(CONFIG).unwrap_or_default();
        let Some(path) = policy(&config).map(path) else { return Ok(None) };
        let texts: Vec<(String, String)> = FILES
            .iter()
            .map(|end| format!("{path}{end}"))
            .filter_map(|path| text(&path).map(|text| (path, text)))
            .collect();
        if texts.first().is_none_or(|(first, _)| *first != path) {
            return Ok(None);
        }
        let mut contexts = Self {
            literals: HashMap::new(),
            patterns: Vec::new(),
            substitutions: [".subs", ".subs_dist"]
                .map(|end| text(&format!("{path}{end}")).map(|text| substitutions(&text)).unwrap_or_default()),
        };
        contexts.add(&texts)?;
        Ok(Some(contexts))
    }

    fn add(&mut self, texts: &[(String, String)]) -> Result<(), Error> {
        let mut patterns = Vec::new();
        let lines = texts.iter().flat_map(|(file, text)| text.lines().enumerate().map(move |it| (file, it)));
        let mut count = 0;
        for (file, (number, text)) in lines {
            let Some(line) = Line::read(file, number + 1, text)? else { continue };
            count += 1;
            if count > MAX_SPECIFICATIONS {
                return Err(line.fault(format!("there are more than {MAX_SPECIFICATIONS} specifications")));
            }
            match simplified(line.expression) {
                Ok(path) => self.literals.entry(path).or_default().push(line.label),
                Err(prefix) => patterns.push((prefix, line)),
            }
        }
        self.patterns =
            patterns.into_par_iter().map(|(prefix, line)| line.compiled(prefix)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The context of a file of the running system, or nothing where the policy leaves it without one.
    pub fn of(&self, path: &RelPath, kind: &Kind) -> Option<&str> {
        let mut key = [b"/", path.as_bytes()].concat();
        for replaced in &self.substitutions {
            key = substituted(replaced, key);
        }
        let kind = letter(kind);
        let fits = |label: &&Label| label.kind.is_none_or(|only| only == kind);
        let literal = self.literals.get(&key).and_then(|labels| labels.iter().rev().find(fits));
        let label = literal.or_else(|| {
            let mut fitting = self.patterns.iter().rev().filter(|pattern| fits(&&pattern.label));
            fitting.find(|pattern| pattern.matches(&key)).map(|pattern| &pattern.label)
        })?;
        (label.context != NONE).then_some(label.context.as_str())
    }
}

impl<'a> Line<'a> {
    fn read(file: &'a str, number: usize, text: &'a str) -> Result<Option<Self>, Error> {
        let mut words = text.split_ascii_whitespace();
        let Some(expression) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
        let mut line = Self { expression, label: Label { kind: None, context: String::new() }, file, number };
        let (kind, context) = match (words.next(), words.next()) {
            (Some(kind), Some(context)) => (Some(kind), context),
            (Some(context), None) => (None, context),
            _ => return Err(line.fault("there is no context")),
        };
        line.label.kind = match kind.map(str::as_bytes) {
            None => None,
            Some(&[b'-', letter]) if b"-bcdpls".contains(&letter) => Some(letter),
            Some(_) => return Err(line.fault(format!("`{}` is no file type", kind.unwrap_or_default()))),
        };
        context.clone_into(&mut line.label.context);
        if expression.len() > MAX_EXPRESSION {
            return Err(line.fault("the expression is too long"));
        }
        Ok(Some(line))
    }

    fn compiled(self, prefix: Vec<u8>) -> Result<Pattern, Error> {
        let whole = format!("^{}$", self.expression);
        let expression = RegexBuilder::new().dotall(true).jit_if_available(true).build(&whole);
        let expression = expression.map_err(|error| self.fault(error.to_string()))?;
        Ok(Pattern { prefix, expression, label: self.label })
    }

    fn fault(&self, what: impl Into<String>) -> Error {
        Error { file: self.file.into(), line: self.number, what: what.into() }
    }
}

impl Pattern {
    /// An expression that gives up (PCRE2's limits) matches nothing, as in libselinux.
    fn matches(&self, path: &[u8]) -> bool {
        path.starts_with(&self.prefix) && self.expression.is_match(path).unwrap_or(false)
    }
}

/// The path that an expression without meta characters is, or what every path that matches begins with.
fn simplified(expression: &str) -> Result<Vec<u8>, Vec<u8>> {
    let mut literal = Vec::with_capacity(expression.len());
    let mut bytes = expression.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let taken = match byte {
            b'\\' => bytes.next().filter(|next| META.contains(next) || ESCAPED.contains(next)),
            byte => Some(byte).filter(|byte| !META.contains(byte)),
        };
        let Some(taken) = taken else {
            // What follows may make the byte before it optional, and an alternative may begin otherwise.
            literal.pop();
            return Err(if has_alternatives(expression) { Vec::new() } else { literal });
        };
        literal.push(taken);
    }
    Ok(literal)
}

/// Whether there is a `|` outside groups and character classes.
fn has_alternatives(expression: &str) -> bool {
    let (mut depth, mut in_class, mut bytes) = (0_i32, false, expression.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class => depth -= 1,
            b'|' if !in_class && depth <= 0 => return true,
            _ => {}
        }
    }
    false
}

/// Pairs of folders, the last line first.
fn substitutions(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = text.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?.into(), words.next()?.into()))
    });
    let mut pairs: Vec<_> = pairs.collect();
    pairs.reverse();
    pairs
}

/// The path that is looked up for `key`.
fn substituted(pairs: &[(Vec<u8>, Vec<u8>)], key: Vec<u8>) -> Vec<u8> {
    let found = pairs.iter().find_map(|(from, to)| {
        let rest = key.strip_prefix(from.as_slice()).filter(|rest| rest.first().is_none_or(|&byte| byte == b'/'))?;
        let rest = if to == b"/" { rest.strip_prefix(b"/").unwrap_or(rest) } else { rest };
        Some([to.as_slice(), rest].concat())
    });
    found.unwrap_or(key)
}

/// A kind of file as `file_contexts` writes it after a dash.
fn letter(kind: &Kind) -> u8 {
    match kind {
        Kind::Directory => b'd',
        Kind::File { .. } => b'-',
        Kind::Symlink { .. } => b'l',
        Kind::CharDevice { .. } => b'c',
        Kind::BlockDevice { .. } => b'b',
        Kind::Fifo => b'p',
        Kind::Socket => b's',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(files: &[(&str, &str)]) -> Result<Option<FileContexts>, Error> {
        FileContexts::read(|path| {
            let end = path.strip_prefix("/etc/selinux/p/contexts/files/file_contexts");
            let name = if path == CONFIG { Some("config") } else { end };
            files.iter().find(|(file, _)| Some(*file) == name).map(|(_, text)| (*text).to_owned())
        })
    }

    fn label(contexts: &FileContexts, path: &str, kind: &Kind) -> Option<String> {
        contexts.of(&RelPath::new(path).unwrap(), kind).map(Into::into)
    }

    const CHOSEN: (&str, &str) = ("config", "# no\nSELINUX=enforcing\nSELINUXTYPE = x\n SELINUXTYPE=p \n");

    #[test]
    fn the_last_pattern_wins_and_a_literal_path_over_all() {
        let file = Kind::File { content: Vec::new().into(), link: None };
        let base = "/.*\tu:o:default\n/usr/(.*/)?bin(/.*)? u:o:bin\n/usr/bin/sh -- u:o:shell\n/usr/bin/s.\t--\tu:o:pair\n\
                    /usr/bin/d -d u:o:folder\n/proc/.* <<none>>\n/etc/a\\.b u:o:dot\n/etc/a.b u:o:any\n\n  # a comment\n\
                    /x\\d u:o:digit\n/lib(64)? u:o:lib\n/one|/two u:o:either\n/home/h u:o:base\n";
        let files = [CHOSEN, ("", base), (".local", "/home/h u:o:local\n"), (".homedirs", "/home/[^/]+ -d u:o:home\n")];
        let contexts = contexts(&files).unwrap().unwrap();
        let of = |path: &str| label(&contexts, path, &file);
        for (path, wanted) in [
            ("/", Some("u:o:default")),
            ("/usr/bin/sh", Some("u:o:shell")),
            ("/usr/bin/sx", Some("u:o:pair")),
            ("/usr/local/bin", Some("u:o:bin")),
            ("/usr/bin/d", Some("u:o:bin")),
            ("/proc/1", None),
            ("/etc/a.b", Some("u:o:dot")),
            ("/etc/aXb", Some("u:o:any")),
            ("/x7", Some("u:o:digit")),
            ("/xd", Some("u:o:default")),
            ("/lib", Some("u:o:lib")),
            ("/lib6", Some("u:o:default")),
            ("/two", Some("u:o:either")),
            ("/home/h", Some("u:o:local")),
            ("/home/i", Some("u:o:default")),
        ] {
            assert_eq!(of(path).as_deref(), wanted, "{path}");
        }
        assert_eq!(label(&contexts, "/usr/bin/d", &Kind::Directory).as_deref(), Some("u:o:folder"));
        assert_eq!(label(&contexts, "/home/i", &Kind::Directory).as_deref(), Some("u:o:home"));
    }

    #[test]
    fn folders_are_looked_up_as_others() {
        let files = [
            CHOSEN,
            ("", "/.* u:o:default\n/usr/lib/x u:o:x\n/root/x u:o:root\n/var/run/y u:o:y\n"),
            (".subs_dist", "/lib /usr/lib\n/run /var/run\n/ /never\n# /usr /no\n"),
            (".subs", "/opt/lib /lib\n/top /\n"),
        ];
        let contexts = contexts(&files).unwrap().unwrap();
        for (path, wanted) in [
            ("/lib/x", "u:o:x"),
            ("/opt/lib/x", "u:o:x"),
            ("/library/x", "u:o:default"),
            ("/run/y", "u:o:y"),
            ("/top/root/x", "u:o:root"),
        ] {
            assert_eq!(label(&contexts, path, &Kind::Fifo).as_deref(), Some(wanted), "{path}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, message) in [
            ("\n/a\n", "line 2: there is no context"),
            ("/a -x u:o:t\n", "line 1: `-x` is no file type"),
            ("/a( u:o:t\n", "line 1: PCRE2: error compiling pattern at offset"),
        ] {
            let error = contexts(&[CHOSEN, ("", text)]).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert!(error.starts_with("`/etc/selinux/p/contexts/files/file_contexts`, "), "{error}");
        }
        assert!(contexts(&[CHOSEN, (".local", "/a u:o:t\n")]).unwrap().is_none());
        assert!(contexts(&[("", "/a u:o:t\n")]).unwrap().is_none());
    }
}
