//! A machine's writes, as QEMU's `blklogwrites` records them, up to the moment at which the power goes.
//!
//! Source: Linux, `Documentation/admin-guide/device-mapper/log-writes.rst` and `drivers/md/dm-log-writes.c`.

use std::{
    io::{Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// One record: where on the disk, how long, and where its bytes are in the log.
struct Write {
    at: u64,
    length: u64,
    data: u64,
    flags: u64,
}

/// A whole log.
pub(super) struct Log {
    file: PathBuf,
    writes: Vec<Write>,
}

impl Log {
    pub(super) fn open(path: &Path) -> Self {
        let mut file = fs_err::File::open(path).unwrap();
        let mut block = [0; 512];
        file.read_exact(&mut block).unwrap();
        let number = |block: &[u8], at: usize| u64::from_le_bytes(block[at..at + 8].try_into().unwrap());
        assert_eq!((number(&block, 0), number(&block, 8)), (MAGIC, 1), "the log is of another format");
        let (count, sector) = (number(&block, 16), u64::from(u32::from_le_bytes(block[24..28].try_into().unwrap())));
        assert_eq!(sector, 512);
        let mut at = sector;
        let mut writes = Vec::new();
        for _ in 0..count {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.read_exact(&mut block).unwrap();
            let [place, sectors, flags] = [0, 8, 16].map(|field| number(&block, field));
            let write = Write { at: place * sector, length: sectors * sector, data: at + sector, flags };
            at = write.data + if flags & DISCARD == 0 { write.length } else { 0 };
            writes.push(write);
        }
        let flushes = writes.iter().filter(|write| write.flags & FLUSH != 0).count();
        assert!(writes.len() > 1000 && flushes > 50, "{} writes, {flushes} flushes", writes.len());
        Self { file: path.to_owned(), writes }
    }

    /// Replays up to one of the flushes, and of the writes until the next one some; says up to which.
    pub(super) fn replay(&self, cut: u64, disk: &Path) -> String {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ (cut + 1));
        let flushes: Vec<usize> = (0..self.writes.len()).filter(|&at| self.writes[at].flags & FLUSH != 0).collect();
        let chosen = usize::try_from(chance.below(flushes.len() as u64)).unwrap();
        let (last, next) = (flushes[chosen], flushes.get(chosen + 1).copied().unwrap_or(self.writes.len()));
        let log = fs_err::File::open(&self.file).unwrap();
        let disk = fs_err::OpenOptions::new().write(true).open(disk).unwrap();
        let apply = |write: &Write| {
            let mut bytes = vec![0; usize::try_from(write.length).unwrap()];
            if write.flags & DISCARD == 0 {
                log.file().read_exact_at(&mut bytes, write.data).unwrap();
                disk.file().write_all_at(&bytes, write.at).unwrap();
            }
        };
        self.writes[..=last].iter().for_each(apply);
        let mut some = 0;
        for write in &self.writes[last + 1..next] {
            if write.flags & FUA != 0 || chance.below(2) == 0 {
                apply(write);
                some += 1;
            }
        }
        format!("flush {chosen} of {}, then {some} of {} writes", flushes.len(), next - last - 1)
    }
}

/// Numbers that look random and are the same every time (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}
