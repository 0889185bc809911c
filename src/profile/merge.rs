//! Conditions, inheritance and `--set`: several trees become one.

use super::{
    Arch,
    faults::nearest,
    node::{Key, Node, Value},
    shape::{Shape, is_arch_map, join},
};
use crate::report::Diagnostic;

/// What conditions ask about.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The architecture.
    pub(super) arch: Arch,
    /// The platform's name.
    pub(super) platform: String,
    /// The distribution's name.
    pub(super) distribution: String,
}

impl Target {
    /// Drops items whose `only` does not hold, and takes the architecture's branch of arch maps.
    pub(super) fn select(&self, node: Node, arch_maps: bool) -> Option<Node> {
        if arch_maps && is_arch_map(&node) {
            return self.select(node.get(self.arch.as_str())?.clone(), arch_maps);
        }
        let Node { value, place, reset, replaced } = node;
        let value = match value {
            Value::List(items) => {
                Value::List(items.into_iter().filter_map(|item| self.item(item, arch_maps)).collect())
            }
            Value::Map(entries) => Value::Map(
                entries.into_iter().filter_map(|(key, value)| Some((key, self.select(value, arch_maps)?))).collect(),
            ),
            scalar => scalar,
        };
        Some(Node { value, place, reset, replaced })
    }

    fn item(&self, item: Node, arch_maps: bool) -> Option<Node> {
        let holds = item.get("only").is_none_or(|only| self.holds(only));
        let mut item = self.select(item, arch_maps).filter(|_| holds)?;
        if let Value::Map(entries) = &mut item.value {
            entries.retain(|(key, _)| key.name != "only");
        }
        Some(item)
    }

    fn holds(&self, only: &Node) -> bool {
        [("arch", self.arch.as_str()), ("platform", &self.platform), ("distribution", &self.distribution)].iter().all(
            |(key, own)| {
                only.get(key).is_none_or(|allowed| allowed.items().iter().any(|one| one.as_str() == Some(own)))
            },
        )
    }
}

/// The child's words on top of the parent's.
pub(super) fn merge(shape: &Shape, parent: Node, child: &Node) -> Node {
    if child.reset {
        return Node { reset: true, replaced: history(&parent), ..normalised(shape, child) };
    }
    match (&parent.value, &child.value) {
        (Value::Map(_), Value::Map(entries)) if shape.is_map() => {
            let mut merged = parent;
            for (key, value) in entries {
                let below = shape.field(&key.name).unwrap_or(&Shape::Free);
                let value = match merged.get(&key.name) {
                    Some(old) => merge(below, old.clone(), value),
                    None => merge(below, empty_like(value), value),
                };
                merged.set(key.clone(), value);
            }
            merged
        }
        (Value::List(_), Value::List(_)) => match shape.list() {
            Some((inner, id)) => add(inner, id, parent, child),
            None => Node { replaced: history(&parent), ..child.clone() },
        },
        _ if is_unset(&parent) => normalised(shape, child),
        _ => Node { replaced: history(&parent), ..normalised(shape, child) },
    }
}

/// A list of its own, without what it takes away.
fn normalised(shape: &Shape, node: &Node) -> Node {
    let empty = Node { value: Value::List(Vec::new()), reset: false, ..node.clone() };
    match (&node.value, shape.list()) {
        (Value::List(_), Some((inner, id))) => add(inner, id, empty, &Node { reset: false, ..node.clone() }),
        _ => node.clone(),
    }
}

/// Something of the value's form with nothing in it, so that first values go through the same merging.
fn empty_like(node: &Node) -> Node {
    let value = match &node.value {
        Value::Map(_) => Value::Map(Vec::new()),
        Value::List(_) => Value::List(Vec::new()),
        Value::Scalar(..) => Value::Map(Vec::new()),
    };
    Node::new(value, node.place.clone())
}

fn is_unset(node: &Node) -> bool {
    node.replaced.is_empty() && matches!(&node.value, Value::Map(entries) if entries.is_empty())
}

fn history(old: &Node) -> Vec<(super::Place, String)> {
    let mut all = old.replaced.clone();
    all.push((old.place.clone(), old.shown()));
    all
}

/// The parent's items first, then the child's new ones; maps with the same identifying key are one item.
fn add(shape: &Shape, id: &str, parent: Node, child: &Node) -> Node {
    let id = if id.is_empty() { "name" } else { id };
    let Value::List(mut items) = parent.value else { return child.clone() };
    for item in child.items() {
        let name = identity(item, id).map(str::to_owned);
        let known = items.iter().position(|own| name.is_some() && identity(own, id) == name.as_deref());
        let removes = is_removal(item);
        match known {
            Some(at) if removes => drop(items.remove(at)),
            None if removes => {}
            Some(at) if shape.is_map() => items[at] = merge(shape, items[at].clone(), item),
            Some(_) => {}
            None if shape.is_map() => items.push(item.clone()),
            None => items.push(item.get(id).cloned().unwrap_or_else(|| item.clone())),
        }
    }
    let place =
        if items.is_empty() || parent.place.file.as_os_str().is_empty() { child.place.clone() } else { parent.place };
    Node { value: Value::List(items), place, reset: parent.reset, replaced: parent.replaced }
}

