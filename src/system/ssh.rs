//! sshd: what the profile says as a drop-in, and host keys that the first boot makes. No image holds one.

use super::{Change, put_text};
use crate::{plan::Plan, tree::Tree};

/// What a distribution's own units that make host keys are or call (openSUSE, Fedora).
const MAKERS: [&str; 3] =
    ["usr/sbin/sshd-gen-keys-start", "usr/libexec/ssh/sshd-gen-keys-start", "usr/libexec/openssh/sshd-keygen"];

const UNIT: &str = "\
[Unit]
Description=Make the host keys of sshd that are missing
Before=ssh.service sshd.service
After=local-fs.target
ConditionPathIsReadWrite=/etc/ssh

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
";

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
    let mut changes = vec![put_text(plan, "/etc/ssh/sshd_config.d/10-rowi.conf", 0o600, &lines)];
    if ssh.enabled && !MAKERS.iter().any(|maker| tree.at(maker).is_some()) {
        changes.push(put_text(plan, "/usr/lib/systemd/system/rowi-ssh-keys.service", 0o644, UNIT));
    }
    changes
}
