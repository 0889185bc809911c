//! rpm of the test distribution, run from an image of it: the judge of everything that rowi installs.
//!
//! Scriptlets get the environment and the mounts that rowi's sandbox gives them (`ENGINEERING` I.3), in namespaces of
//! their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use assert_cmd::Command;

use crate::image::{run, text};

/// Where rpm's root sees the repository and the root that is filled.
const REPOSITORY: &str = "/mnt/repository";
const TARGET: &str = "/mnt/target";

/// What is mounted in the image while its rpm runs: `rpm -V` sees the mounts.
pub(super) const MOUNTED: [&str; 4] = ["/dev", "/proc", "/tmp", "/var/tmp"];

/// Installs into `$target` with the arguments that follow, from the root in `$root`. The folders that something is
/// mounted over get mode and owner afterwards that rpm gave to what it saw.
const INSTALL: &str = r#"
set -eu
root=$1 target=$2 epoch=$3
shift 3
hostname localhost
umask 022
for folder in dev:755 proc:555 sys:555 run:755 tmp:1777 var:755 var/tmp:1777; do
    mkdir -m "${folder#*:}" "$target/${folder%:*}"
done
mount -t tmpfs -o mode=755 none "$target/dev"
for name in null zero full random urandom tty; do
    touch "$target/dev/$name"
    mount --bind "/dev/$name" "$target/dev/$name"
done
mkdir "$target/dev/pts" "$target/dev/shm"
mount -t devpts -o newinstance,mode=0620,ptmxmode=0666 none "$target/dev/pts"
ln -s /proc/self/fd "$target/dev/fd"
for name in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${name%:*}" "$target/dev/${name#*:}"; done
ln -s pts/ptmx "$target/dev/ptmx"
mount -t proc none "$target/proc"
mount -t tmpfs -o mode=555 none "$target/sys"
mount -t tmpfs -o mode=755 none "$target/run"
mount -t tmpfs -o mode=1777 none "$target/tmp"
mount -t tmpfs -o mode=1777 none "$target/var/tmp"
env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC SYSTEMD_OFFLINE=1 DRACUT_NO_MKNOD=1 \
    DEBIAN_FRONTEND=noninteractive INITRD=No SOURCE_DATE_EPOCH="$epoch" chroot "$root" "$@" < /dev/null
for folder in var/tmp tmp run sys proc dev; do
    owner=$(stat -c %u:%g "$target/$folder") mode=$(stat -c %a "$target/$folder")
    umount -R "$target/$folder"
    chown "$owner" "$target/$folder"
    chmod "$mode" "$target/$folder"
done
"#;

/// A root with rpm in it, in the mount namespace of this thread, and what it is asked about.
pub(super) struct Rpm<'a> {
    root: &'a Path,
    /// How rpm is told of rowi's root and of its own.
    sides: [Vec<String>; 2],
}

/// How a command ended.
pub(super) struct Done {
    pub(super) is_success: bool,
    pub(super) said: String,
}

impl<'a> Rpm<'a> {
    /// Prepares a mounted image to run rpm on a folder: `/mnt` becomes memory, with the repository and the folder in it.
    pub(super) fn new(root: &'a Path, repository: &Path, target: &Path) -> Self {
        run("mount", &["-t", "tmpfs", "none", text(&root.join("mnt"))]);
        for (from, to) in [(repository, REPOSITORY), (target, TARGET)] {
            let to = root.join(&to[1..]);
            fs_err::create_dir(&to).unwrap();
            run("mount", &["--bind", text(from), text(&to)]);
        }
        run("mount", &["-t", "proc", "none", text(&root.join("proc"))]);
        run("mount", &["--bind", "/dev", text(&root.join("dev"))]);
        for folder in ["tmp", "var/tmp"] {
            run("mount", &["-t", "tmpfs", "none", text(&root.join(folder))]);
        }
        let side = |of: &str| vec!["--root".to_owned(), of.to_owned()];
        Self { root, sides: ["/", TARGET].map(side) }
    }

