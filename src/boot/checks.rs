//! What every image is asked, and what the answers must be.

use std::{collections::BTreeMap, time::Duration};

use super::{
    channel::{self, Answer},
    report::Outcome,
};
use crate::{plan::Image, profile, profile::Runtime};

/// One question: a shell command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What the table shows.
    pub name: String,
    /// The command.
    pub run: String,
    /// Seconds for which it is tried again.
    pub within: u64,
    /// How its answer is judged.
    judge: Judge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judge {
    /// Exit code 0 passes.
    Code,
    /// The same, and the table shows the output.
    Told,
    /// The output, line by line and sorted, is the expected list of packages.
    Packages,
}

/// What is known of the image from outside.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// As `rpm -qa` lists them, sorted; nothing: not known.
    pub packages: Option<Vec<String>>,
}

/// Checks of every image: what the layout promises about a running system.
const BUILT_IN: [(&str, &str); 12] = [
    ("root is btrfs", "[ \"$(findmnt -no FSTYPE /)\" = btrfs ] || { findmnt /; exit 1; }"),
    ("root is read-only", "findmnt -no OPTIONS / | tr , '\\n' | grep -qx ro && ! touch /usr/.rowi-check 2>/dev/null"),
    (
        "root is the default subvolume",
        "[ \"$(btrfs subvolume get-default / | sed 's/.* path //')\" = \"$(findmnt -no FSROOT / | sed 's#^/##')\" ] || { btrfs subvolume get-default /; findmnt /; exit 1; }",
    ),
    ("/var is writable", "touch /var/.rowi-check && rm /var/.rowi-check"),
    ("/var is no-copy-on-write", "lsattr -d /var | cut -d' ' -f1 | grep -q C"),
    (
        "/etc is writable, or fstab has no line for it and it is read-only",
        "if grep -q '^[^#]*[[:space:]]/etc[[:space:]]' /etc/fstab; then touch /etc/.rowi-check && rm /etc/.rowi-check; else ! touch /etc/.rowi-check 2>/dev/null; fi",
    ),
    (
        "/etc is the snapshot's own",
        "n=$(findmnt -no FSROOT / | sed 's#^/@/.snapshots/\\([0-9]*\\)/snapshot$#\\1#'); case $(findmnt -no FSTYPE /etc) in overlay) findmnt -no OPTIONS /etc | grep \"/overlay/$n/etc\" ;; btrfs) findmnt -no FSROOT /etc | grep -x \"/@/.snapshots/$n/snapshot/etc\" ;; esac",
    ),
    (
        "snapper knows the snapshot",
        "snapper --no-dbus --csvout list --columns number,active,default | grep -qx \"$(findmnt -no FSROOT / | sed 's#^/@/.snapshots/\\([0-9]*\\)/snapshot$#\\1#'),yes,yes\"",
    ),
    (
        "the first snapshot's quota groups are counted",
        "[ \"$(ls /.snapshots)\" != 1 ] || ! btrfs qgroup show / >/run/rowi-quota 2>&1 || { cat /run/rowi-quota; ! grep -i inconsistent /run/rowi-quota && snapper --no-dbus get-config | grep 'QGROUP.*1/0'; }",
    ),
    (
        "GRUB's menu made anew is the same",
        "[ ! -e /etc/grub.d/09_rowi ] || { grub-mkconfig -o /run/rowi-menu 2>/run/rowi-mkconfig || { cat /run/rowi-mkconfig; exit 1; }; sed -i '/^#/d; /^$/d' /run/rowi-menu; sed '/^#/d; /^$/d' /boot/grub/grub.cfg | diff - /run/rowi-menu; }",
    ),
    (
        "the boot loader's entry made anew is the same",
        "[ ! -x /usr/lib/rowi/loader-entries ] || [ ! -e /boot/efi/loader/loader.conf ] || { n=$(findmnt -no FSROOT / | sed 's#^/@/.snapshots/\\([0-9]*\\)/snapshot$#\\1#'); /usr/lib/rowi/loader-entries --print $n | diff - /boot/efi/loader/entries/rowi-$n.conf && grep -x \"default rowi-$n.conf\" /boot/efi/loader/loader.conf && bootctl list --no-pager; }",
    ),
    (
        "no failed unit",
        "! systemctl --failed --no-legend --plain | grep . || { systemctl --failed --no-legend --plain | cut -d' ' -f1 | xargs -n1 journalctl -b --no-pager -n5 -o cat -u; exit 1; }",
    ),
];

