//! Capabilities, rich dependencies and requests become libsolv's ids.

use super::pool::{Id, Operator, Pool};
use crate::repo::Relation;

/// Deepest nesting of a rich dependency. Ours; rpm allows 10 (`rpm-dependencies(7)` names no limit).
const MAX_DEPTH: usize = 16;
/// Most alternatives that a rich dependency may multiply to; libsolv turns it into clauses.
const MAX_CLAUSES: u64 = 4096;

impl From<Relation> for Option<Operator> {
    fn from(relation: Relation) -> Self {
        Some(match relation {
            Relation::Any => return None,
            Relation::Less => Operator::Less,
            Relation::LessEqual => Operator::LessEqual,
            Relation::Equal => Operator::Equal,
            Relation::GreaterEqual => Operator::GreaterEqual,
            Relation::Greater => Operator::Greater,
        })
    }
}

/// `name`, or `name operator version`.
pub(super) fn plain(pool: &mut Pool, name: &str, relation: Relation, version: &str) -> Id {
    let name = pool.text(name);
    match Option::<Operator>::from(relation) {
        Some(operator) => {
            let version = pool.text(version);
            pool.relation(name, operator, version)
        }
        None => name,
    }
}

/// A dependency's name, which may be a rich dependency; one that cannot be read is a name that nothing provides.
pub(super) fn name(pool: &mut Pool, text: &str) -> Id {
    match Rich::parse(text) {
        Some(rich) => rich.id(pool),
        None => pool.text(text),
    }
}

/// A rich dependency (`rpm-dependencies(7)`, "Boolean dependencies").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rich<'a> {
    /// `name`, `name >= version`.
    Plain(&'a str, Relation, &'a str),
    /// Two of them.
    Pair(Box<Self>, Operator, Box<Self>),
}

impl<'a> Rich<'a> {
    /// Reads text in parentheses; nothing when it is no rich dependency, or one beyond the limits.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut words = Words { rest: text.trim() };
        if !words.rest.starts_with('(') {
            return None;
        }
        let rich = words.group(0)?;
        let (either, both) = rich.clauses();
        (words.rest.is_empty() && either.max(both) <= MAX_CLAUSES).then_some(rich)
    }

    /// Its id.
    pub(super) fn id(&self, pool: &mut Pool) -> Id {
        match self {
            Self::Plain(name, relation, version) => plain(pool, name, *relation, version),
            Self::Pair(left, operator, right) => {
                let (left, right) = (left.id(pool), right.id(pool));
                pool.relation(left, *operator, right)
            }
        }
    }

    /// The plain dependencies in it.
    pub(super) fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::Plain(..) => vec![self],
            Self::Pair(left, _, right) => [left.leaves(), right.leaves()].concat(),
        }
    }

    /// How many clauses it has at most, as a disjunction and as a conjunction.
    fn clauses(&self) -> (u64, u64) {
        let Self::Pair(left, operator, right) = self else { return (1, 1) };
        let ((left_or, left_and), (right_or, right_and)) = (left.clauses(), right.clauses());
        match operator {
            Operator::And => (left_or.saturating_mul(right_or), left_and.saturating_add(right_and)),
            Operator::Or => (left_or.saturating_add(right_or), left_and.saturating_mul(right_and)),
            // A condition is negated, which turns one form into the other.
            _ => {
                let most = left_or.max(left_and).saturating_mul(right_or.max(right_and)).saturating_mul(2);
                (most, most)
            }
        }
    }
}

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    /// `(` operand {operator operand} `)`; several operands only of one of the operators that may be chained.
    fn group(&mut self, depth: usize) -> Option<Rich<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.rest = self.rest.strip_prefix('(')?.trim_start();
        let mut operands = vec![self.operand(depth)?];
        let mut operators = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix(')') {
                self.rest = rest.trim_start();
                return combine(operands, &operators);
            }
            operators.push(match self.word()? {
                "and" => Operator::And,
                "or" => Operator::Or,
                "with" => Operator::With,
                "without" => Operator::Without,
                "if" => Operator::If,
                "unless" => Operator::Unless,
                "else" => Operator::Else,
                _ => return None,
            });
            operands.push(self.operand(depth)?);
        }
    }

    fn operand(&mut self, depth: usize) -> Option<Rich<'a>> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('(') {
            return self.group(depth + 1);
        }
        let name = self.word()?;
        let before = self.rest;
        match self.word().and_then(Relation::from_operator) {
            Some(relation) => Some(Rich::Plain(name, relation, self.word()?)),
            None => {
                self.rest = before;
                Some(Rich::Plain(name, Relation::Any, ""))
            }
        }
    }

    /// Up to a space or a parenthesis that was not opened in the word.
    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let mut open = 0_usize;
        let end = text.find(|c: char| {
            match c {
                '(' => open += 1,
                ')' if open > 0 => open -= 1,
                ')' => return true,
                c => return c.is_whitespace() && open == 0,
            }
            false
        });
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// One tree of operands with operators between them.
fn combine<'a>(mut operands: Vec<Rich<'a>>, operators: &[Operator]) -> Option<Rich<'a>> {
    let chained = |operator: &Operator| {
        matches!(operator, Operator::And | Operator::Or | Operator::With)
            && operators.iter().all(|other| other == operator)
    };
    let sound = match operators {
        [] => true,
        [Operator::Else] => false,
        [_] | [Operator::If | Operator::Unless, Operator::Else] => true,
        _ => operators.iter().all(chained),
    };
    let mut tree = operands.pop().filter(|_| sound)?;
    for (left, operator) in operands.into_iter().zip(operators).rev() {
        tree = Rich::Pair(Box::new(left), *operator, Box::new(tree));
    }
    Some(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let mut pool = Pool::new("x86_64", &[]);
        let id = Rich::parse(text)?.id(&mut pool);
        Some(pool.show(id))
    }

    #[test]
    fn rich_dependencies_are_read() {
        for (text, read) in [
            ("(a)", "a"),
            ("(a or b)", "(a or b)"),
            ("(a >= 1 and b(x86-64) < 2:3-4 and c)", "(a >= 1 and b(x86-64) < 2:3-4 and c)"),
            ("(a if (b or c) else d)", "(a if (b or c) else d)"),
            ("((a or b) with c = 1)", "((a or b) with c = 1)"),
            ("(pkgconfig(x) unless b)", "(pkgconfig(x) unless b)"),
            ("( a   without  b )", "(a without b)"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
        let pairs: Vec<String> = (0..40).map(|n| format!("(a{n} or b{n})")).collect();
        let wide = format!("({})", pairs.join(" and "));
        for text in ["a", "(a", "(a or)", "(a or b and c)", "(a else b)", "(a xor b)", "()", "(a or b) c", &deep, &wide]
        {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
