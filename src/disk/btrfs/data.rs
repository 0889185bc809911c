//! Contents of files become extents of data: packed on all cores, spooled in order, summed.
//!
//! A file is cut into frames of at most 128 KiB, each packed by itself, so that any number of threads gives the same
//! bytes. A frame that does not get smaller by a sector stays where it lies, and neighbours that stay become one
//! extent. Only one batch of frames is in memory.

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

use rayon::prelude::*;
use zstd::{bulk::Compressor, zstd_safe::CParameter};

use super::{
    format::{MAX_COMPRESSED, SECTOR},
    space::DataSpace,
};
use crate::{disk::Extent, tree::Content};

/// Frames that are packed before any is written.
const BATCH: usize = 256;
/// Longest plain extent. Ours: below the kernel's 128 MiB, and every group has room for one.
const MAX_PLAIN: u64 = 4 << 20;
/// The kernel unpacks with a window of this size.
const WINDOW_LOG: u32 = 17;

/// A file whose content becomes extents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    pub(super) content: &'a Content,
    /// Neither packed nor summed.
    pub(super) nodatacow: bool,
}

/// A run of a file and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileExtent {
    /// Offset in the file.
    pub(super) offset: u64,
    /// Bytes of the file, up to a whole sector.
    pub(super) length: u64,
    /// Where it lies; nowhere is a hole, which is said although it need not be: GRUB finds no other.
    pub(super) address: u64,
    /// Bytes there; none for a hole.
    pub(super) disk_length: u64,
    /// Whether it is packed.
    pub(super) packed: bool,
}

impl FileExtent {
    /// Whether it is nothing but zeros that lie nowhere.
    pub(super) fn is_hole(&self) -> bool {
        self.address == 0
    }
}

/// Checksums of sectors that follow each other.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub(super) address: u64,
    pub(super) sums: Vec<u32>,
}

/// What all contents became.
#[derive(Debug)]
pub(super) struct Data {
    /// Of each job, ascending by offset, without gaps.
    pub(super) files: Vec<Vec<FileExtent>>,
    /// Ascending by address.
    pub(super) sums: Vec<Sums>,
    /// On the device, ascending.
    pub(super) disk: Vec<Extent>,
    pub(super) space: DataSpace,
}

/// Part of a file that is packed by itself.
#[derive(Clone, Copy, Debug)]
struct Frame {
    job: usize,
    offset: u64,
    length: u64,
}

/// What became of a frame.
struct Done {
    form: Form,
    /// One per sector on disk, where they are wanted.
    sums: Vec<u32>,
}

enum Form {
    /// Nothing but zeros.
    Hole,
    /// As it lies in the content.
    Plain,
    /// As it is to be spooled, whole sectors.
    Bytes { bytes: Vec<u8>, packed: bool },
}

/// Places the contents of `jobs`, spooling what cannot be taken from where it lies into a file in `work`.
pub(super) fn place(
    jobs: &[Job<'_>],
    level: Option<i32>,
    work: &Path,
    progress: &dyn Fn(u64, u64),
) -> io::Result<Data> {
    let mut writer = Writer::new(jobs.len(), work)?;
    let total = jobs.iter().map(|job| job.content.len()).sum();
    let mut done = 0;
    let mut frames = jobs.iter().enumerate().flat_map(|(number, job)| frames(number, job.content.len()));
    loop {
        let batch: Vec<Frame> = frames.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return writer.finish();
        }
        let packed: Vec<Done> = batch
            .par_iter()
            .map_init(|| Packer::new(level), |packer, frame| packer.pack(frame, &jobs[frame.job]))
            .collect::<io::Result<_>>()?;
        for (frame, result) in batch.iter().zip(packed) {
            writer.add(frame, &jobs[frame.job], result)?;
            done += frame.length;
        }
        progress(done, total);
    }
}

fn frames(job: usize, length: u64) -> impl Iterator<Item = Frame> {
    (0..length).step_by(MAX_COMPRESSED as usize).map(move |offset| Frame {
        job,
        offset,
        length: MAX_COMPRESSED.min(length - offset),
    })
}

/// One thread's means.
struct Packer {
    level: Option<i32>,
    compressor: Option<Compressor<'static>>,
    input: Vec<u8>,
}

impl Packer {
    fn new(level: Option<i32>) -> Self {
        Self { level, compressor: None, input: Vec::new() }
    }

    fn pack(&mut self, frame: &Frame, job: &Job<'_>) -> io::Result<Done> {
        read(job.content, frame, &mut self.input)?;
        if self.input.iter().all(|&byte| byte == 0) {
            return Ok(Done { form: Form::Hole, sums: Vec::new() });
        }
        // Unpacked and on disk alike, the last sector of a file is filled up with zeros.
        self.input.resize(self.input.len().next_multiple_of(SECTOR as usize), 0);
        if !job.nodatacow
            && let Some(bytes) = self.packed()?
        {
            return Ok(Done { sums: sums(&bytes), form: Form::Bytes { bytes, packed: true } });
        }
        let sums = if job.nodatacow { Vec::new() } else { sums(&self.input) };
        let form = match job.content {
            Content::Stored { .. } => Form::Plain,
            Content::Held(_) => Form::Bytes { bytes: self.input.clone(), packed: false },
        };
        Ok(Done { form, sums })
    }

