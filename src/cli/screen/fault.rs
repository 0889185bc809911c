//! A fault becomes text: `error: …`, its place with a caret, causes, advice; and one line for GitHub.

use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::{
    profile,
    report::{Diagnostic, Place, printable},
};

/// Longest line that is shown.
const MAX_LINE: usize = 400;

/// A fault as people read it.
pub(super) fn text(diagnostic: &Diagnostic, styled: bool) -> String {
    let message = printable(&diagnostic.message);
    let line = diagnostic.place.as_ref().and_then(|place| Some((place, Line::read(place)?)));
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    let title = Level::ERROR.primary_title(message);
    let mut text = match &line {
        Some((place, line)) => {
            let snippet = Snippet::source(line.text.as_str())
                .line_start(place.line as usize)
                .path(printable(&place.file.display().to_string()))
                .annotation(AnnotationKind::Primary.span(line.span.clone()));
            renderer.render(&[title.element(snippet)])
        }
        None => {
            let mut text = renderer.render(&[annotate_snippets::Group::with_title(title)]);
            if let Some(place) = &diagnostic.place {
                let _ = write!(text, "\n  --> {}", printable(&shown(place)));
            }
            text
        }
    };
    for (at, cause) in diagnostic.because.iter().enumerate() {
        let word = if at == 0 { "because" } else { "and" };
        let _ = write!(text, "\n  {word} {}", printable(cause).replace('\n', "\n    "));
    }
    for hint in &diagnostic.hints {
        let label = if styled { "\x1b[1;36mhint:\x1b[0m" } else { "hint:" };
        let _ = write!(text, "\n{label} {}", printable(hint));
    }
    text
}

/// A place; an option of the command line has no lines.
fn shown(place: &Place) -> String {
    if is_option(place) { place.file.display().to_string() } else { place.to_string() }
}

fn is_option(place: &Place) -> bool {
    place.file.as_os_str().as_encoded_bytes().starts_with(b"--")
}

/// A workflow command of GitHub's, which marks the line in a pull request.
pub(super) fn annotation(diagnostic: &Diagnostic) -> String {
    let mut message = diagnostic.message.clone();
    diagnostic.because.iter().for_each(|cause| message += &format!("\nbecause {cause}"));
    diagnostic.hints.iter().for_each(|hint| message += &format!("\nhint: {hint}"));
    let place = diagnostic.place.as_ref().filter(|place| !is_option(place)).map_or_else(String::new, |place| {
        let file = escaped(&place.file.display().to_string()).replace(':', "%3A").replace(',', "%2C");
        format!(" file={file},line={},col={}", place.line, place.column)
    });
    format!("::error{place}::{}", escaped(&message))
}

/// As GitHub's toolkit escapes data: a value cannot begin another command.
fn escaped(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The line that a place is in, and the word there.
struct Line {
    text: String,
    span: std::ops::Range<usize>,
}

impl Line {
    fn read(place: &Place) -> Option<Self> {
        Self::find(&profile::text_of(&place.file)?, place)
    }

    fn find(file: &str, place: &Place) -> Option<Self> {
        let line = file.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
        let column = usize::try_from(place.column).ok()?.saturating_sub(1);
        let shown = |text: &str| printable(text).replace('\t', " ");
        let before: String = line.chars().take(column).collect();
        let rest: String = line.chars().skip(column).collect();
        let start = shown(&before).len();
        let word = rest.find([' ', ',', '}', ']', '#', ':']).unwrap_or(rest.len());
        let end = start + shown(&rest[..word]).len();
        let text = shown(line);
        (text.len() <= MAX_LINE).then(|| Self { span: start..end.max(start + 1).min(text.len().max(start)), text })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use insta::assert_snapshot;

    use super::*;

    fn fault(file: &Path) -> Diagnostic {
        let place = Place { file: file.to_owned(), line: 2, column: 3 };
        let mut fault = Diagnostic::at(place, "unknown key `instal\x1b[2J`");
        fault.because = vec!["a list of packages is called `install`".into(), "there is nothing else".into()];
        fault.hint("write `install`")
    }

    #[test]
    fn a_fault_shows_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), "packages:\n  instal: [podman]\n").unwrap();
        let text = text(&fault(file.path()), false).replace(&file.path().display().to_string(), "kubic.yaml");
        assert_snapshot!(text, @r"
        error: unknown key `instal\x1b[2J`
         --> kubic.yaml:2:3
          |
        2 |   instal: [podman]
          |   ^^^^^^
          because a list of packages is called `install`
          and there is nothing else
        hint: write `install`
        ");
    }

    #[test]
    fn a_fault_of_a_file_that_is_gone_still_has_a_place() {
        assert_snapshot!(text(&fault(Path::new("/nowhere/kubic.yaml")), false), @r"
        error: unknown key `instal\x1b[2J`
          --> /nowhere/kubic.yaml:2:3
          because a list of packages is called `install`
          and there is nothing else
        hint: write `install`
        ");
    }

    #[test]
    fn github_marks_the_line_and_nothing_else() {
        let mut fault = fault(Path::new("a,b.yaml"));
        fault.message = "100 %\n::set-output name=x::y".into();
        assert_snapshot!(annotation(&fault), @r"
        ::error file=a%2Cb.yaml,line=2,col=3::100 %25%0A::set-output name=x::y%0Abecause a list of packages is called `install`%0Abecause there is nothing else%0Ahint: write `install`
        ");
    }
}
