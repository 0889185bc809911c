//! What there is: names for `rowi profiles`, texts for `--copy` and carets, a first profile, the JSON Schema.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    builtin,
    find::{self, Kind},
    load,
    node::{Node, parse},
    shape::{Field, ITEM, Shape},
};

/// A profile, platform or distribution that can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(serialize_with = "kind_word")]
    pub kind: Kind,
    /// Its own line about itself.
    pub summary: String,
    /// The file that the name means; nothing: built into the program.
    pub file: Option<PathBuf>,
    /// Files of the same name further down the search path.
    pub hides: Vec<String>,
}

fn kind_word<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

/// Everything that can be named: profiles, platforms, distributions, each by name.
pub fn list() -> Vec<Listed> {
    let kinds = [Kind::Profile, Kind::Platform, Kind::Distribution];
    kinds.into_iter().flat_map(|kind| find::names(kind).into_iter().map(move |name| listed(kind, name))).collect()
}

fn listed(kind: Kind, name: String) -> Listed {
    let file = format!("{name}.yaml");
    let files = find::folders().into_iter().map(|folder| folder.join(kind.folder()).join(&file));
    let mut files = files.filter(|path| path.is_file());
    let won = files.next();
    let mut hides: Vec<String> = files.map(|path| path.display().to_string()).collect();
    let built_in = find::built_in(kind, &name);
    if won.is_some() && built_in.is_some() {
        hides.push("built in".into());
    }
    let text = match &won {
        Some(path) => find::read(path).ok(),
        None => built_in,
    };
    let tree = text.and_then(|found| parse(&found.text, &found.path).ok());
    let summary =
        tree.as_ref().and_then(|tree| tree.get("summary")).and_then(Node::as_str).unwrap_or_default().to_owned();
    Listed { name, kind, summary, file: won, hides }
}

/// The text that a name means, of whichever kind has it, for `rowi profiles --copy NAME`.
pub fn source(name: &str) -> Option<String> {
    let nowhere = super::Place::default();
    let kinds = [Kind::Profile, Kind::Platform, Kind::Distribution];
    kinds.into_iter().find_map(|kind| find::file(kind, name, &nowhere).ok()).map(|found| found.text)
}

/// The text behind a place: the file, or what is built in under that path.
pub fn text_of(file: &Path) -> Option<String> {
    match find::read(file) {
        Ok(found) => Some(found.text),
        Err(_) => builtin::text(file.to_str()?).map(str::to_owned),
    }
}

/// A commented profile to begin with.
pub fn init(name: &str, extends: &str) -> String {
    format!(
        r#"# {name}.yaml: made by `rowi init {name} --extends {extends}`; build: rowi build --profile ./{name}.yaml
# yaml-language-server: $schema=rowi.schema.json      (rowi schema > rowi.schema.json; editors then know every key)
kind: profile
name: {name}
summary: {extends} with changes of my own
extends: [{extends}]                  # everything it says holds here too: `rowi plan --profile ./{name}.yaml`
# hostname: {name}
# timezone: Europe/Berlin
# users:
#   root: {{ssh_keys: [~/.ssh/id_ed25519.pub]}}         # a file with public keys, or the key itself
#   operator: {{groups: [wheel], sudo: password, password_hash: {{secret: OPERATOR}}}}   # rowi build --secret OPERATOR=env:OPERATOR
# network:
#   connections:
#     - {{name: lan, type: ethernet, ipv4: {{address: 192.168.7.20/24, gateway: 192.168.7.1, dns: [192.168.7.1]}}}}
# packages: {{install: [], exclude: []}}               # exclude drops what {extends} asks for
# files:
#   - {{path: /etc/motd, content: "Welcome\n"}}        # or `source: FILE` beside this one, or `link: TARGET`
# overlays: [./{name}]                                # a folder laid over the root
# services: {{enable: [], disable: []}}
# kernel_arguments: []
# update: {{reboot: {{window: "04:00"}}}}                # times, modes and versions are quoted
"#
    )
}