impl Check {
    pub(super) fn new(name: impl Into<String>, run: impl Into<String>) -> Self {
        Self { name: name.into(), run: run.into(), within: 0, judge: Judge::Code }
    }

    /// A check whose output is what is wanted of it.
    pub(super) fn told(name: impl Into<String>, run: impl Into<String>) -> Self {
        Self { judge: Judge::Told, ..Self::new(name, run) }
    }

    /// The built-in checks for an image with these runtimes.
    pub fn built_in(runtimes: &[Runtime], images: &[Image]) -> Vec<Self> {
        let mut checks: Vec<Self> = BUILT_IN.iter().map(|(name, run)| Self::new(*name, *run)).collect();
        checks.push(Self { judge: Judge::Packages, ..Self::new("packages are those of the list", "rpm -qa") });
        for runtime in runtimes {
            let (name, unit) = match runtime {
                Runtime::Podman => {
                    checks.push(Self::new("podman answers", "podman info >/dev/null"));
                    continue;
                }
                Runtime::Docker => ("docker", "docker.service"),
                Runtime::CriO => ("CRI-O", "crio.service"),
                Runtime::Containerd => ("containerd", "containerd.service"),
                Runtime::Lxc => ("LXC", "lxc.service"),
            };
            checks.push(Self {
                within: 60,
                ..Self::new(format!("{name} is active"), format!("systemctl is-active {unit}"))
            });
        }
        checks.extend(images.iter().flat_map(|image| runtimes.iter().filter_map(|runtime| Self::has(*runtime, image))));
        checks
    }

    /// A runtime has an image that came with the system, and no other under its name.
    fn has(runtime: Runtime, image: &Image) -> Option<Self> {
        let name = channel::shell_word(&image.name);
        let (program, digests) = match runtime {
            Runtime::Podman => {
                ("podman", format!("podman image inspect --format '{{{{.Digest}}}} {{{{.RepoDigests}}}}' {name}"))
            }
            Runtime::CriO => ("CRI-O", format!("crictl inspecti {name}")),
            Runtime::Docker => ("docker", format!("docker image inspect --format '{{{{.Id}}}}' {name}")),
            Runtime::Containerd => ("containerd", format!("ctr --namespace k8s.io images list name=={name}")),
            Runtime::Lxc => return None,
        };
        // docker knows an image by its configuration's digest, which the list of those that came has beside the manifest's.
        let listed = if runtime == Runtime::Docker { " | grep -Ff - /usr/share/rowi/images/images" } else { "" };
        let run = format!("{digests}{listed} | grep sha256:{}", image.sha256);
        Some(Self { within: 120, ..Self::new(format!("{program} has {}", image.name), run) })
    }

    /// What only firmware with Secure Boot tells: its variable has four bytes of attributes and one that says whether it is on
    /// (UEFI 2.10, 8.2 and 3.3).
    pub fn secure_boot() -> Self {
        let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
        Self::new(
            "Secure Boot is on",
            format!("[ \"$(od -An -tu1 -j4 {variable} | tr -d ' ')\" = 1 ] || {{ od {variable}; exit 1; }}"),
        )
    }

    /// Whether the running snapshot's number passes a test of the shell's: `= 1`, `!= 1`.
    pub fn runs_snapshot(what: &str, test: &str) -> Self {
        let run = format!(
            "n=$(findmnt -no FSROOT / | sed 's#^/@/.snapshots/\\([0-9]*\\)/snapshot$#\\1#'); [ \"$n\" {test} ] || {{ echo \"snapshot $n\"; exit 1; }}"
        );
        Self::new(what, run)
    }

