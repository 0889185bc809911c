//! GRUB's boot code, as `grub-bios-setup` writes it.

use super::grub;
use crate::disk::{
    BiosGrub,
    bios::{BiosError, embed},
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