    /// The same rpm, asked about two folders in the one that is filled, with their databases in `database`.
    pub(super) fn between(&self, folders: [&Path; 2], database: &str) -> Self {
        let side =
            |of: &Path| ["--root", text(&Path::new(TARGET).join(of)), "--dbpath", database].map(str::to_owned).to_vec();
        Self { root: self.root, sides: folders.map(side) }
    }

    /// Installs one file of the repository into the second folder, whatever it asks for, without scriptlets.
    pub(super) fn place(&self, package: &Path) -> Done {
        let whatever = ["-U", "--nodeps", "--noscripts", "--notriggers", "--nosignature", "--ignorearch", "--ignoreos"];
        let file = Path::new(REPOSITORY).join(package);
        let side = self.sides[1].iter().map(String::as_str);
        let args: Vec<&str> = side.chain(whatever).chain(["--ignoresize", text(&file)]).collect();
        let output = self.command("rpm", &args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Done { is_success: output.status.success(), said }
    }

    /// Installs packages of the repository, given by their files' names, in namespaces as a build has them.
    pub(super) fn install(&self, packages: &[String], options: &[&str], epoch: &str) -> String {
        let target = self.root.join(&TARGET[1..]);
        let mut args =
            vec!["--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", INSTALL];
        args.extend(["sh", text(self.root), text(&target), epoch]);
        args.extend(["rpm", "--root", TARGET, "-U", "--nosignature"].iter().chain(options));
        let files: Vec<String> = packages.iter().map(|package| format!("{REPOSITORY}/{package}")).collect();
        args.extend(files.iter().map(String::as_str));
        run("unshare", &args)
    }

    /// Makes a key of the repository's trusted.
    pub(super) fn import(&self, key: &str) {
        run("chroot", &[text(self.root), "rpm", "--root", TARGET, "--import", &format!("{REPOSITORY}/{key}")]);
    }

    /// What rpm says of the image that it lies in, and of the folder that it filled.
    pub(super) fn both(&self, args: &[&str]) -> [String; 2] {
        self.sides.each_ref().map(|side| {
            let args: Vec<&str> = side.iter().map(String::as_str).chain(args.iter().copied()).collect();
            self.ask("rpm", &args)
        })
    }

    /// Every header, by the package's name and version: its tags with their values. The times and the colour of the
    /// installation are left out, and nothing else (`ENGINEERING` I.4).
    pub(super) fn headers(&self) -> [BTreeMap<String, BTreeSet<String>>; 2] {
        const LEFT_OUT: [&str; 3] = ["Installtime", "Installtid", "Installcolor"];
        let is_kept = |tag: &&str| !LEFT_OUT.iter().any(|name| tag.starts_with(&format!("name=\"{name}\"")));
        let header = |text: &str| {
            let tags = text.split("<rpmTag ").skip(1).map(str::trim_end);
            let tags: BTreeSet<String> = tags.filter(is_kept).map(str::to_owned).collect();
            let name = |tag: &&String| tag.starts_with("name=\"Name\"") || tag.starts_with("name=\"Version\"");
            (tags.iter().filter(name).cloned().collect(), tags)
        };
        self.both(&["-qa", "--xml"]).map(|text| text.split("<rpmHeader>").skip(1).map(header).collect())
    }

    /// Both databases are sound, says rpm.
    pub(super) fn verify_databases(&self) {
        for side in &self.sides {
            let args: Vec<&str> = side.iter().map(String::as_str).chain(["--verifydb"]).collect();
            let done = self.command("rpmdb", &args).output().unwrap();
            assert!(done.status.success(), "rpmdb {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }

    fn ask(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program, args).output().unwrap();
        // `rpm -V` fails where something differs, which is an answer.
        let is_answer = matches!(output.status.code(), Some(0 | 1));
        assert!(is_answer, "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.root).arg(program).args(args);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command
    }
}

/// The file of a package in a repository, from the architecture and what `rpm -qa` calls it.
pub(super) fn file_name(nvra: &str) -> PathBuf {
    let (_, arch) = nvra.rsplit_once('.').unwrap();
    Path::new(arch).join(format!("{nvra}.rpm"))
}
