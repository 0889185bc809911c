//! `Packages.db`: pages of slots, then headers in blocks of 16 bytes. All numbers are little-endian.
//!
//! Layout and checks: rpm 6.1, `lib/backend/ndb/rpmpkg.c`; version 0, the only one there has been (since rpm 4.14).

use std::io::{self, Read, Seek, SeekFrom};

use crate::rpm::header::Limits;

/// `PAGE_SIZE`, `SLOT_SIZE` and `BLK_SIZE`.
const PAGE: usize = 4096;
const SLOT: usize = 16;
const BLOCK: u64 = 16;
pub(super) const SLOTS_OF_A_PAGE: usize = PAGE / SLOT;
const BLOCKS_OF_A_PAGE: u32 = 256;
/// `SLOT_START`: the file's header takes the place of the first slots.
pub(super) const FIRST_SLOT: usize = 2;
/// `PKGDB_MAGIC`, `SLOT_MAGIC`, `BLOBHEAD_MAGIC`, `BLOBTAIL_MAGIC`.
const MAGIC: [u8; 4] = *b"RpmP";
const SLOT_MAGIC: [u8; 4] = *b"Slot";
const HEAD_MAGIC: [u8; 4] = *b"BlbS";
const TAIL_MAGIC: [u8; 4] = *b"BlbE";
/// `BLOBHEAD_SIZE` and `BLOBTAIL_SIZE`.
const HEAD: usize = 16;
const TAIL: usize = 12;
/// More slots than this is no database of ours or of anyone's: 16 million packages.
const MOST_PAGES: u32 = 0xffff;
/// No header takes more blocks: a file with holes may promise any length. Counts, 16 bytes an entry, data.
const MOST_BLOCKS: u32 = (HEAD as u32 + 8 + 16 * Limits::MAIN.entries + Limits::MAIN.data + TAIL as u32).div_ceil(16);

/// Where a package's header lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    /// The package's number; 0 in a free slot.
    number: u32,
    /// In blocks from the file's beginning.
    offset: u32,
    /// In blocks.
    count: u32,
}

/// The slot pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    generation: u32,
    /// The number that the next package gets.
    next: u32,
    slots: Vec<Slot>,
    pages: u32,
}

/// A header that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The package's number.
    pub number: u32,
    /// The header's bytes.
    pub header: Vec<u8>,
}

/// A place that became free.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freed {
    /// Which slot.
    pub(super) slot: usize,
    /// In bytes.
    pub(super) offset: u64,
    /// In bytes.
    pub(super) length: usize,
}

/// A header that is to be written, with its place.
#[derive(Clone, Debug)]
pub(super) struct Place {
    slot: Slot,
    /// What the file has there.
    pub(super) bytes: Vec<u8>,
}

impl Place {
    /// The package's.
    pub(super) fn number(&self) -> u32 {
        self.slot.number
    }

    /// In bytes.
    pub(super) fn offset(&self) -> u64 {
        u64::from(self.slot.offset) * BLOCK
    }
}

