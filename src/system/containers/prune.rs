//! Images that no container needs go, by a timer of ours.

use super::{Change, Plan};
use crate::{
    profile::{Prune, Runtime},
    system::{preload, put_text},
};

pub(super) fn changes(plan: &Plan) -> Vec<Change> {
    let Some(prune) = &plan.machine.container.prune else { return Vec::new() };
    let timer = format!(
        "[Unit]\nDescription=Remove container images that nothing needs\n\n\
         [Timer]\nOnCalendar={}\nRandomizedDelaySec=1h\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
        prune.schedule
    );
    let again = if preload::is_loaded(plan) { preload::LOAD } else { "" };
    let service = service(prune, &plan.machine.container.runtimes, again);
    vec![
        put_text(plan, "/usr/lib/systemd/system/rowi-prune-images.timer", 0o644, &timer),
        put_text(plan, "/usr/lib/systemd/system/rowi-prune-images.service", 0o644, &service),
    ]
}

/// One line a runtime. crictl(1) knows no age; what came with the system is brought back at once.
pub(super) fn service(prune: &Prune, runtimes: &[Runtime], again: &str) -> String {
    let by_age = |program: &str| format!("{program} image prune --all --force --filter until={}s", prune.older_than);
    let command = |runtime: &Runtime| match runtime {
        Runtime::Podman => Some(by_age("podman")),
        Runtime::Docker => Some(by_age("docker")),
        Runtime::CriO | Runtime::Containerd => Some("crictl rmi --prune".to_owned()),
        Runtime::Lxc => None,
    };
    let mut lines: Vec<String> = runtimes.iter().filter_map(command).collect();
    lines.dedup();
    lines.extend((!again.is_empty()).then(|| again.to_owned()));
    let lines: String = lines.iter().map(|line| format!("ExecStart={line}\n")).collect();
    format!("[Unit]\nDescription=Remove container images that nothing needs\n\n[Service]\nType=oneshot\n{lines}")
}