/// JSON Schema (draft 2020-12) of the three kinds of file.
pub fn schema() -> Value {
    let kinds = [Kind::Profile, Kind::Platform, Kind::Distribution];
    let mut definitions = Map::new();
    for kind in kinds {
        definitions.insert(kind.as_str().into(), form(load::shape(kind), kind != Kind::Profile));
    }
    definitions.insert("by-arch".into(), json!({
        "type": "object", "properties": {"x86_64": {}, "aarch64": {}}, "additionalProperties": false, "minProperties": 1
    }));
    let names = json!({"type": "array", "items": {"type": "string"}});
    definitions.insert("only".into(), json!({
        "type": "object", "properties": {"arch": names, "platform": names, "distribution": names}, "additionalProperties": false
    }));
    let branches: Vec<Value> = kinds.iter().map(|kind| json!({"$ref": format!("#/$defs/{}", kind.as_str())})).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rowi: profile, platform and distribution files",
        "oneOf": branches,
        "$defs": definitions,
    })
}

/// A shape as JSON Schema; where arch maps are allowed, any value may be one.
fn form(shape: &Shape, arch_maps: bool) -> Value {
    let plain = plain_form(shape, arch_maps);
    let whole = matches!(shape, Shape::Record(fields) if fields.iter().any(|field| field.name == "kind" && matches!(field.shape, Shape::Word(_))));
    if !arch_maps || whole || matches!(shape, Shape::Free) {
        return plain;
    }
    // The branches are checked by the program: their forms would make the schema grow threefold a level.
    json!({"anyOf": [plain, {"$ref": "#/$defs/by-arch"}]})
}

fn plain_form(shape: &Shape, arch_maps: bool) -> Value {
    match shape {
        Shape::Text | Shape::Lines => json!({"type": "string"}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Count(most) => json!({"type": "integer", "minimum": 0, "maximum": most}),
        Shape::Size => json!({"type": ["string", "integer"], "pattern": "^[0-9]+([KMGT](iB)?)?$"}),
        Shape::Time => json!({"type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"}),
        Shape::Clock => json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
        Shape::Mode => json!({"type": "string", "pattern": "^[0-7]{3,5}$"}),
        Shape::Absolute => json!({"type": "string", "pattern": "^/"}),
        Shape::Secret => json!({"anyOf": [{"type": "string"}, {
            "type": "object", "properties": {"secret": {"type": "string"}}, "required": ["secret"], "additionalProperties": false
        }]}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::List(inner, id) => json!({"type": "array", "items": item_form(inner, id, arch_maps)}),
        Shape::Map(inner) => json!({"type": "object", "additionalProperties": form(inner, arch_maps)}),
        Shape::Record(fields) => record_form(fields, arch_maps),
        Shape::Any(shapes) => {
            json!({"anyOf": shapes.iter().map(|shape| plain_form(shape, arch_maps)).collect::<Vec<_>>()})
        }
        Shape::Free => json!({}),
    }
}

/// An item: itself, or with `only` and `remove` beside it.
fn item_form(shape: &Shape, id: &str, arch_maps: bool) -> Value {
    let id = if id.is_empty() { "name" } else { id };
    let mut long = match shape {
        Shape::Record(fields) => record_form(fields, arch_maps),
        _ => {
            json!({"type": "object", "properties": {id: form(shape, arch_maps)}, "required": [id], "additionalProperties": false})
        }
    };
    for field in ITEM {
        let reference = json!({"$ref": "#/$defs/only", "description": field.doc});
        let flag = json!({"type": "boolean", "description": field.doc});
        long["properties"][field.name] = if matches!(field.shape, Shape::Flag) { flag } else { reference };
    }
    if matches!(shape, Shape::Record(_)) { long } else { json!({"anyOf": [form(shape, arch_maps), long]}) }
}

fn record_form(fields: &[Field], arch_maps: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let is_head = field.name == "kind" && matches!(field.shape, Shape::Word(_));
        let mut value = form(&field.shape, arch_maps && !is_head);
        if let Some(value) = value.as_object_mut() {
            value.insert("description".into(), field.doc.into());
        }
        if is_head {
            required = vec!["kind", "name"];
        }
        properties.insert(field.name.into(), value);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
