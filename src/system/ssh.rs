//! sshd: what the profile says as a drop-in, and host keys that the first boot makes. No image holds one.

use super::{Change, put_text};
use crate::{plan::Plan, profile::EtcMode, tree::Tree};

/// What a distribution's own units that make host keys are or call (openSUSE, Fedora).
const MAKERS: [&str; 3] =
    ["usr/sbin/sshd-gen-keys-start", "usr/libexec/ssh/sshd-gen-keys-start", "usr/libexec/openssh/sshd-keygen"];

const UNIT: &str = "\
[Unit]
Description=Make the host keys of sshd that are missing
Before=ssh.service sshd.service
After=local-fs.target
CONDITION
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=COMMAND

[Install]
WantedBy=multi-user.target
";
/// Kinds of host keys that `ssh-keygen -A` makes (OpenSSH 9.9).
const KINDS: [&str; 3] = ["rsa", "ecdsa", "ed25519"];
/// Where they are when `/etc` is part of the read-only root.
const KEYS: &str = "/var/lib/ssh";

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let ssh = &plan.machine.ssh;
    if tree.at("usr/sbin/sshd").is_none() {
        return Vec::new();
    }
    let password = if ssh.password_login { "yes" } else { "no" };
    // sshd_config(5): the first value counts, and drop-ins are read before the rest.
    let lines = format!(
        "PermitRootLogin {}\nPasswordAuthentication {password}\nKbdInteractiveAuthentication {password}\n",
        ssh.root_login
    );
    let own = ssh.enabled && !MAKERS.iter().any(|maker| tree.at(maker).is_some());
    let (keys, unit) = match plan.layout.etc {
        EtcMode::Plain => (key_lines(), unit("", &key_commands())),
        _ => (String::new(), unit("ConditionPathIsReadWrite=/etc/ssh\n", "/usr/bin/ssh-keygen -A")),
    };
    let lines = if own { lines + &keys } else { lines };
    let mut changes = vec![put_text(plan, "/etc/ssh/sshd_config.d/10-rowi.conf", 0o600, &lines)];
    if own {
        changes.push(put_text(plan, "/usr/lib/systemd/system/rowi-ssh-keys.service", 0o644, &unit));
    }
    changes
}

fn unit(condition: &str, command: &str) -> String {
    UNIT.replace("CONDITION\n", &format!("{condition}\n")).replace("COMMAND", command)
}

fn key_lines() -> String {
    KINDS.iter().map(|kind| format!("HostKey {KEYS}/ssh_host_{kind}_key\n")).collect()
}

/// In systemd's words: `$$` is the shell's dollar (systemd.service(5)).
fn key_commands() -> String {
    let kinds = KINDS.join(" ");
    format!(
        "/bin/sh -c 'mkdir -p -m 700 {KEYS} && for it in {kinds}; do file={KEYS}/ssh_host_$${{it}}_key; \
         [ -e $$file ] || ssh-keygen -q -N \"\" -t $$it -f $$file || exit 1; done'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_where_sshd_looks_for_them() {
        let unit = unit("", &key_commands());
        assert!(!unit.contains("COMMAND") && !unit.contains("CONDITION") && unit.contains("After=local-fs.target\n\n"));
        for line in key_lines().lines() {
            let (folder, name) = line.strip_prefix("HostKey ").unwrap().rsplit_once('/').unwrap();
            assert!(unit.contains(folder) && unit.contains(name.split('_').nth(2).unwrap()), "{line}");
        }
    }
}
