//! Where each value came from.

use super::{
    Place,
    node::{Node, Value},
    shape::join,
};

/// The merged files, with the place of every value and of those it replaced.
#[derive(Clone, Debug)]
pub struct Origins {
    trees: [Node; 3],
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its dotted key.
    pub key: String,
    /// The value, in one line; a secret shows its name only.
    pub value: String,
    /// The line that set it; nothing for a default.
    pub place: Option<Place>,
    /// Those it replaced, the oldest first.
    pub replaced: Vec<(Option<Place>, String)>,
}

impl Origins {
    pub(super) fn new(profile: Node, platform: Node, distribution: Node) -> Self {
        Self { trees: [profile, platform, distribution] }
    }

    /// The value of a key: `update.reboot.window`, `disk.size`, `variables.mirror`.
    pub fn explain(&self, key: &str) -> Option<Origin> {
        // The platform's tree holds what the profile changes of it; the profile's own words are asked first otherwise.
        let order = if matches!(key.split('.').next(), Some("disk" | "bootloader" | "formats")) {
            [1, 0, 2]
        } else {
            [0, 1, 2]
        };
        order.iter().find_map(|&at| self.trees[at].at(key)).map(|node| origin(key.into(), node))
    }

    /// Every value that a file or the command line set, with its origin: profile, platform, distribution.
    pub fn iter(&self) -> impl Iterator<Item = Origin> {
        let mut all = Vec::new();
        for (at, tree) in self.trees.iter().enumerate() {
            for (key, value) in tree.entries() {
                let elsewhere = at == 0 && matches!(key.name.as_str(), "disk" | "bootloader" | "formats");
                if !elsewhere && !matches!(key.name.as_str(), "kind" | "name" | "extends" | "final" | "summary") {
                    collect(&key.name, value, &mut all);
                }
            }
        }
        all.into_iter()
    }

    /// All keys that have a value, for the nearest name to one that has none.
    pub fn keys(&self) -> Vec<String> {
        let mut all = Vec::new();
        for tree in &self.trees {
            for (key, value) in tree.entries() {
                names(&key.name, value, &mut all);
            }
        }
        all
    }
}

fn names(path: &str, node: &Node, all: &mut Vec<String>) {
    all.push(path.into());
    for (key, value) in node.entries() {
        names(&join(path, &key.name), value, all);
    }
}

fn collect(path: &str, node: &Node, all: &mut Vec<Origin>) {
    match &node.value {
        Value::Map(entries) if node.get("secret").is_none() => {
            for (key, value) in entries {
                collect(&join(path, &key.name), value, all);
            }
        }
        // A default, or a value that says the same as the default.
        _ if node.place == Place::default() => {}
        _ if node.replaced.first().is_some_and(|(place, text)| *place == Place::default() && *text == node.shown()) => {
        }
        _ => all.push(origin(path.into(), node)),
    }
}

fn origin(key: String, node: &Node) -> Origin {
    let set = |place: &Place| (*place != Place::default()).then(|| place.clone());
    let is_secret =
        key.starts_with("registries.credentials.") || matches!(key.rsplit('.').next(), Some("psk" | "password_hash"));
    let shown = |text: String| if is_secret { "secret".into() } else { text };
    Origin {
        value: match node.get("secret").and_then(Node::as_str) {
            Some(name) => format!("secret:{name}"),
            None => shown(masked(node)),
        },
        place: set(&node.place),
        replaced: node.replaced.iter().map(|(place, text)| (set(place), shown(text.clone()))).collect(),
        key,
    }
}

/// A value in one line, without what is secret in the maps inside it.
fn masked(node: &Node) -> String {
    let mut node = node.clone();
    mask(&mut node);
    node.shown()
}

fn mask(node: &mut Node) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(mask),
        Value::Map(entries) => {
            for (key, value) in entries {
                if matches!(key.name.as_str(), "psk" | "password_hash") && value.as_str().is_some() {
                    value.value = Value::Scalar("secret".into(), super::node::Style::Plain);
                }
                mask(value);
            }
        }
        Value::Scalar(..) => {}
    }
}
