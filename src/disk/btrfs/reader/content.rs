//! The content of a regular file: found by path, unpacked, and verified against the data's checksums.

use std::io::{self, Read};

use super::{
    ReadAt, ReadError, Reader,
    blocks::TreeRoot,
    damaged,
    fields::Fields,
    files::{self, Inode},
};
use crate::{
    disk::btrfs::format::{
        COMPRESS_ZSTD, EXTENT_CSUM, FILE_EXTENT_INLINE, FILE_EXTENT_REG, FIRST_FREE, Key, MAX_COMPRESSED, inode, kind,
        name_hash,
    },
    tree::RelPath,
};

/// Longest file that is read. Ours: no file that is looked into is that long.
pub(super) const MAX_FILE: u64 = 512 << 20;
/// Bytes of plain data that are read at once.
const PIECE: u64 = 1 << 20;

/// An EXTENT_DATA.
struct Extent<'a> {
    unpacked: u64,
    compression: u8,
    kind: u8,
    rest: &'a [u8],
}

impl<R: ReadAt> Reader<R> {
    /// The content of a regular file, by its path in a subvolume; no symbolic link is followed.
    ///
    /// # Errors
    /// There is none; it is longer than 512 MiB, damaged, or packed with LZO; the host's reasons.
    pub fn read_file(&self, subvolume: u64, path: &RelPath) -> io::Result<Vec<u8>> {
        let (root, _) = self.find_tree(subvolume)?;
        let number = self.find_inode(&root, path)?;
        let mut inode = None;
        let key = Key::new(number, kind::INODE_ITEM, 0);
        self.walk(&root, key..=key, &mut |_, data| {
            inode = Some(Inode::parse(data)?);
            Ok(())
        })?;
        let inode = inode.ok_or_else(|| damaged(format!("inode {number} is missing")))?;
        if !inode.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}` is no regular file")));
        }
        if inode.size > MAX_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("`{path}` is too long to be read")));
        }
        Ok(self.read_inode(&root, number, &inode)?)
    }

    fn find_inode(&self, root: &TreeRoot, path: &RelPath) -> Result<u64, ReadError> {
        let mut at = FIRST_FREE;
        for name in path.as_bytes().split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            let key = Key::new(at, kind::DIR_ITEM, name_hash(name));
            let mut found = None;
            self.walk(root, key..=key, &mut |_, data| {
                files::dir_items(data, &mut |_, entry, _, location| {
                    if entry == name && location.kind == kind::INODE_ITEM {
                        found = Some(location.object);
                    }
                    Ok(())
                })
            })?;
            at = found.ok_or_else(|| ReadError::Missing(path.to_string()))?;
        }
        Ok(at)
    }

    fn read_inode(&self, root: &TreeRoot, number: u64, inode: &Inode) -> Result<Vec<u8>, ReadError> {
        let mut content = vec![0; usize::try_from(inode.size).map_err(|_| damaged("a file is too long"))?];
        let range = Key::new(number, kind::EXTENT_DATA, 0)..=Key::new(number, kind::EXTENT_DATA, u64::MAX);
        let sums = if inode.flags & inode::NODATASUM == 0 { Some(self.sum_tree()?) } else { None };
        let mut end = 0;
        self.walk(root, range, &mut |key, data| {
            if key.offset < end {
                return Err(damaged("extents of a file overlap"));
            }
            let start = usize::try_from(key.offset).unwrap_or(usize::MAX).min(content.len());
            let length = self.read_extent(data, sums.as_ref(), &mut content[start..])?;
            end = key.offset.checked_add(length).ok_or_else(|| damaged("an extent is too long"))?;
            Ok(())
        })?;
        Ok(content)
    }

    /// Fills the start of `into`; gives the bytes of the file that the extent is for.
    fn read_extent(&self, data: &[u8], sums: Option<&TreeRoot>, into: &mut [u8]) -> Result<u64, ReadError> {
        let extent = parse(data)?;
        if extent.kind == FILE_EXTENT_INLINE {
            let bytes = unpack(extent.compression, extent.rest, extent.unpacked)?;
            copy(&bytes, into);
            return Ok(bytes.len() as u64);
        }
        let mut fields = Fields::new(extent.rest);
        let (address, disk_length, offset, length) = (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        // A hole, or room that nothing was written to.
        if address == 0 || extent.kind != FILE_EXTENT_REG {
            return Ok(length);
        }
        if extent.compression == 0 {
            let wanted = length.min(into.len() as u64);
            let from = address.checked_add(offset).ok_or_else(|| damaged("an extent lies outside"))?;
            self.read_plain(from, sums, &mut into[..wanted as usize])?; // at most `into`'s length
            return Ok(length);
        }
        if disk_length > 2 * MAX_COMPRESSED {
            return Err(damaged("a packed extent is too long"));
        }
        let mut packed = vec![0; disk_length as usize];
        self.read_summed(address, sums, &mut packed)?;
        let bytes = unpack(extent.compression, &packed, extent.unpacked)?;
        let end = offset.checked_add(length).filter(|&end| end <= bytes.len() as u64);
        let end = end.ok_or_else(|| damaged("a packed extent is shorter than its file"))?;
        copy(&bytes[offset as usize..end as usize], into);
        Ok(length)
    }

    fn read_plain(&self, address: u64, sums: Option<&TreeRoot>, into: &mut [u8]) -> Result<(), ReadError> {
        let mut buffer = Vec::new();
        for (piece, number) in into.chunks_mut(PIECE as usize).zip(0..) {
            buffer.resize(piece.len().next_multiple_of(self.head.sector as usize), 0);
            let at = address.checked_add(number * PIECE).ok_or_else(|| damaged("an extent lies outside"))?;
            self.read_summed(at, sums, &mut buffer)?;
            copy(&buffer, piece);
        }
        Ok(())
    }

    /// Reads whole sectors and verifies them.
    fn read_summed(&self, address: u64, sums: Option<&TreeRoot>, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.read_address(address, buffer)?;
        let Some(tree) = sums else { return Ok(()) };
        let (sector, size) = (self.head.sector as usize, self.head.sums.size());
        let end = address.saturating_add(buffer.len() as u64);
        // An item that begins earlier may reach here: at most a whole leaf of sums.
        let reach = u64::from(self.head.node) / size as u64 * sector as u64;
        let first = Key::new(EXTENT_CSUM, kind::EXTENT_CSUM, address.saturating_sub(reach));
        let last = Key::new(EXTENT_CSUM, kind::EXTENT_CSUM, end - 1);
        let mut verified = 0;
        self.walk(tree, first..=last, &mut |key, data| {
            let places = (key.offset..).step_by(sector).zip(data.chunks_exact(size));
            for (at, sum) in places.skip_while(|(at, _)| *at < address).take_while(|(at, _)| *at < end) {
                let skip = (at - address) as usize; // below the buffer's length
                let bytes = buffer.get(skip..skip + sector).ok_or_else(|| damaged("a checksum is misplaced"))?;
                if !self.head.sums.matches(bytes, sum) {
                    return Err(damaged(format!("data at {at:#x} fails its checksum")));
                }
                verified += sector;
            }
            Ok(())
        })?;
        if verified < buffer.len() {
            return Err(damaged(format!("data at {address:#x} has no checksum")));
        }
        Ok(())
    }
}

fn parse(data: &[u8]) -> Result<Extent<'_>, ReadError> {
    let mut fields = Fields::new(data);
    fields.skip(8)?;
    let unpacked = fields.u64()?;
    let compression = fields.u8()?;
    if fields.u8()? != 0 || fields.u16()? != 0 {
        return Err(ReadError::Unsupported("a file is encrypted".into()));
    }
    Ok(Extent { unpacked, compression, kind: fields.u8()?, rest: fields.rest() })
}

fn copy(from: &[u8], into: &mut [u8]) {
    let length = from.len().min(into.len());
    into[..length].copy_from_slice(&from[..length]);
}

/// Exactly `length` bytes, zeros where the packed ones end earlier.
fn unpack(compression: u8, packed: &[u8], length: u64) -> Result<Vec<u8>, ReadError> {
    if compression == 0 {
        return Ok(packed.to_vec());
    }
    if length > MAX_COMPRESSED {
        return Err(damaged("a packed extent unpacks to too much"));
    }
    let mut bytes = Vec::with_capacity(length as usize); // at most 128 KiB
    let failed = |error: io::Error| damaged(format!("a packed extent is none: {error}"));
    match compression {
        1 => flate2::read::ZlibDecoder::new(packed).take(length).read_to_end(&mut bytes).map_err(failed)?,
        2 => return Err(ReadError::Unsupported("a file is packed with LZO".into())),
        COMPRESS_ZSTD => {
            let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(failed)?;
            decoder.single_frame().take(length).read_to_end(&mut bytes).map_err(failed)?
        }
        other => return Err(ReadError::Unsupported(format!("a file is packed by method {other}"))),
    };
    bytes.resize(length as usize, 0);
    Ok(bytes)
}
