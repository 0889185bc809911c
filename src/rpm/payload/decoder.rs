//! Compressed payload → its bytes, with what was read of the file digested on the way.

use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::{bufread::XzDecoder, stream::Stream};

use crate::rpm::digest::Hasher;

/// Memory that xz and lzma may take to unpack: `xz -9` needs 65 MiB, a dictionary of 192 MiB (`--lzma2=dict=`) still fits.
const LZMA_MEMORY: u64 = 256 << 20;

/// Largest window of a zstd payload, as a power of two: 128 MiB, what level 22 uses and `zstd` itself accepts unasked.
const ZSTD_WINDOW: u32 = 27;

/// Passes bytes on and digests them.
#[derive(Debug)]
pub(super) struct Tap<R> {
    inner: R,
    pub(super) hasher: Option<Hasher>,
    /// Bytes that went through.
    pub(super) count: u64,
}

impl<R> Tap<R> {
    pub(super) fn new(inner: R, hasher: Option<Hasher>) -> Self {
        Self { inner, hasher, count: 0 }
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        self.count += read as u64;
        Ok(read)
    }
}

type Source<R> = BufReader<Tap<R>>;

/// Bytes of the compressed file that are held at a time.
const BUFFER: usize = 128 << 10;

/// A payload's decompressor.
pub(super) enum Decoder<R: Read> {
    Plain(Source<R>),
    Gzip(MultiGzDecoder<Source<R>>),
    Bzip2(MultiBzDecoder<Source<R>>),
    /// xz and the older lzma.
    Lzma(XzDecoder<Source<R>>),
    Zstd(Box<zstd::Decoder<'static, Source<R>>>),
}

impl<R: Read> Decoder<R> {
    /// Chooses by the payload's first bytes; `named` is what the header says, for lzma, which has no magic.
    pub(super) fn new(tap: Tap<R>, named: Option<&str>) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(BUFFER, tap);
        let start = io::BufRead::fill_buf(&mut source)?;
        Ok(match start {
            [0x1f, 0x8b, ..] => Self::Gzip(MultiGzDecoder::new(source)),
            [b'B', b'Z', b'h', ..] => Self::Bzip2(MultiBzDecoder::new(source)),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => lzma(source)?,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let mut decoder = zstd::Decoder::with_buffer(source)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Self::Zstd(Box::new(decoder))
            }
            [b'0', b'7', b'0', b'7', b'0', ..] | [] => Self::Plain(source),
            _ if named == Some("lzma") => lzma(source)?,
            _ => {
                let named = named.unwrap_or("none is named");
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unknown compression ({named})")));
            }
        })
    }

    /// Bytes of the file that were taken so far.
    pub(super) fn consumed(&self) -> u64 {
        match self {
            Self::Plain(source) => source.get_ref().count,
            Self::Gzip(decoder) => decoder.get_ref().get_ref().count,
            Self::Bzip2(decoder) => decoder.get_ref().get_ref().count,
            Self::Lzma(decoder) => decoder.get_ref().get_ref().count,
            Self::Zstd(decoder) => decoder.get_ref().get_ref().count,
        }
    }

    /// Reads the rest of the file without unpacking it, and gives back what digested it.
    pub(super) fn finish(self) -> io::Result<Tap<R>> {
        let mut source = match self {
            Self::Plain(source) => source,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Lzma(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        };
        io::copy(&mut source, &mut io::sink())?;
        Ok(source.into_inner())
    }
}

fn lzma<R: Read>(source: Source<R>) -> io::Result<Decoder<R>> {
    Ok(Decoder::Lzma(XzDecoder::new_stream(source, Stream::new_auto_decoder(LZMA_MEMORY, 0)?)))
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Lzma(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

impl<R: Read> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Plain(_) => "none",
            Self::Gzip(_) => "gzip",
            Self::Bzip2(_) => "bzip2",
            Self::Lzma(_) => "lzma",
            Self::Zstd(_) => "zstd",
        };
        write!(f, "Decoder({name})")
    }
}
