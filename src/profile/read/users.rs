//! Accounts, keys and secrets.

use std::collections::BTreeMap;

use super::{Reader, flag, string, strings, word};
use crate::profile::{Secret, Sudo, User, find, node::Node, scalar};

/// First words of public keys in OpenSSH's format (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
const KEY_TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

impl Reader<'_> {
    pub(super) fn users(&mut self) -> BTreeMap<String, User> {
        let mut users = BTreeMap::new();
        for (key, node) in self.profile.get("users").map(Node::entries).unwrap_or_default() {
            if !is_user(&key.name) {
                self.fault(
                    &key.place,
                    format!("`{}` is no user name", key.name.escape_debug()),
                    "small letters, digits, `_` and `-`, at most 32",
                );
            }
            let user = self.user(&key.name, node);
            users.insert(key.name.clone(), user);
        }
        users
    }

    fn user(&mut self, name: &str, node: &Node) -> User {
        if let (Some(locked), Some(_)) = (node.get("password"), node.get("password_hash")) {
            self.fault(
                &locked.place,
                format!("`users.{name}` has both `password: locked` and `password_hash`"),
                "keep one of them",
            );
        }
        User {
            groups: strings(node, "groups"),
            sudo: string(node, "sudo").and_then(|text| word::<Sudo>(&text)).unwrap_or_default(),
            password_hash: self.hash(node, &format!("users.{name}.password_hash")),
            ssh_keys: self.keys_of(name, node),
            uid: string(node, "uid").and_then(|text| scalar::count(&text)),
            shell: string(node, "shell"),
            linger: flag(node, "linger").unwrap_or(false),
            subids: flag(node, "subids").unwrap_or(false),
        }
    }

    fn hash(&mut self, node: &Node, key: &str) -> Option<Secret> {
        let secret = self.secret(node, "password_hash", key)?;
        if let Secret::Literal(text) = &secret {
            let sound = text.starts_with('$') && text.matches('$').count() >= 3 && !text.contains([':', '\n', ' ']);
            if !sound {
                let place = node.get("password_hash").unwrap_or(node).place.clone();
                self.fault(
                    &place,
                    format!("`{key}` is no hash of crypt(3)"),
                    "`openssl passwd -6` makes one; a password itself does not belong in a profile",
                );
            }
        }
        Some(secret)
    }

    /// A value that is secret by nature.
    pub(super) fn secret(&mut self, node: &Node, key: &str, full: &str) -> Option<Secret> {
        let value = node.get(key)?;
        if let Some(name) = string(value, "secret") {
            let sound = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !sound {
                self.fault(
                    &value.place,
                    format!("`{full}`: `{}` is no name for a secret", name.escape_debug()),
                    "letters, digits and `_`",
                );
            }
            return Some(Secret::Named(name));
        }
        let Some(literal) = value.as_str() else {
            self.fault(&value.place, format!("`{full}`: expected a text or `{{secret: NAME}}`"), "");
            return None;
        };
        let hint = "write `{secret: NAME}` and give it with `--secret NAME=env:VARIABLE` or `file:PATH`";
        self.doubt(&value.place, format!("`{full}` is written out in the file"), hint);
        Some(Secret::Literal(literal.into()))
    }

    fn keys_of(&mut self, user: &str, node: &Node) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for item in node.get("ssh_keys").map(Node::items).unwrap_or_default() {
            let Some(text) = item.as_str().map(str::trim) else { continue };
            let lines = if text.contains("PRIVATE KEY") || is_key(text) {
                Ok(text.to_owned())
            } else {
                self.key_file(text, item)
            };
            match lines {
                Ok(lines) if lines.contains("PRIVATE KEY") => {
                    let message = format!("`users.{user}.ssh_keys`: this is a private key");
                    self.fault(
                        &item.place,
                        message,
                        "give the public one (its file ends in `.pub`); `ssh-keygen -y -f FILE` prints it",
                    );
                }
                Ok(lines) => self.key_lines(user, &lines, item, &mut keys),
                Err(cause) => {
                    let message = format!("`users.{user}.ssh_keys`: cannot read `{text}`: {cause}");
                    self.fault(&item.place, message, "an item is a public key itself, or a file of public keys");
                }
            }
        }
        keys
    }

    fn key_file(&self, text: &str, item: &Node) -> Result<String, String> {
        find::read(&find::beside(&item.place, text)).map(|found| found.text)
    }

    fn key_lines(&mut self, user: &str, lines: &str, item: &Node, keys: &mut Vec<String>) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if !is_key(line) {
                let message = format!(
                    "`users.{user}.ssh_keys`: `{}` is no public key",
                    line.chars().take(24).collect::<String>().escape_debug()
                );
                self.fault(&item.place, message, &format!("a key begins with one of {}", KEY_TYPES.join(", ")));
            } else if !keys.iter().any(|key| key == line) {
                if !is_whole(line) {
                    self.doubt(
                        &item.place,
                        format!("`users.{user}.ssh_keys`: a key is cut off or mistyped, and will let nobody in"),
                        "",
                    );
                }
                keys.push(line.to_owned());
            }
        }
    }
}

/// Whether a user has a way in of its own.
pub(super) fn lets_in(user: &Node) -> bool {
    user.get("password_hash").is_some() || !user.get("ssh_keys").map(Node::items).unwrap_or_default().is_empty()
}

fn is_key(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|kind| KEY_TYPES.contains(&kind)) && words.next().is_some()
}

/// Whether the key's second word is base64 in groups of four.
fn is_whole(line: &str) -> bool {
    let blob = line.split_whitespace().nth(1).unwrap_or_default();
    let body = blob.trim_end_matches('=');
    blob.len().is_multiple_of(4)
        && blob.len() >= 40
        && blob.len() - body.len() <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn is_user(name: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    (1..=32).contains(&name.len())
        && name.chars().all(sound)
        && !name.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}
