//! GRUB's boot code, as `grub-bios-setup` writes it.

use std::path::Path;

use super::{grub, judge, lay_out, path, plan, raw, skip, tree};
use crate::{
    disk::{
        BiosGrub, Contents,
        bios::{BiosError, embed},
    },
    tree::{Node, Time},
};

#[test]
fn both_images_name_what_comes_next() {
    let embedded = embed(&grub(), 1 << 20, 2 << 20).unwrap();
    assert_eq!(embedded.code[0x5c..0x64], 2048_u64.to_le_bytes());
    assert_eq!(embedded.code[0x66..0x68], [0x90, 0x90]);
    assert_eq!(embedded.core.len(), 137 * 512);
    assert_eq!(embedded.core[0x1f4..0x1fc], 2049_u64.to_le_bytes());
    assert_eq!(embedded.core[0x1fc..0x200], [136, 0, 0x20, 0x08]);
}

#[test]
fn images_of_other_shapes_are_refused() {
    let room = BiosError::Room { core: 70_001, room: 65_536 };
    assert_eq!(embed(&grub(), 1 << 20, 65_536).err(), Some(room));
    let short = BiosGrub { boot: vec![0; 511], ..grub() };
    assert!(matches!(embed(&short, 1 << 20, 2 << 20), Err(BiosError::Image { file: "boot.img", .. })));
    let short = BiosGrub { core: vec![0; 512], ..grub() };
    assert!(matches!(embed(&short, 1 << 20, 2 << 20), Err(BiosError::Image { file: "core.img", .. })));
}

/// Where Debian's grub-pc-bin and openSUSE's grub2-i386-pc have it.
const SETUP: [&str; 3] =
    ["/usr/lib/grub/i386-pc/grub-bios-setup", "/usr/sbin/grub-bios-setup", "/usr/sbin/grub2-bios-setup"];

/// Images that grub-mkimage makes of the host's modules.
fn host_images(folder: &Path) -> Option<BiosGrub> {
    let modules = ["/usr/lib/grub/i386-pc", "/usr/share/grub2/i386-pc"];
    let modules = modules.into_iter().find(|folder| Path::new(folder).join("boot.img").exists())?;
    let core = folder.join("core.img");
    let args =
        ["-O", "i386-pc", "-d", modules, "-p", "(hd0,gpt3)/boot/grub", "-o", core.to_str()?, "biosdisk", "btrfs"];
    let (made, _) = judge("grub-mkimage", &args)?;
    made.then(|| BiosGrub {
        boot: fs_err::read(Path::new(modules).join("boot.img")).unwrap(),
        core: fs_err::read(core).unwrap(),
    })
}

/// Gives what it attached and mounted back, however the test ends.
#[derive(Default)]
struct Undo(Vec<(&'static str, Vec<String>)>);

impl Drop for Undo {
    fn drop(&mut self) {
        for (program, args) in self.0.drain(..).rev() {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            drop(judge(program, &args));
        }
    }
}

impl Undo {
    /// Attaches a file as a block device.
    fn attach(&mut self, file: &str, offset: u64) -> Option<String> {
        let offset = offset.to_string();
        let (good, said) = judge("losetup", &["--find", "--show", "--offset", &offset, file])?;
        let device = said.trim().to_owned();
        self.0.extend(good.then(|| ("losetup", vec!["--detach".to_owned(), device.clone()])));
        good.then_some(device)
    }
}

/// Embeds the images with the host's grub-bios-setup; nothing when the host cannot do that.
fn set_up(disk: &str, folder: &Path) -> Option<()> {
    let setup = SETUP.into_iter().find(|program| Path::new(program).exists())?;
    let mut undo = Undo::default();
    let device = undo.attach(disk, 0)?;
    let root = undo.attach(disk, 67 << 20)?;
    let mount = folder.join("mount").to_str()?.to_owned();
    fs_err::create_dir(&mount).ok()?;
    judge("mount", &["-o", "ro", &root, &mount])?.0.then_some(())?;
    undo.0.push(("umount", vec![mount.clone()]));
    if judge("partx", &["--add", &device])?.0 {
        undo.0.push(("partx", vec!["--delete".to_owned(), device.clone()]));
    }
    let map = folder.join("device.map");
    fs_err::write(&map, format!("(hd0) {device}\n(hd1) {root}\n")).ok()?;
    let images = format!("{mount}/images");
    let args = ["--no-rs-codes", "-s", "-m", map.to_str()?, "-d", &images, &device];
    let (good, said) = judge(setup, &args)?;
    assert!(good, "{said}");
    judge("sync", &[])?.0.then_some(())
}

#[test]
fn grub_bios_setup_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let why = "needs root, loop devices, grub-mkimage, GRUB's i386-pc modules and grub-bios-setup";
    let Some(images) = host_images(folder.path()).filter(|_| rustix::process::geteuid().is_root()) else {
        return skip(why);
    };
    let mut root = tree(&[("images/x", "x")]);
    for (name, bytes) in [("images/boot.img", &images.boot), ("images/core.img", &images.core)] {
        root.insert(path(name), Node::file(bytes.clone().into(), 0o644, Time::default()));
    }
    let file = folder.path().join("disk");
    let contents = Contents { tree: root, bios: None, ..Contents::default() };
    raw(&lay_out(&contents, &plan(), folder.path()), &file);
    if set_up(file.to_str().unwrap(), folder.path()).is_none() {
        return skip(why);
    }
    let theirs = fs_err::read(&file).unwrap();
    raw(&lay_out(&Contents { bios: Some(images), ..contents }, &plan(), folder.path()), &file);
    let ours = fs_err::read(&file).unwrap();
    let differences: Vec<usize> = (0..3 << 20).filter(|&at| ours[at] != theirs[at]).collect();
    assert_eq!(differences, [0; 0]);
}
