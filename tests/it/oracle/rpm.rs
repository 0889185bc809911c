//! rpm of the test distribution, run from an image of it: the judge of everything that rowi installs.
//!
//! Scriptlets get the environment and the mounts that rowi's sandbox gives them (`ENGINEERING` I.3), in namespaces of
//! their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::image::{run, text};

/// Where rpm's root sees the repository and the root that is filled.
const REPOSITORY: &str = "/mnt/repository";
const TARGET: &str = "/mnt/target";

/// What is mounted in the image while its rpm runs: `rpm -V` sees the mounts.
pub(super) const MOUNTED: [&str; 3] = ["/dev", "/proc", "/tmp"];

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

/// A root with rpm in it, in the mount namespace of this thread.
pub(super) struct Rpm<'a> {
    root: &'a Path,
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
        run("mount", &["-t", "tmpfs", "none", text(&root.join("tmp"))]);
        Self { root }
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
        ["/", TARGET].map(|of| self.ask("rpm", &[&["--root", of], args].concat()))
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
        for of in ["/", TARGET] {
            run("chroot", &[text(self.root), "rpmdb", "--root", of, "--verifydb"]);
        }
    }

    fn ask(&self, program: &str, args: &[&str]) -> String {
        // `rpm -V` fails where something differs, which is an answer.
        let script =
            r#"root=$1; shift; env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 TZ=UTC chroot "$root" "$@" || [ $? = 1 ]"#;
        run("sh", &[&["-c", script, "sh", text(self.root), program], args].concat())
    }
}

/// The file of a package in a repository, from the architecture and what `rpm -qa` calls it.
pub(super) fn file_name(nvra: &str) -> PathBuf {
    let (_, arch) = nvra.rsplit_once('.').unwrap();
    Path::new(arch).join(format!("{nvra}.rpm"))
}
