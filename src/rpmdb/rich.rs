//! Rich dependency → the names in it, as the indexes have them.
//!
//! `(a if b)` is found under `a` and under `!b`: a package that brings `b` changes whether it holds. Source: rpm 6.1,
//! `lib/rpmdb.cc`, `updateRichDep`; the grammar is `rpmrichParseInternal` in `lib/rpmds.cc`.

/// Parentheses that may be open at a time; rpm sets no limit.
const MAX_DEPTH: usize = 64;

/// Names that a dependency may have; nested `else` doubles them.
const MAX_NAMES: usize = 4096;

/// The names, sorted, each once, with `!` before those of conditions; none when it can't be parsed.
pub(super) fn names(dependency: &[u8]) -> Vec<Vec<u8>> {
    let mut parser = Parser { rest: dependency, found: Vec::new(), negated: false };
    if parser.group(0).is_none() {
        return Vec::new();
    }
    let mut found = parser.found;
    // With the mark before the name, as rpm sorts them: a space for none, which sorts before `!`.
    found.sort();
    found.dedup();
    found.into_iter().map(|(negated, name)| if negated { [b"!", name].concat() } else { name.to_vec() }).collect()
}

struct Parser<'text> {
    rest: &'text [u8],
    found: Vec<(bool, &'text [u8])>,
    negated: bool,
}

impl<'text> Parser<'text> {
    fn group(&mut self, depth: usize) -> Option<()> {
        self.rest = self.rest.strip_prefix(b"(").filter(|_| depth < MAX_DEPTH)?;
        // Where this group's condition begins.
        let mut start = self.found.len();
        let mut operator: &[u8] = b"";
        loop {
            self.skip_spaces();
            match self.rest.first()? {
                b')' => return None,
                b'(' => self.group(depth + 1)?,
                _ => self.simple()?,
            }
            self.skip_spaces();
            if let Some(rest) = self.rest.strip_prefix(b")") {
                self.rest = rest;
                break;
            }
            operator = self.operator()?;
            match operator {
                b"if" | b"unless" => {
                    start = self.found.len();
                    self.negated = !self.negated;
                }
                b"else" => {
                    // The condition decides about both branches.
                    let inverted: Vec<_> =
                        self.found[start..].iter().map(|(negated, name)| (!negated, *name)).collect();
                    self.found.extend(inverted);
                    if self.found.len() > MAX_NAMES {
                        return None;
                    }
                    self.negated = !self.negated;
                }
                _ => {}
            }
        }
        if matches!(operator, b"if" | b"unless") {
            self.negated = !self.negated;
        }
        Some(())
    }

    /// `name` or `name operator version`.
    fn simple(&mut self) -> Option<()> {
        let name = self.word();
        if name.is_empty() {
            return None;
        }
        self.skip_spaces();
        let is_comparison =
            |word: &[u8]| !word.is_empty() && word.iter().all(|byte| matches!(byte, b'<' | b'=' | b'>'));
        let before = self.rest;
        if is_comparison(self.word()) {
            self.skip_spaces();
            if self.word().is_empty() {
                return None;
            }
        } else {
            self.rest = before;
        }
        if !name.starts_with(b"rpmlib(") {
            self.found.push((self.negated, name));
        }
        Some(())
    }

    fn operator(&mut self) -> Option<&'text [u8]> {
        let end = self.rest.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b')')?;
        let (operator, rest) = self.rest.split_at(end);
        self.rest = rest;
        let all: [&[u8]; 7] = [b"and", b"or", b"if", b"unless", b"else", b"with", b"without"];
        all.contains(&operator).then_some(operator)
    }

    /// Up to a space, a comma or a parenthesis that the word didn't open.
    fn word(&mut self) -> &'text [u8] {
        let mut depth = 0;
        let end = self.rest.iter().position(|byte| match byte {
            b'(' => {
                depth += 1;
                false
            }
            b')' => {
                depth -= 1;
                depth < 0
            }
            byte => byte.is_ascii_whitespace() || *byte == b',',
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_conditions_are_marked() {
        let names = |text: &str| -> Vec<String> {
            names(text.as_bytes()).into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
        };
        assert_eq!(names("(a if b)"), ["a", "!b"]);
        assert_eq!(names("(b >= 1.0 or a)"), ["a", "b"]);
        assert_eq!(names("(a if b else c)"), ["a", "b", "c", "!b"]);
        assert_eq!(names("((a and lib.so()(64bit)) unless (b or rpmlib(X)))"), ["a", "lib.so()(64bit)", "!b"]);
        assert_eq!(names("(a if"), [""; 0]);
        assert_eq!(names("(a nor b)"), [""; 0]);
        assert_eq!(names(&"(".repeat(100_000)), [""; 0]);
    }
}
