//! What a value may look like, and the faults of one that does not.
//!
//! One description, in [`super::schema`], serves the check here, merging, `rowi schema` and the test that every key
//! is documented.

use super::{
    Arch,
    faults::nearest,
    node::{Key, Node, Style, Value},
    scalar,
};
use crate::report::Diagnostic;

/// The form of a value.
#[derive(Debug)]
pub(super) enum Shape {
    /// A text of one line.
    Text,
    /// A text of any number of lines.
    Lines,
    /// `true` or `false`.
    Flag,
    /// A whole number up to this.
    Count(u32),
    /// `512M`, `20G`: powers of 1024.
    Size,
    /// `2h`, `1h30m`, `90s`.
    Time,
    /// `"03:30"`.
    Clock,
    /// `"0644"`.
    Mode,
    /// An absolute, normalised path in the image.
    Absolute,
    /// A text, or `{secret: NAME}`.
    Secret,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list; items that are maps are the same item if this key is the same. Empty: plain items.
    List(&'static Shape, &'static str),
    /// A map with free keys.
    Map(&'static Shape),
    /// A map with these keys.
    Record(&'static [Field]),
    /// One of several forms.
    Any(&'static [Shape]),
    /// Anything: passed on as it is.
    Free,
}

/// A key of a [`Shape::Record`].
#[derive(Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// What it means, for the documentation and the JSON Schema.
    pub(super) doc: &'static str,
    /// What it holds.
    pub(super) shape: Shape,
}

/// Keys that every list item may have.
pub(super) const ITEM: &[Field] = &[
    Field {
        name: "only",
        doc: "Where the item counts",
        shape: Shape::Record(&[
            Field {
                name: "arch",
                doc: "These architectures",
                shape: Shape::List(&Shape::Word(&["x86_64", "aarch64"]), ""),
            },
            Field { name: "platform", doc: "These platforms", shape: Shape::List(&Shape::Text, "") },
            Field { name: "distribution", doc: "These distributions", shape: Shape::List(&Shape::Text, "") },
        ]),
    },
    Field { name: "remove", doc: "`true` takes an inherited item away", shape: Shape::Flag },
];

impl Shape {
    /// The shape of a record's or map's key.
    pub(super) fn field(&self, name: &str) -> Option<&Shape> {
        match self {
            Self::Record(fields) => fields.iter().find(|field| field.name == name).map(|field| &field.shape),
            Self::Map(inner) => Some(inner),
            Self::Any(shapes) => shapes.iter().find_map(|shape| shape.field(name)),
            Self::Free => Some(self),
            _ => None,
        }
    }

    /// Whether a map fits.
    pub(super) fn is_map(&self) -> bool {
        match self {
            Self::Map(_) | Self::Record(_) | Self::Secret | Self::Free => true,
            Self::Any(shapes) => shapes.iter().any(Self::is_map),
            _ => false,
        }
    }

    /// The items' shape and identifying key, if a list fits.
    pub(super) fn list(&self) -> Option<(&Shape, &'static str)> {
        match self {
            Self::List(inner, id) => Some((inner, id)),
            Self::Any(shapes) => shapes.iter().find_map(Self::list),
            _ => None,
        }
    }

    /// The form in words, for "expected …".
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Lines => "a text of any number of lines".into(),
            Self::Flag => "`true` or `false`".into(),
            Self::Count(most) => format!("a whole number up to {most}"),
            Self::Size => "a size such as `512M` or `20G`".into(),
            Self::Time => "a time such as `60s`, `2h` or `1h30m`".into(),
            Self::Clock => "a time of day such as `\"03:30\"`".into(),
            Self::Mode => "permission bits such as `\"0644\"`".into(),
            Self::Absolute => "an absolute path without `.` and `..`".into(),
            Self::Secret => "a text or `{secret: NAME}`".into(),
            Self::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::List(inner, _) => format!("a list, each item {}", inner.expected()),
            Self::Map(_) => "a map".into(),
            Self::Record(fields) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name).take(8).collect();
                format!("a map with the keys {}", names.join(", "))
            }
            Self::Any(shapes) => shapes.iter().map(Self::expected).collect::<Vec<_>>().join(", or "),
            Self::Free => "anything".into(),
        }
    }
}