impl Directory {
    pub(super) fn empty(pages: u32) -> Self {
        let slots = vec![Slot::default(); pages as usize * SLOTS_OF_A_PAGE - FIRST_SLOT];
        Self { generation: 1, next: 1, slots, pages }
    }

    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.iter().all(|slot| slot.number != 0)
    }

    /// Reads the slot pages of a file, with rpm's checks and two more: no two headers overlap or have one number.
    pub(super) fn read(file: &mut (impl Read + Seek)) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let blocks = u32::try_from(length / BLOCK).map_err(|_| fault("is too large"))?;
        let mut page = [0; PAGE];
        read_exact(file, &mut page)?;
        let word = |at: usize| word(&page, at);
        if page[..4] != MAGIC || word(4) != 0 {
            return Err(fault("does not begin as rpm's ndb of version 0 does"));
        }
        let (generation, pages, next) = (word(8), word(12), word(16));
        if pages == 0 || pages > MOST_PAGES || u64::from(pages) * PAGE as u64 > length || !length.is_multiple_of(BLOCK)
        {
            return Err(fault("is cut short"));
        }
        let first = pages * BLOCKS_OF_A_PAGE;
        let mut slots = Vec::new();
        for number in 0..pages {
            if number > 0 {
                read_exact(file, &mut page)?;
            }
            let skipped = if number == 0 { FIRST_SLOT } else { 0 };
            for entry in page.as_chunks::<SLOT>().0.iter().skip(skipped) {
                slots.push(Slot::parse(entry, first, blocks)?);
            }
        }
        let mut directory = Self { generation, next, slots, pages };
        let ordered = directory.ordered();
        if ordered.windows(2).any(|pair| pair[0].offset + pair[0].count > pair[1].offset) {
            return Err(fault("has headers that overlap"));
        }
        let numbered = directory.numbered();
        if let Some(pair) = numbered.windows(2).find(|pair| pair[0].number == pair[1].number) {
            return Err(fault(&format!("has package {} twice", pair[0].number)));
        }
        // Whatever the file says: no number is 0, and none is given twice.
        let free = numbered.last().map_or(1, |last| last.number.saturating_add(1));
        directory.next = directory.next.max(free);
        Ok(directory)
    }

    /// The slots that are used, as their headers lie.
    fn ordered(&self) -> Vec<Slot> {
        let mut ordered: Vec<Slot> = self.slots.iter().filter(|slot| slot.number != 0).copied().collect();
        ordered.sort_by_key(|slot| slot.offset);
        ordered
    }

    /// The slots that are used, by number.
    fn numbered(&self) -> Vec<Slot> {
        let mut numbered = self.ordered();
        numbered.sort_by_key(|slot| slot.number);
        numbered
    }

    /// Reads all headers, by number, one at a time.
    pub(super) fn blobs(&self, file: &mut (impl Read + Seek)) -> impl Iterator<Item = io::Result<Blob>> {
        self.numbered().into_iter().map(|slot| slot.read(file))
    }

    /// A header with its place behind all others, for the next package.
    pub(super) fn blob(&self, header: &[u8]) -> io::Result<Place> {
        if self.next == u32::MAX {
            return Err(fault("has no number left"));
        }
        self.blob_of(self.next, header)
    }

    /// A header with its place behind all others.
    pub(super) fn blob_of(&self, number: u32, header: &[u8]) -> io::Result<Place> {
        let first = self.pages * BLOCKS_OF_A_PAGE;
        let offset = self.slots.iter().map(|slot| slot.offset + slot.count).max().unwrap_or(0).max(first);
        let length = u32::try_from(header.len()).map_err(|_| fault("takes no header as large as that"))?;
        let blocks = (HEAD + header.len() + TAIL).div_ceil(BLOCK as usize);
        let count = u32::try_from(blocks).map_err(|_| fault("takes no header as large as that"))?;
        offset.checked_add(count).filter(|end| *end < u32::MAX).ok_or_else(|| fault("is full"))?;
        let mut bytes = Vec::with_capacity(blocks * BLOCK as usize);
        bytes.extend(HEAD_MAGIC);
        bytes.extend([number, self.generation, length].map(u32::to_le_bytes).as_flattened());
        bytes.extend(header);
        bytes.resize(blocks * BLOCK as usize - TAIL, 0);
        bytes.extend([adler2::adler32_slice(&bytes), length].map(u32::to_le_bytes).as_flattened());
        bytes.extend(TAIL_MAGIC);
        Ok(Place { slot: Slot { number, offset, count }, bytes })
    }

    /// Puts a header's place into the first free slot, and says which that is.
    pub(super) fn insert(&mut self, place: &Place) -> io::Result<usize> {
        let free = self.slots.iter().position(|slot| slot.number == 0).ok_or_else(|| fault("is full"))?;
        self.slots[free] = place.slot;
        self.generation = self.generation.wrapping_add(1);
        self.next = self.next.max(place.slot.number.saturating_add(1));
        Ok(free)
    }

    /// Frees a slot.
    pub(super) fn remove(&mut self, number: u32) -> Option<Freed> {
        let slot = self.slots.iter().position(|slot| slot.number == number && number != 0)?;
        let old = std::mem::take(&mut self.slots[slot]);
        self.generation = self.generation.wrapping_add(1);
        Some(Freed { slot, offset: u64::from(old.offset) * BLOCK, length: old.count as usize * BLOCK as usize })
    }

    /// The file's header.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, self.generation, self.pages, self.next].map(u32::to_le_bytes).as_flattened());
        bytes.resize(FIRST_SLOT * SLOT, 0);
        bytes
    }

    /// Where a slot lies in the file, and its bytes.
    pub(super) fn slot(&self, number: usize) -> (u64, [u8; SLOT]) {
        (((FIRST_SLOT + number) * SLOT) as u64, self.slots[number].to_bytes())
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.reserve(self.slots.len() * SLOT);
        bytes.extend(self.slots.iter().flat_map(|slot| slot.to_bytes()));
        bytes
    }
}

