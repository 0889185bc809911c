//! Container runtimes, and what each of them cannot do.

use std::path::PathBuf;

use super::{Reader, string, word};
use crate::profile::{Container, ExtraFile, FileSource, LogDriver, Logs, Prune, Runtime, find, node::Node, scalar};

/// Images that are younger than this stay, where nothing else is said: a week, in seconds.
const OLD: u64 = 7 * 24 * 3600;
/// Where podman looks for units of containers (podman-systemd.unit(5)).
const QUADLETS: &str = "/etc/containers/systemd";
/// Endings of those (podman 5.4).
const QUADLET_KINDS: [&str; 7] = ["container", "pod", "kube", "volume", "network", "image", "build"];
/// Folders that no snapshot can write to.
const READ_ONLY: [&str; 4] = ["/usr", "/etc", "/boot", "/"];

impl Reader<'_> {
    pub(super) fn container(&mut self) -> Container {
        let mut runtimes: Vec<Runtime> = Vec::new();
        for item in self.profile.at("container.runtimes").map(Node::items).unwrap_or_default() {
            let Some(name) = item.as_str() else { continue };
            for name in self.runtime(name, item) {
                if let Some(runtime) = word(&name).filter(|runtime| !runtimes.contains(runtime)) {
                    runtimes.push(runtime);
                }
            }
        }
        let registries = self.registries(&runtimes);
        let container = Container {
            low_level: string(self.profile, "container.low_level"),
            driver: string(self.profile, "container.storage.driver"),
            path: self.storage_path(),
            logs: self.logs(&runtimes),
            seccomp: self.seccomp(),
            own_users: string(self.profile, "container.userns").is_some_and(|text| text == "auto"),
            rootless_network: string(self.profile, "container.rootless_network"),
            prune: self.prune(),
            registries,
            runtimes,
        };
        self.without_runtime(&container);
        container
    }

    /// The runtime itself, or those whose roles stand in for it.
    fn runtime(&mut self, name: &str, item: &Node) -> Vec<String> {
        let role = format!("container.{name}");
        if let Some(stand_ins) = self.replaced.get(&role) {
            return stand_ins.iter().filter_map(|role| role.strip_prefix("container.").map(str::to_owned)).collect();
        }
        self.needs("container.runtimes", &role, item);
        vec![name.to_owned()]
    }

    /// A setting that no runtime of the image has.
    fn without_runtime(&mut self, container: &Container) {
        let shared = [Runtime::Podman, Runtime::CriO];
        let with_docker = [Runtime::Podman, Runtime::CriO, Runtime::Docker];
        let wanted: [(&str, &[Runtime]); 5] = [
            ("container.quadlets", &[Runtime::Podman]),
            ("container.rootless_network", &[Runtime::Podman]),
            ("container.userns", &with_docker),
            ("container.seccomp", &with_docker),
            ("registries.verify", &shared),
        ];
        for (key, runtimes) in wanted {
            let Some(node) = self
                .profile
                .at(key)
                .filter(|node| !(node.entries().is_empty() && node.items().is_empty() && node.as_str().is_none()))
            else {
                continue;
            };
            if key == "container.userns" && node.as_str() == Some("host") || container.has(runtimes) {
                continue;
            }
            let names: Vec<String> = runtimes.iter().map(|runtime| format!("`{}`", runtime.name())).collect();
            let message = format!("`{key}` is set, and no runtime of this image has it");
            self.fault(&node.place.clone(), message, &format!("it is for {}", names.join(", ")));
        }
        if let (Some(node), true) =
            (self.profile.at("container.userns"), container.own_users && container.has(&[Runtime::CriO]))
        {
            let message =
                "`container.userns: auto` is set, and CRI-O gives users of their own by annotation only".to_owned();
            self.fault(
                &node.place.clone(),
                message,
                "the pod's `hostUsers: false`, or an annotation `io.kubernetes.cri-o.userns-mode`",
            );
        }
    }

    fn storage_path(&mut self) -> Option<String> {
        let node = self.profile.at("container.storage.path")?;
        let path = node.as_str()?.to_owned();
        let is_below = |folder: &str| path == folder || folder != "/" && path.starts_with(&format!("{folder}/"));
        if READ_ONLY.iter().any(|folder| is_below(folder)) && !is_below("/usr/local") {
            let message =
                format!("`container.storage.path`: `{path}` is part of the read-only root, or of its snapshot");
            self.fault(&node.place, message, "a folder below `/var`, `/srv` or `/opt`");
        }
        Some(path)
    }

    fn logs(&mut self, runtimes: &[Runtime]) -> Logs {
        let driver = string(self.profile, "container.logs.driver").and_then(|text| word::<LogDriver>(&text));
        let logs = Logs {
            driver,
            max_size: string(self.profile, "container.logs.max_size").and_then(|text| scalar::size(&text)),
            max_files: string(self.profile, "container.logs.max_files").and_then(|text| scalar::count(&text)),
        };
        let Some(node) = self.profile.at("container.logs") else { return logs };
        let place = node.place.clone();
        if runtimes == [Runtime::Containerd] {
            let hint = "the kubelet's `containerLogMaxSize` and `containerLogMaxFiles`: `kubernetes.config`";
            self.fault(&place, "`container.logs` is set, and containerd leaves logs to the kubelet", hint);
        }
        if logs.max_size.is_some() && driver.is_some_and(|driver| driver != LogDriver::File) {
            let message = "`container.logs.max_size` is set, and only `driver: file` has files";
            self.fault(&place, message, "journald's own limit: `SystemMaxUse=` in /etc/systemd/journald.conf.d");
        }
        if driver == Some(LogDriver::None) && runtimes.contains(&Runtime::CriO) {
            self.fault(
                &place,
                "`container.logs.driver: none`, and CRI-O always keeps logs: the kubelet reads them",
                "`file` with `max_size`",
            );
        }
        logs
    }

    fn seccomp(&mut self) -> Option<String> {
        let node = self.profile.at("container.seccomp")?;
        let text = node.as_str()?.to_owned();
        if text != "unconfined" && !scalar::is_absolute(&text) {
            let message = format!("`container.seccomp`: `{}` is no path in the image", text.escape_debug());
            self.fault(
                &node.place,
                message,
                "`/etc/containers/seccomp.json`, with the profile in `files:` or an overlay; or `unconfined`",
            );
        }
        Some(text)
    }

    fn prune(&mut self) -> Option<Prune> {
        let node = self.profile.at("container.prune").filter(|node| !node.entries().is_empty())?;
        let schedule = self.calendar("container.prune.schedule", "weekly");
        let older = node.get("older_than").and_then(Node::as_str).and_then(scalar::time);
        Some(Prune { schedule, older_than: older.unwrap_or(OLD) })
    }

    /// Units of containers, as files where podman reads them.
    pub(super) fn quadlets(&mut self) -> Vec<ExtraFile> {
        let mut all = Vec::new();
        for item in self.profile.at("container.quadlets").map(Node::items).unwrap_or_default() {
            let Some(name) = string(item, "name") else {
                self.fault(&item.place, "an item of `container.quadlets` has no `name`", "");
                continue;
            };
            let is_sound =
                name.chars().all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c)) && !name.starts_with('.');
            let kind = name.rsplit_once('.').map(|(_, kind)| kind);
            if !is_sound || !kind.is_some_and(|kind| QUADLET_KINDS.contains(&kind)) {
                let message = format!("`container.quadlets`: podman reads no file named `{}`", name.escape_debug());
                self.fault(&item.place, message, &format!("a name that ends with .{}", QUADLET_KINDS.join(", .")));
            }
            let source = match (string(item, "content"), item.get("source")) {
                (Some(text), None) => FileSource::Content(text),
                (None, Some(node)) => {
                    let file: PathBuf = find::beside(&node.place, node.as_str().unwrap_or_default());
                    self.present("container.quadlets.source", node, &file);
                    FileSource::Source(file)
                }
                _ => {
                    self.fault(&item.place, format!("`{name}` needs `content` or `source`, and only one"), "");
                    continue;
                }
            };
            let (owner, group) = ("root".into(), "root".into());
            all.push(ExtraFile {
                path: format!("{QUADLETS}/{name}"),
                source,
                mode: 0o644,
                owner,
                group,
                place: item.place.clone(),
            });
        }
        all
    }
}
