//! The distribution's file: variables filled in, addresses made whole, `--repo` applied.

use std::collections::BTreeMap;

use super::{Reader, flag, string, strings, word};
use crate::profile::{
    AllowedFailure, BootFiles, Distribution, EtcMode, Key, Native, OnImage, Place, Repository, Traits, Verify,
    faults::option, find, node::Node, scalar,
};
use crate::{rpmdb::Backend, web::without_user};

/// zypper's default for repositories.
pub(super) const DEFAULT_PRIORITY: u32 = 99;

impl Reader<'_> {
    pub(in crate::profile) fn distribution(&mut self) -> Distribution {
        let node = self.distribution;
        let keys = self.keys();
        Distribution {
            name: self.target.distribution.clone(),
            repositories: self.repositories(!keys.is_empty()),
            keys,
            traits: Traits {
                default_subvolume_boot: flag(node, "traits.default_subvolume_boot").unwrap_or(false),
                rpmdb: string(node, "traits.rpmdb").and_then(|name| Backend::named(&name)).unwrap_or_default(),
                own_accounts: flag(node, "traits.own_accounts").unwrap_or(false),
                etc: string(node, "traits.etc").and_then(|text| word::<EtcMode>(&text)).unwrap_or_default(),
            },
            environment: texts(node, "environment"),
            allowed_failures: items(node, "allowed_failures", |item| AllowedFailure {
                package: string(item, "package").unwrap_or_default(),
                scriptlet: string(item, "scriptlet").unwrap_or_default(),
                reason: string(item, "reason").unwrap_or_default(),
            }),
            paths: texts(node, "paths"),
            absent: self.absent(),
            boot_files: items(node, &format!("boot_files.{}", self.target.platform), |item| BootFiles {
                from: string(item, "from").unwrap_or_default(),
                to: string(item, "to").unwrap_or_default(),
            }),
            native: Native {
                packages: strings(node, "native.packages"),
                libraries: strings(node, "native.libraries"),
                emulated: strings(node, "native.emulated"),
            },
        }
    }

    fn absent(&self) -> BTreeMap<String, String> {
        let roles = self.distribution.get("roles").map(Node::entries).unwrap_or_default();
        roles.iter().filter_map(|(key, role)| Some((key.name.clone(), string(role, "absent")?))).collect()
    }

    fn keys(&mut self) -> Vec<Key> {
        let mut keys = Vec::new();
        for item in self.distribution.get("keys").map(Node::items).unwrap_or_default() {
            let digits: String = string(item, "fingerprint").unwrap_or_default().split_whitespace().collect();
            let fingerprint = digits.to_ascii_uppercase();
            if !matches!(fingerprint.len(), 40 | 64) || !fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let message =
                    format!("`keys.fingerprint`: `{digits}` is no fingerprint of 40 or 64 hexadecimal digits");
                self.fault(
                    &item.place,
                    message,
                    "`gpg --show-keys FILE` shows it in full; a short key id is not enough",
                );
            }
            keys.push(Key {
                fingerprint,
                fetch: string(item, "fetch").unwrap_or_else(|| "repodata/repomd.xml.key".into()),
            });
        }
        keys
    }

    fn repositories(&mut self, has_keys: bool) -> Vec<Repository> {
        let mut all = Vec::new();
        for item in self.distribution.get("repositories").map(Node::items).unwrap_or_default() {
            if let Some(repository) = self.repository(item, has_keys) {
                all.push(repository);
            }
        }
        for text in &self.choice.repositories {
            self.named_repository(text, has_keys, &mut all);
        }
        if all.iter().all(|repository| !repository.build) {
            let message = format!("distribution `{}` has no repository to build from", self.target.distribution);
            self.fault(&self.distribution.place.clone(), message, "`--repo ALIAS=URL` adds one");
        }
        all
    }

    /// A name that is a file's as well.
    pub(super) fn alias(&mut self, alias: &str, item: &Node) {
        if !is_alias(alias) {
            self.fault(&item.place, format!("`{alias}` is no alias: letters, digits, `.`, `_`, `-` and `:`"), "");
        }
    }

    fn repository(&mut self, item: &Node, has_keys: bool) -> Option<Repository> {
        let alias = string(item, "alias").unwrap_or_default();
        let Some(plain) = item.get("url") else {
            self.fault(&item.place, format!("repository `{alias}` has no `url`"), "");
            return None;
        };
        self.alias(&alias, item);
        let dated = self
            .distribution
            .at("variables.snapshot")
            .filter(|node| node.as_str().is_some_and(|date| !date.is_empty()));
        let build = flag(item, "build").unwrap_or(true);
        let url = match (dated, item.get("history")) {
            (Some(_), Some(history)) => history,
            (Some(date), None) if build && plain.as_str().is_some_and(|url| url.contains("/repo/oss")) => {
                let message = format!(
                    "`variables.snapshot` is set, but repository `{alias}` keeps no dated states for {}",
                    self.target.arch
                );
                self.fault(&date.place, message, "`rowi lock` pins the packages themselves");
                plain
            }
            _ => plain,
        };
        let verify = string(item, "verify").and_then(|text| word(&text));
        let url = self.address(url);
        Some(Repository {
            verify: verify.unwrap_or_else(|| self.default_verification(&alias, &url, has_keys)),
            priority: string(item, "priority").and_then(|text| scalar::count(&text)).unwrap_or(DEFAULT_PRIORITY),
            build,
            on_image: string(item, "on_image").and_then(|text| word::<OnImage>(&text)).unwrap_or_default(),
            alias,
            url,
        })
    }

    /// `--repo ALIAS=URL`: another address for a repository, or one more.
    fn named_repository(&mut self, text: &str, has_keys: bool, all: &mut Vec<Repository>) {
        let place = option("--repo");
        let Some((alias, url)) = text.split_once('=').filter(|(alias, url)| is_alias(alias) && !url.is_empty()) else {
            let message = format!("`--repo {text}` is not ALIAS=URL");
            return self.fault(&place, message, "for example `--repo mine=dir:./packages`");
        };
        let url = self.address(&Node::text(url.replace("{arch}", self.target.arch.as_str()), place));
        if let Some(known) = all.iter_mut().find(|repository| repository.alias == alias) {
            (known.url, known.build) = (url, true);
            return;
        }
        let verify = self.default_verification(alias, &url, has_keys);
        all.push(Repository {
            alias: alias.into(),
            url,
            priority: DEFAULT_PRIORITY,
            build: true,
            on_image: OnImage::Absent,
            verify,
        });
    }

    /// Folders hold packages that someone made: each is checked where keys are known.
    fn default_verification(&mut self, alias: &str, url: &str, has_keys: bool) -> Verify {
        if !url.starts_with("dir:") {
            return Verify::Repository;
        }
        let (verify, how) = if has_keys {
            (Verify::Packages, "each package must be signed by a key of the distribution")
        } else {
            (Verify::Checksums, "its packages are checked by the checksums in its metadata only")
        };
        self.notes.push(format!("repository `{alias}` is a folder: {how}"));
        verify
    }

    /// An address with variables filled in, whole, without a slash at its end.
    pub(super) fn address(&mut self, node: &Node) -> String {
        let text = node.as_str().unwrap_or_default();
        let place = self.origin(text).unwrap_or_else(|| node.place.clone());
        let known = ["https:", "http:", "dir:", "file:"].iter().any(|scheme| text.starts_with(scheme));
        if !known {
            let message = format!("`{}` is no address", without_user(text));
            self.fault(&node.place, message, "an address begins with `https:`, `http:`, `dir:` or `file:`");
        }
        if without_user(text) != text {
            let message = format!("the address `{}` holds a name or password", without_user(text));
            let hint =
                "put them into `~/.config/rowi/credentials` or `~/.netrc`: what a profile says is in lock and manifest";
            self.fault(&node.place, message, hint);
        }
        match text.strip_prefix("dir:") {
            Some(folder) if !folder.starts_with('/') => format!("dir:{}", find::beside(&place, folder).display()),
            _ => text.trim_end_matches('/').into(),
        }
    }

    /// The place of the variable that a relative folder came from: relative is relative to that line's file.
    fn origin(&self, text: &str) -> Option<Place> {
        let variables = self.distribution.get("variables").map(Node::entries).unwrap_or_default();
        let from =
            |value: &Node| value.as_str().is_some_and(|value| value.starts_with("dir:") && text.starts_with(value));
        variables.iter().find(|(_, value)| from(value)).map(|(_, value)| value.place.clone())
    }
}