impl Slot {
    fn to_bytes(self) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        bytes[..4].copy_from_slice(&SLOT_MAGIC);
        bytes[4..].copy_from_slice([self.number, self.offset, self.count].map(u32::to_le_bytes).as_flattened());
        bytes
    }

    fn parse(entry: &[u8; SLOT], first: u32, blocks: u32) -> io::Result<Self> {
        let slot = Self { number: word(entry, 4), offset: word(entry, 8), count: word(entry, 12) };
        if entry[..4] != SLOT_MAGIC {
            return Err(fault("has a slot that is none"));
        }
        if slot.offset == 0 {
            return Ok(Self::default());
        }
        let end = slot.offset.checked_add(slot.count);
        if slot.number == 0 || slot.count == 0 || slot.offset < first || end.is_none_or(|end| end > blocks) {
            return Err(fault(&format!("has no room for package {}", slot.number)));
        }
        if slot.count > MOST_BLOCKS {
            return Err(fault(&format!("has package {} with a header larger than rpm takes", slot.number)));
        }
        Ok(slot)
    }

    fn read(self, file: &mut (impl Read + Seek)) -> io::Result<Blob> {
        let broken = |what: &str| fault(&format!("has package {} with {what}", self.number));
        // `parse` has looked: it lies in the file, and is no larger than a header may be.
        let mut bytes = vec![0; self.count as usize * BLOCK as usize];
        file.seek(SeekFrom::Start(u64::from(self.offset) * BLOCK))?;
        read_exact(file, &mut bytes)?;
        if bytes.len() < HEAD + TAIL || bytes[..4] != HEAD_MAGIC || bytes[bytes.len() - 4..] != TAIL_MAGIC {
            return Err(broken("no header"));
        }
        let (body, tail) = bytes.split_at(bytes.len() - TAIL);
        let length = word(body, 12) as usize;
        if word(body, 4) != self.number || word(tail, 4) as usize != length {
            return Err(broken("the header of another"));
        }
        if (HEAD + TAIL).checked_add(length).is_none_or(|all| all.div_ceil(BLOCK as usize) != self.count as usize) {
            return Err(broken("a header of another length"));
        }
        if !cfg!(fuzzing) && adler2::adler32_slice(body) != word(tail, 0) {
            return Err(broken("a wrong checksum"));
        }
        Ok(Blob { number: self.number, header: body[HEAD..HEAD + length].to_vec() })
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("callers have as many bytes"))
}

fn read_exact(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<()> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => fault("is cut short"),
        _ => error,
    })
}

pub(super) fn fault(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the database {what}"))
}