fn identity<'a>(item: &'a Node, id: &str) -> Option<&'a str> {
    item.as_str().or_else(|| item.get(id).and_then(Node::as_str))
}

/// Faults of a child that changes what a parent made final.
pub(super) fn guard(parents: &Node, child: &Node, faults: &mut Vec<Diagnostic>) {
    for key in parents.get("final").map(Node::items).unwrap_or_default() {
        let Some(name) = key.as_str() else { continue };
        let Some(changed) = child.at(name) else { continue };
        if parents.at(name).is_some_and(|own| own.shown() == changed.shown()) {
            continue;
        }
        let message = format!("`{name}` is final: {} lets no child change it", key.place);
        faults.push(Diagnostic::at(changed.place.clone(), message));
    }
}

/// Faults of lists in which one file has two items of one identity: the second would change the first.
pub(super) fn twice(shape: &Shape, node: &Node, path: &str, faults: &mut Vec<Diagnostic>) {
    for (key, value) in node.entries() {
        if let Some(below) = shape.field(&key.name) {
            twice(below, value, &join(path, &key.name), faults);
        }
    }
    let Some((inner, id)) = shape.list() else { return };
    let id = if id.is_empty() { "name" } else { id };
    let named = |item: &Node| item.get(id).and_then(Node::as_str).map(str::to_owned).filter(|_| !is_removal(item));
    for (at, item) in node.items().iter().enumerate() {
        let name = named(item);
        if name.is_some() && node.items()[..at].iter().any(|other| named(other) == name) {
            let message = format!("`{path}` has `{}` twice", name.unwrap_or_default().escape_debug());
            let fault = Diagnostic::at(item.place.clone(), message);
            faults.push(fault.hint(format!("the second would change the first: give one of them another `{id}`")));
        }
        twice(inner, item, path, faults);
    }
}

fn is_removal(item: &Node) -> bool {
    item.get("remove").and_then(Node::as_str) == Some("true")
}

/// `--set KEY=VALUE` as a tree with one value, and the shape it has there.
pub(super) fn assignment(text: &str, shapes: &[(&str, &Shape)]) -> Result<(usize, Node), Diagnostic> {
    let place = super::faults::option("--set");
    let bad = |message: String, hint: &str| Diagnostic::at(place.clone(), message).hint(hint);
    let Some((path, value)) = text.split_once('=') else {
        return Err(bad(
            format!("`--set {text}` has no `=`"),
            "write `--set KEY=VALUE`, for example `--set hostname=web1`",
        ));
    };
    let first = path.split('.').next().unwrap_or_default();
    let Some(which) = shapes.iter().position(|(_, shape)| shape.field(first).is_some()) else {
        let all = shapes.iter().flat_map(|(_, shape)| names(shape));
        let hint =
            nearest(first, all).map_or("`rowi schema` lists the keys".into(), |near| format!("did you mean `{near}`?"));
        return Err(bad(format!("unknown key `{path}` in `--set`"), &hint));
    };
    let mut known = String::new();
    let mut shape = shapes[which].1;
    for name in path.split('.') {
        shape = shape.field(name).ok_or_else(|| {
            let hint = nearest(name, names(shape)).map_or("`rowi schema` lists the keys".into(), |near| {
                format!("did you mean `{}`?", join(&known, near))
            });
            bad(format!("unknown key `{path}` in `--set`"), &hint)
        })?;
        known = join(&known, name);
    }
    let parsed = value_of(value, shape, &place)
        .map_err(|message| bad(format!("`--set {path}`: {message}"), "lists are `[a, b]`, maps `{key: value}`"))?;
    let tree = path.rsplit('.').fold(parsed, |inner, name| {
        let key = Key { name: name.into(), place: place.clone() };
        Node::new(Value::Map(vec![(key, inner)]), place.clone())
    });
    Ok((which, tree))
}

fn names(shape: &Shape) -> Vec<&str> {
    match shape {
        Shape::Record(fields) => fields.iter().map(|field| field.name).collect(),
        _ => Vec::new(),
    }
}

/// A value of the command line: text, unless it begins like a list or map where one fits.
fn value_of(text: &str, shape: &Shape, place: &super::Place) -> Result<Node, String> {
    let is_list = text.strip_prefix("!reset ").unwrap_or(text).starts_with('[');
    let structured = (is_list && shape.list().is_some()) || (text.starts_with('{') && shape.is_map());
    if structured {
        let mut node = super::node::parse(text, &place.file).map_err(|broken| broken.message)?;
        as_argument(&mut node);
        return Ok(node);
    }
    let scalar = Node::text(text, place.clone());
    let only_list = shape.list().is_some() && !matches!(shape, Shape::Any(_));
    Ok(if only_list { Node::new(Value::List(vec![scalar]), place.clone()) } else { scalar })
}

fn as_argument(node: &mut Node) {
    match &mut node.value {
        Value::Scalar(_, style) => *style = super::node::Style::Argument,
        Value::List(items) => items.iter_mut().for_each(as_argument),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| as_argument(value)),
    }
}