/// Fills `${name}` in addresses and package names from the file's own variables.
pub(in crate::profile) fn substitute(distribution: &mut Node, faults: &mut Vec<crate::report::Diagnostic>) {
    let variables = distribution.get("variables").cloned().unwrap_or_else(|| Node::empty(Place::default()));
    let crate::profile::node::Value::Map(entries) = &mut distribution.value else { return };
    for (key, value) in entries {
        if matches!(key.name.as_str(), "repositories" | "roles" | "keys") {
            fill(value, &variables, faults);
        }
    }
}

fn fill(node: &mut Node, variables: &Node, faults: &mut Vec<crate::report::Diagnostic>) {
    use crate::profile::node::Value;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, variables, faults)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| fill(value, variables, faults)),
        Value::Scalar(text, _) => match expand(text, variables) {
            Ok(filled) => *text = filled,
            Err(name) => {
                let known: Vec<&str> = variables.entries().iter().map(|(key, _)| key.name.as_str()).collect();
                let hint = match crate::profile::faults::nearest(&name, known.iter().copied()) {
                    Some(near) => format!("did you mean `${{{near}}}`?"),
                    None => format!("`variables:` of this file has {}", known.join(", ")),
                };
                let message = format!("`${{{name}}}` is not among the file's variables");
                faults.push(crate::report::Diagnostic::at(node.place.clone(), message).hint(hint));
            }
        },
    }
}

/// The text with its variables filled in, or the name of one that there is not.
fn expand(text: &str, variables: &Node) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let (name, behind) = behind.split_once('}').ok_or(behind)?;
        filled += before;
        filled += variables.get(name).and_then(Node::as_str).ok_or(name)?;
        rest = behind;
    }
    Ok(filled + rest)
}

fn is_alias(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'))
}

fn texts(node: &Node, key: &str) -> BTreeMap<String, String> {
    let entries = node.at(key).map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|(key, value)| Some((key.name.clone(), value.as_str()?.to_owned()))).collect()
}

fn items<T>(node: &Node, key: &str, read: impl Fn(&Node) -> T) -> Vec<T> {
    node.at(key).map(Node::items).unwrap_or_default().iter().map(read).collect()
}