    /// The frame packed, where that is smaller by a sector.
    fn packed(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (Some(level), true) = (self.level, self.input.len() as u64 > SECTOR) else { return Ok(None) };
        if self.compressor.is_none() {
            let mut compressor = Compressor::new(level)?;
            compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
            compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
            self.compressor = Some(compressor);
        }
        let Some(compressor) = &mut self.compressor else { return Ok(None) };
        let mut bytes = compressor.compress(&self.input)?;
        bytes.resize(bytes.len().next_multiple_of(SECTOR as usize), 0);
        Ok((bytes.len() < self.input.len()).then_some(bytes))
    }
}

fn read(content: &Content, frame: &Frame, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    match content {
        Content::Held(bytes) => {
            // A frame lies within its content.
            into.extend_from_slice(&bytes[frame.offset as usize..(frame.offset + frame.length) as usize]);
            Ok(())
        }
        Content::Stored { path, offset, .. } => {
            let mut file = fs_err::File::open(path.as_ref())?;
            file.seek(SeekFrom::Start(offset + frame.offset))?;
            file.take(frame.length).read_to_end(into)?;
            if into.len() as u64 == frame.length {
                return Ok(());
            }
            let text = format!("`{}` is shorter than it was", path.display());
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
        }
    }
}

fn sums(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(SECTOR as usize).map(crc32c::crc32c).collect()
}

/// Takes frames in order and gives them their places.
struct Writer {
    spool: io::BufWriter<fs_err::File>,
    path: Arc<Path>,
    spooled: u64,
    data: Data,
}

impl Writer {
    fn new(jobs: usize, work: &Path) -> io::Result<Self> {
        let path: Arc<Path> = work.join("btrfs-data").into();
        let spool = io::BufWriter::with_capacity(1 << 20, fs_err::File::create(path.as_ref())?);
        let data = Data { files: vec![Vec::new(); jobs], sums: Vec::new(), disk: Vec::new(), space: DataSpace::new() };
        Ok(Self { spool, path, spooled: 0, data })
    }

    fn add(&mut self, frame: &Frame, job: &Job<'_>, done: Done) -> io::Result<()> {
        let length = frame.length.next_multiple_of(SECTOR);
        let (packed, disk_length) = match &done.form {
            Form::Hole => {
                let hole = FileExtent { offset: frame.offset, length, address: 0, disk_length: 0, packed: false };
                self.add_to_file(frame.job, hole);
                return Ok(());
            }
            Form::Plain => (false, frame.length.next_multiple_of(SECTOR)),
            Form::Bytes { bytes, packed } => (*packed, bytes.len() as u64),
        };
        let address = self.data.space.take(disk_length);
        self.add_to_file(frame.job, FileExtent { offset: frame.offset, length, address, disk_length, packed });
        self.add_sums(address, done.sums);
        let content = self.content(frame, job, done.form)?;
        self.add_to_disk(self.data.space.device_offset(address), content);
        Ok(())
    }

    /// Where the bytes lie that go there.
    fn content(&mut self, frame: &Frame, job: &Job<'_>, form: Form) -> io::Result<Content> {
        match (form, job.content) {
            (Form::Plain, Content::Stored { path, offset, .. }) => {
                Ok(Content::Stored { path: path.clone(), offset: offset + frame.offset, length: frame.length })
            }
            (Form::Bytes { bytes, .. }, _) => {
                self.spool.write_all(&bytes)?;
                let offset = self.spooled;
                self.spooled += bytes.len() as u64;
                Ok(Content::Stored { path: self.path.clone(), offset, length: bytes.len() as u64 })
            }
            (Form::Plain | Form::Hole, _) => unreachable!("held content is spooled, and a hole has no place"),
        }
    }

    fn add_to_file(&mut self, job: usize, next: FileExtent) {
        let extents = &mut self.data.files[job];
        if let Some(last) = extents.last_mut()
            && joins(last, &next, &self.data.space)
        {
            last.length += next.length;
            last.disk_length += next.disk_length;
            return;
        }
        extents.push(next);
    }

    fn add_sums(&mut self, address: u64, sums: Vec<u32>) {
        match self.data.sums.last_mut() {
            _ if sums.is_empty() => {}
            Some(last) if last.address + last.sums.len() as u64 * SECTOR == address => last.sums.extend(sums),
            _ => self.data.sums.push(Sums { address, sums }),
        }
    }

    /// Adds a run of the device, joining it to the one before where both are one run of one file.
    fn add_to_disk(&mut self, offset: u64, content: Content) {
        if let Some(last) = self.data.disk.last_mut()
            && last.end() == offset
            && let (
                Content::Stored { path, offset: start, length },
                Content::Stored { path: next_path, offset: next_start, length: next_length },
            ) = (&mut last.content, &content)
            && path == next_path
            && *start + *length == *next_start
        {
            *length += next_length;
            return;
        }
        self.data.disk.push(Extent { offset, content });
    }

    fn finish(mut self) -> io::Result<Data> {
        self.spool.flush()?;
        Ok(self.data)
    }
}

/// Whether an extent goes on where the last one of the same file ends, and both become one.
fn joins(last: &FileExtent, next: &FileExtent, space: &DataSpace) -> bool {
    if last.is_hole() || next.is_hole() {
        return last.is_hole() && next.is_hole();
    }
    !last.packed
        && !next.packed
        && last.address + last.length == next.address
        && last.length + next.length <= MAX_PLAIN
        && space.same_group(last.address, next.address)
}
