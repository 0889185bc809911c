//! GRUB for BIOS: `boot.img` becomes the boot code of the first sector, `core.img` lies in the BIOS boot partition,
//! and each names the next, as `grub-bios-setup` would write them.

use super::{BiosGrub, gpt::SECTOR, mbr::DISK_ID};

// Places in boot.img: GRUB 2.06 to 2.12, include/grub/i386/pc/boot.h.
/// Sector of core.img, 64 bits.
const KERNEL_SECTOR: usize = 0x5c;
/// Number of the drive to read from; 0xff is the one that the BIOS started.
const BOOT_DRIVE: usize = 0x64;
/// A jump over the work-around for BIOSes that tell a wrong drive; hard disks need the work-around, so it goes.
const DRIVE_CHECK: usize = 0x66;
/// Two instructions that do nothing.
const NOPS: [u8; 2] = [0x90, 0x90];

// Places in the first sector of core.img.
/// The last list of blocks, and the first that is read: sector, 64 bits; count, 16 bits; segment, 16 bits.
const BLOCK_LIST: usize = 0x1f4;
/// Segment where what follows the first sector is loaded to.
const SEGMENT: u16 = 0x820;

/// Why GRUB cannot be embedded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BiosError {
    /// Not what grub-mkimage makes.
    #[error("`{file}` has {length} bytes, which is no image of GRUB's")]
    Image {
        /// `boot.img` or `core.img`.
        file: &'static str,
        /// Its length.
        length: usize,
    },
    /// The partition is too small.
    #[error("GRUB's core image has {core} bytes and the `bios-boot` partition {room}")]
    Room {
        /// Bytes of the image.
        core: u64,
        /// Bytes of the partition.
        room: u64,
    },
    /// There is no partition for it.
    #[error("GRUB for BIOS needs a `bios-boot` partition")]
    Partition,
}

/// What goes where.
pub(super) struct Embedded {
    /// Bytes 0 to 439 of the disk.
    pub(super) code: [u8; DISK_ID],
    /// The partition's content.
    pub(super) core: Vec<u8>,
}

/// Makes both images start one another; the partition begins at `offset` and has `room` bytes.
///
/// # Errors
/// An image is none, or core.img is too large.
pub(super) fn embed(grub: &BiosGrub, offset: u64, room: u64) -> Result<Embedded, BiosError> {
    let length = grub.boot.len();
    let mut code: [u8; DISK_ID] = match grub.boot.first_chunk() {
        Some(code) if length == SECTOR as usize => *code,
        _ => return Err(BiosError::Image { file: "boot.img", length }),
    };
    code[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&(offset / SECTOR).to_le_bytes());
    code[BOOT_DRIVE] = 0xff;
    code[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&NOPS);
    Ok(Embedded { code, core: core(grub, offset, room)? })
}

fn core(grub: &BiosGrub, offset: u64, room: u64) -> Result<Vec<u8>, BiosError> {
    let length = grub.core.len();
    let sectors = length.div_ceil(SECTOR as usize);
    if sectors as u64 * SECTOR > room {
        return Err(BiosError::Room { core: length as u64, room });
    }
    let rest = match u16::try_from(sectors.saturating_sub(1)) {
        Ok(rest) if rest > 0 => rest,
        _ => return Err(BiosError::Image { file: "core.img", length }),
    };
    let mut core = grub.core.clone();
    core.resize(sectors * SECTOR as usize, 0);
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(offset / SECTOR + 1).to_le_bytes());
    core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&rest.to_le_bytes());
    core[BLOCK_LIST + 10..BLOCK_LIST + 12].copy_from_slice(&SEGMENT.to_le_bytes());
    Ok(core)
}
