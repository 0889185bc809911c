//! Text in, located values out: every value of a YAML file with the line and column it stands at.
//!
//! A deserializer forgets where a value came from as soon as it has it; merging, `plan --explain` and carets need to
//! know it until the end. So events of the YAML parser become a small tree, and everything else works on that.

use serde_yaml::granit_parser::{self, Event, Parser, ScalarStyle, Span};

use super::Place;

/// Deeper nesting than any profile needs; bounds recursion over the tree.
const MAX_DEPTH: usize = 24;
/// More values than any profile needs.
const MAX_NODES: usize = 50_000;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// What is there.
    pub(super) value: Value,
    /// Where.
    pub(super) place: Place,
    /// Whether it is tagged `!reset`: what was inherited is dropped.
    pub(super) reset: bool,
    /// Values that this one replaced, the oldest first.
    pub(super) replaced: Vec<(Place, String)>,
}

/// What a file can say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A single word or text.
    Scalar(String, Style),
    /// `[…]`.
    List(Vec<Node>),
    /// `{…}`, in the file's order.
    Map(Vec<(Key, Node)>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Bare: YAML may take it for a number or a boolean.
    Plain,
    /// In quotes or as a block: text.
    Quoted,
    /// On the command line: whatever fits.
    Argument,
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: String,
    /// Where it stands.
    pub(super) place: Place,
}

impl Node {
    /// A value at a place.
    pub(super) fn new(value: Value, place: Place) -> Self {
        Self { value, place, reset: false, replaced: Vec::new() }
    }

    /// A text at a place.
    pub(super) fn text(text: impl Into<String>, place: Place) -> Self {
        Self::new(Value::Scalar(text.into(), Style::Argument), place)
    }

    /// An empty map.
    pub(super) fn empty(place: Place) -> Self {
        Self::new(Value::Map(Vec::new()), place)
    }

    /// The scalar's text.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The list's items; none for anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The map's entries; none for anything else.
    pub(super) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// A key's value.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }

    /// A value below: `update.reboot.window`.
    pub(super) fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, name| node.get(name))
    }

    /// Sets a key of a map.
    pub(super) fn set(&mut self, key: Key, value: Node) {
        let Value::Map(entries) = &mut self.value else { return };
        match entries.iter_mut().find(|(own, _)| own.name == key.name) {
            Some((_, old)) => *old = value,
            None => entries.push((key, value)),
        }
    }

    /// The value for machines; a secret shows its name only.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Scalar(text, Style::Quoted) => Json::String(text.clone()),
            Value::Scalar(text, _) => match text.as_str() {
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                text => text.parse::<i64>().map_or_else(|_| Json::String(text.into()), Json::from),
            },
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => match self.get("secret").and_then(Self::as_str).filter(|_| entries.len() == 1) {
                Some(name) => Json::String(format!("secret:{name}")),
                None => Json::Object(entries.iter().map(|(key, value)| (key.name.clone(), value.to_json())).collect()),
            },
        }
    }

    /// The value in one line, as a person would write it.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Scalar(text, _) if text.is_empty() || text.contains('\n') => format!("{text:?}"),
            Value::Scalar(text, _) => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(Self::shown).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{}: {}", key.name, value.shown())).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Where.
    pub(super) place: Place,
    /// What.
    pub(super) message: String,
}

/// Reads one file's text; `file` is its name in every place.
pub(super) fn parse(text: &str, file: &std::path::Path) -> Result<Node, Broken> {
    let options = granit_parser::options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let reader = Reader { events: Parser::new_from_str_with_options(text, options), file, nodes: 0 };
    reader.document()
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    file: &'a std::path::Path,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn document(mut self) -> Result<Node, Broken> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                event if root.is_none() => root = Some(self.node(event, span, 0)?),
                _ => return Err(self.broken(span, "a second document; a file holds one")),
            }
        }
        let start = Place { file: self.file.to_owned(), line: 1, column: 1 };
        root.ok_or_else(|| Broken { place: start, message: "the file is empty".into() })
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Broken> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = *error.marker();
                Err(Broken { place: self.place(at.line(), at.col()), message: error.info().to_string() })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Broken> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(self.broken(span, "more values, or deeper nesting, than a profile may have"));
        }
        let place = self.place(span.start.line(), span.start.col());
        let (value, tag) = match event {
            Event::Scalar(_, ScalarStyle::Plain, _, tag) if span.is_empty() => {
                (Value::Scalar(String::new(), Style::Plain), tag)
            }
            Event::Scalar(text, style, _, tag) => {
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                (Value::Scalar(text.into_owned(), style), tag)
            }
            Event::SequenceStart(_, _, tag) => (Value::List(self.list(depth)?), tag),
            Event::MappingStart(_, _, tag) => (Value::Map(self.map(depth)?), tag),
            Event::Alias(_) => return Err(self.broken(span, "aliases (`*name`) are not part of the profile language")),
            _ => return Err(self.broken(span, "expected a value")),
        };
        let mut node = Node::new(value, place);
        match tag.as_ref().map(|tag| tag.suffix()) {
            None => {}
            Some("reset") => node.reset = true,
            Some(other) => return Err(self.broken(span, &format!("unknown tag `!{other}`; the only one is `!reset`"))),
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Broken> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Broken> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let Event::Scalar(name, ..) = event else {
                return Err(self.broken(span, "a key must be a word"));
            };
            let key = Key { name: name.into_owned(), place: self.place(span.start.line(), span.start.col()) };
            if let Some((first, _)) = entries.iter().find(|(own, _)| own.name == key.name) {
                let message = format!("`{}` is given twice, first in line {}", key.name, first.place.line);
                return Err(Broken { place: key.place, message });
            }
            let (event, span) = self.next()?;
            entries.push((key, self.node(event, span, depth + 1)?));
        }
    }

    fn place(&self, line: usize, column: usize) -> Place {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place { file: self.file.to_owned(), line: narrow(line), column: narrow(column.saturating_add(1)) }
    }

    fn broken(&self, span: Span, message: &str) -> Broken {
        Broken { place: self.place(span.start.line(), span.start.col()), message: message.into() }
    }
}
