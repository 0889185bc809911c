//! Outcomes as a table for people, as JUnit and as JSON for CI.

use serde::Serialize;

use crate::report::printable;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub passed: bool,
    /// What was found, where it does not; or what was asked for.
    pub detail: String,
    /// How long it took.
    pub seconds: u64,
}

/// One line a check.
pub fn table(outcomes: &[Outcome]) -> String {
    let width = outcomes.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or(0);
    let line = |outcome: &Outcome| {
        let word = if outcome.passed { "ok" } else { "FAILED" };
        let line = format!("{:width$}  {word:6}  {:>4} s  {}", outcome.name, outcome.seconds, outcome.detail);
        printable(line.trim_end()) + "\n"
    };
    outcomes.iter().map(line).collect()
}

/// Canonical JSON.
pub fn json(outcomes: &[Outcome]) -> String {
    String::from_utf8_lossy(&crate::plan::canonical(&outcomes)).into_owned() + "\n"
}

/// JUnit's XML, as CI systems read it (testsuite, testcase, failure).
pub fn junit(outcomes: &[Outcome]) -> String {
    let failures = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"rowi boot\" tests=\"{}\" failures=\"{failures}\">\n",
        outcomes.len()
    );
    for outcome in outcomes {
        let case = format!("  <testcase name=\"{}\" time=\"{}\"", escaped(&outcome.name), outcome.seconds);
        text += &match outcome.passed {
            true => format!("{case}/>\n"),
            false => format!("{case}><failure message=\"{}\"/></testcase>\n", escaped(&outcome.detail)),
        };
    }
    text + "</testsuite>\n"
}

fn escaped(text: &str) -> String {
    let text = printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\n', "&#10;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_shown_three_ways() {
        let outcome =
            |name: &str, passed, detail: &str| Outcome { name: name.into(), passed, detail: detail.into(), seconds: 2 };
        let outcomes = [outcome("one", true, ""), outcome("another", false, "a < \"b\"")];
        insta::assert_snapshot!(table(&outcomes), @r#"
        one      ok         2 s
        another  FAILED     2 s  a < "b"
        "#);
        insta::assert_snapshot!(junit(&outcomes), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuite name="rowi boot" tests="2" failures="1">
          <testcase name="one" time="2"/>
          <testcase name="another" time="2"><failure message="a &lt; &quot;b&quot;"/></testcase>
        </testsuite>
        "#);
        assert!(json(&outcomes).starts_with(r#"[{"detail":"","name":"one","passed":true,"seconds":2},"#));
    }
}
