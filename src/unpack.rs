//! Compressed files, by what they begin with.

use std::io::{self, BufRead, Read};

/// A reader of the unpacked bytes, by what they begin with; one that fails beyond `limit` bytes.
///
/// # Errors
/// The beginning cannot be read, or is zchunk's.
pub(crate) fn unpack<'a>(packed: impl BufRead + 'a, limit: u64) -> io::Result<Box<dyn Read + 'a>> {
    let mut packed = packed;
    let start = packed.fill_buf()?;
    let plain: Box<dyn Read + 'a> = match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(packed)?),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(packed)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        [0, b'Z', b'C', b'K', b'1', ..] => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "zchunk is not supported"));
        }
        _ => Box::new(packed),
    };
    Ok(Box::new(Limited { from: plain, left: limit }))
}

struct Limited<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to more than it should"))?;
        Ok(n)
    }
}