/// Collects the faults of one file.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    /// Whether arch maps may stand for values.
    pub(super) arch_maps: bool,
    /// Where faults go.
    pub(super) faults: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    /// Checks a value; `path` is its dotted key.
    pub(super) fn check(&mut self, shape: &Shape, node: &Node, path: &str) {
        if self.arch_maps && !path.is_empty() && is_arch_map(node) {
            for (_, branch) in node.entries() {
                self.check(shape, branch, path);
            }
            return;
        }
        match (shape, &node.value) {
            (Shape::Free, _) => {}
            (Shape::Any(shapes), _) => self.any(shape, shapes, node, path),
            (_, Value::Scalar(text, Style::Plain)) if text.is_empty() => self.fault(
                node,
                format!("`{path}` has no value"),
                "write `\"\"` for an empty text, or leave the key out",
            ),
            (Shape::Record(fields), Value::Map(entries)) => self.record(fields, entries, path),
            (Shape::Map(inner), Value::Map(entries)) => {
                for (key, value) in entries {
                    self.check(inner, value, &join(path, &key.name));
                }
            }
            (Shape::List(inner, id), Value::List(items)) => {
                for item in items {
                    self.item(inner, id, item, path);
                }
            }
            (Shape::Secret, Value::Map(entries)) => self.record(SECRET, entries, path),
            (shape, Value::Scalar(text, style)) => self.scalar(shape, text, *style, node, path),
            _ => self.unexpected(shape, node, path),
        }
    }

    /// A list's item: a scalar may be written `{name: X, only: …}`, a map may have the same keys beside its own.
    fn item(&mut self, shape: &Shape, id: &str, item: &Node, path: &str) {
        let Value::Map(entries) = &item.value else { return self.check(shape, item, path) };
        let removes = item.get("remove").and_then(Node::as_str) == Some("true");
        let (common, own): (Vec<_>, Vec<_>) =
            entries.iter().cloned().partition(|(key, _)| ITEM.iter().any(|field| field.name == key.name));
        self.record(ITEM, &common, path);
        let id = if id.is_empty() { "name" } else { id };
        match item.get(id) {
            Some(name) if removes || (!shape.is_map() && own.len() == 1) => {
                let shape = shape.field(id).unwrap_or(if shape.is_map() { &Shape::Text } else { shape });
                self.check(shape, name, path);
            }
            Some(_) if !shape.is_map() => {
                self.fault(item, format!("an item of `{path}` has more keys than `{id}`, `only` and `remove`"), "");
            }
            None if !shape.is_map() || (removes && shape.field(id).is_some()) => {
                self.fault(item, format!("an item of `{path}` has no `{id}`"), "");
            }
            _ => self.check(shape, &Node { value: Value::Map(own), ..item.clone() }, path),
        }
    }

    fn any(&mut self, whole: &Shape, shapes: &[Shape], node: &Node, path: &str) {
        let fits = |shape: &&Shape| match &node.value {
            Value::Map(_) => shape.is_map(),
            Value::List(_) => shape.list().is_some(),
            Value::Scalar(..) => !matches!(shape, Shape::Record(_) | Shape::Map(_) | Shape::List(..)),
        };
        let mut least: Option<Vec<Diagnostic>> = None;
        let fitting: Vec<&Shape> = shapes.iter().filter(fits).collect();
        for shape in &fitting {
            let mut faults = Vec::new();
            Checker { arch_maps: self.arch_maps, faults: &mut faults }.check(shape, node, path);
            if faults.is_empty() {
                return;
            }
            least = Some(faults);
        }
        match least {
            Some(faults) if fitting.len() == 1 => self.faults.extend(faults),
            Some(faults) if faults.iter().any(|fault| fault.message.contains("in YAML")) => self.faults.extend(faults),
            _ => self.unexpected(whole, node, path),
        }
    }

    fn record(&mut self, fields: &[Field], entries: &[(Key, Node)], path: &str) {
        for (key, value) in entries {
            let full = join(path, &key.name);
            match fields.iter().find(|field| field.name == key.name) {
                Some(field) => self.check(&field.shape, value, &full),
                None => {
                    let near = nearest(&key.name, fields.iter().map(|field| field.name));
                    let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
                    let hint = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known here: {}", known.join(", ")),
                    };
                    self.faults.push(Diagnostic::at(key.place.clone(), format!("unknown key `{full}`")).hint(hint));
                }
            }
        }
    }

    fn scalar(&mut self, shape: &Shape, text: &str, style: Style, node: &Node, path: &str) {
        let texts = matches!(
            shape,
            Shape::Text | Shape::Lines | Shape::Absolute | Shape::Secret | Shape::Mode | Shape::Clock | Shape::Word(_)
        );
        let listed = matches!(shape, Shape::Word(words) if words.contains(&text));
        if texts
            && style == Style::Plain
            && !listed
            && let Some(kind) = scalar::yaml_1_1(text)
        {
            let message = format!("`{path}` must be a text, but unquoted `{text}` is {kind} in YAML");
            return self.fault(node, message, &format!("write `\"{text}\"`"));
        }
        if let Shape::Flag = shape
            && style == Style::Quoted
        {
            return self.unexpected(shape, node, path);
        }
        let sound = match shape {
            Shape::Text | Shape::Secret => !text.chars().any(char::is_control),
            Shape::Lines => !text.contains('\0'),
            Shape::Flag => matches!(text, "true" | "false"),
            Shape::Count(most) => scalar::count(text).is_some_and(|number| number <= *most),
            Shape::Size => scalar::size(text).is_some(),
            Shape::Time => scalar::time(text).is_some(),
            Shape::Clock => scalar::clock(text).is_some(),
            Shape::Mode => scalar::mode(text).is_some(),
            Shape::Absolute => scalar::is_absolute(text),
            Shape::Word(words) => words.contains(&text),
            _ => false,
        };
        if !sound {
            self.unexpected(shape, node, path);
        }
    }

    fn unexpected(&mut self, shape: &Shape, node: &Node, path: &str) {
        let found = match &node.value {
            Value::Scalar(text, _) => format!("found `{}`", text.escape_debug()),
            Value::List(_) => "found a list".into(),
            Value::Map(_) => "found a map".into(),
        };
        let hint = match (shape, node.as_str()) {
            (Shape::Flag, Some(text)) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" => "write `true`".into(),
                "no" | "off" | "n" => "write `false`".into(),
                _ => String::new(),
            },
            (Shape::Word(words), Some(text)) => {
                nearest(text, words.iter().copied()).map_or(String::new(), |near| format!("did you mean `{near}`?"))
            }
            (Shape::List(..), Some(text)) => format!("write `[{text}]`"),
            _ => String::new(),
        };
        let at = if path.is_empty() { "the file".into() } else { format!("`{path}`") };
        self.fault(node, format!("{at}: expected {}, {found}", shape.expected()), &hint);
    }

    fn fault(&mut self, node: &Node, message: String, hint: &str) {
        let fault = Diagnostic::at(node.place.clone(), message);
        self.faults.push(if hint.is_empty() { fault } else { fault.hint(hint) });
    }
}

const SECRET: &[Field] = &[Field { name: "secret", doc: "The name it is given under", shape: Shape::Text }];

/// Whether a map has architectures for keys and nothing else.
pub(super) fn is_arch_map(node: &Node) -> bool {
    let entries = node.entries();
    !entries.is_empty()
        && entries.iter().all(|(key, _)| [Arch::X86_64, Arch::Aarch64].iter().any(|arch| arch.as_str() == key.name))
}

/// A dotted key.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}