    /// The profile's own that are asked after a boot, an update, a rollback.
    pub fn of_profile(checks: &[profile::Check], after: &str) -> Vec<Self> {
        let asked = checks.iter().filter(|check| check.after == after || check.after.is_empty() && after == "boot");
        asked.map(|check| Self { within: check.within, ..Self::new(&check.name, &check.run) }).collect()
    }
}

/// What a machine said.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// By the check's number.
    pub(super) answers: BTreeMap<usize, Answer>,
    /// When it asked for a login.
    pub(super) login: Option<Duration>,
}

/// Holds answers against what is expected; a check without an answer failed.
pub(super) fn judge(checks: &[Check], said: &Answers, expected: &Expected) -> Vec<Outcome> {
    let Answers { answers, login } = said;
    let prompt = match login {
        Some(after) => {
            Outcome { name: "login prompt".into(), passed: true, detail: String::new(), seconds: after.as_secs() }
        }
        None => Outcome {
            name: "login prompt".into(),
            passed: false,
            detail: "no `login:` on the console".into(),
            seconds: 0,
        },
    };
    let outcome = |(number, check): (usize, &Check)| {
        let Some(answer) = answers.get(&number) else {
            return Some(Outcome { name: check.name.clone(), passed: false, detail: "no answer".into(), seconds: 0 });
        };
        let fault = match check.judge {
            Judge::Code | Judge::Told if answer.code == 0 => None,
            Judge::Code | Judge::Told => Some(format!("exit code {}: {}", answer.code, answer.output.trim())),
            Judge::Packages => difference(&answer.output, expected.packages.as_ref()?),
        };
        let told = || if check.judge == Judge::Told { answer.output.trim().to_owned() } else { String::new() };
        let (passed, detail) = (fault.is_none(), fault.unwrap_or_else(told));
        Some(Outcome { name: check.name.clone(), passed, detail, seconds: answer.seconds })
    };
    std::iter::once(prompt).chain(checks.iter().enumerate().filter_map(outcome)).collect()
}

/// What a list of packages has more or less than it should.
fn difference(output: &str, expected: &[String]) -> Option<String> {
    let mut found: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    found.sort_unstable();
    let more = found.iter().filter(|name| !expected.iter().any(|it| it == *name)).map(|name| format!("+{name}"));
    let less = expected.iter().filter(|name| !found.contains(&name.as_str())).map(|name| format!("-{name}"));
    let all: Vec<String> = more.chain(less).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged() {
        let checks = [Check::new("a", "true"), Check::new("b", "false"), Check::new("c", "x")];
        let mut checks = checks.to_vec();
        checks.push(Check::told("t", "echo 5"));
        checks.push(Check { judge: Judge::Packages, ..Check::new("p", "rpm -qa") });
        let answer = |code, output: &str| Answer { code, seconds: 1, output: output.into() };
        let answers = BTreeMap::from([
            (0, answer(0, "")),
            (1, answer(3, "why\n")),
            (3, answer(0, "5\n")),
            (4, answer(0, "b-1\nc-1\n")),
        ]);
        let expected = Expected { packages: Some(vec!["a-1".into(), "b-1".into()]) };
        let said = Answers { answers, login: Some(Duration::from_secs(9)) };
        let outcomes = judge(&checks, &said, &expected);
        let shown: Vec<_> = outcomes.iter().map(|it| (it.name.as_str(), it.passed, it.detail.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("login prompt", true, ""),
                ("a", true, ""),
                ("b", false, "exit code 3: why"),
                ("c", false, "no answer"),
                ("t", true, "5"),
                ("p", false, "+c-1 -a-1")
            ]
        );
        assert!(!judge(&[], &Answers { login: None, ..said }, &expected)[0].passed);
        assert_eq!(difference("b-1\na-1\n", expected.packages.as_ref().unwrap()), None);
    }
}
