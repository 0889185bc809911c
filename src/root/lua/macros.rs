//! The few macros that scriptlets use: what they define themselves. Code in macros (`%(…)`, `%{lua:…}`) is an error.

use std::collections::BTreeMap;

/// Deeper nesting is a macro that names itself.
const DEEPEST: usize = 64;
/// An expansion stays below this many bytes.
const LONGEST: usize = 1 << 20;

/// Macros by name.
#[derive(Default)]
pub(super) struct Macros(BTreeMap<String, String>);

impl Macros {
    /// `name body`, as after `%define`.
    pub(super) fn define(&mut self, text: &str) -> Result<(), String> {
        let (name, body) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let name = name.split('(').next().unwrap_or("");
        if name.is_empty() {
            return Err(format!("`{text}` defines no macro"));
        }
        self.0.insert(name.to_owned(), body.trim_start().to_owned());
        Ok(())
    }

    pub(super) fn undefine(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn is_defined(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Expands a text; macros that are not defined stay as they are.
    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        self.expand_into(text, &mut out, 0)?;
        Ok(out)
    }

    fn expand_into(&self, text: &str, out: &mut String, depth: usize) -> Result<(), String> {
        if depth > DEEPEST || out.len() > LONGEST {
            return Err("macros nest too deeply".into());
        }
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            rest = if let Some(after) = after.strip_prefix('%') {
                out.push('%');
                after
            } else if after.starts_with('(') {
                return Err("`%(…)` would run a program".into());
            } else if let Some(inner) = after.strip_prefix('{') {
                let end = closing(inner).ok_or("a `%{` is not closed")?;
                self.braced(&inner[..end], out, depth)?;
                &inner[end + 1..]
            } else {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                self.braced_or_plain(&after[..end], &after[..end], out, depth)?;
                &after[end..]
            };
        }
        out.push_str(rest);
        Ok(())
    }

    /// `name`, `?name`, `!?name:text`.
    fn braced(&self, inner: &str, out: &mut String, depth: usize) -> Result<(), String> {
        if inner.starts_with("lua:") {
            return Err("`%{lua:…}` would run code".into());
        }
        let (head, body) = inner.split_once(':').map_or((inner, None), |(head, body)| (head, Some(body)));
        let name = head.trim_start_matches(['?', '!']);
        let marks = &head[..head.len() - name.len()];
        if !marks.contains('?') {
            return self.braced_or_plain(name, &format!("{{{inner}}}"), out, depth);
        }
        let negated = marks.matches('!').count() % 2 == 1;
        match (self.0.get(name), negated, body) {
            (Some(_), false, Some(body)) | (None, true, Some(body)) => self.expand_into(body, out, depth + 1),
            (Some(value), false, None) => self.expand_into(value, out, depth + 1),
            _ => Ok(()),
        }
    }

    fn braced_or_plain(&self, name: &str, written: &str, out: &mut String, depth: usize) -> Result<(), String> {
        match self.0.get(name) {
            Some(body) => self.expand_into(body, out, depth + 1),
            None => {
                out.push('%');
                out.push_str(written);
                Ok(())
            }
        }
    }
}

/// Where the brace that is open before `text` closes.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}
