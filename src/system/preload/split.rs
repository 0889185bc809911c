//! What a layer's tar had around its files, so that containers/storage makes the same tar of them again when an image is
//! pushed or saved (tar-split 0.12, `tar/storage/entry.go`, `tar/asm/assemble.go`): JSON, a line an entry, in gzip.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc::{CRC_64_GO_ISO, Crc};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::layer::WHITEOUT;

/// `FileType` and `SegmentType`.
const FILE: u32 = 1;
const SEGMENT: u32 = 2;
/// The sum of a file's bytes (`crc64.ISO` of Go).
const SUM: Crc<u64> = Crc::<u64>::new(&CRC_64_GO_ISO);

/// The record of a tar that was read before.
pub(super) fn record(tar: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(tar)?.into_file();
    let mut files = Vec::new();
    for entry in tar::Archive::new(BufReader::new(&file)).entries()? {
        let entry = entry?;
        let path = entry.path_bytes();
        let is_whiteout = path.rsplit(|byte| *byte == b'/').next().is_some_and(|name| name.starts_with(WHITEOUT));
        if entry.header().entry_type().is_file() && entry.size() > 0 && !is_whiteout {
            files.push((path.into_owned(), entry.raw_file_position(), entry.size()));
        }
    }
    let mut out = Record { to: GzEncoder::new(Vec::new(), Compression::default()), position: 0 };
    let mut end = 0;
    for (path, offset, size) in files {
        out.segment(&mut file, end, offset - end)?;
        out.file(&mut file, &path, offset, size)?;
        end = offset + size;
    }
    let length = file.metadata()?.len();
    out.segment(&mut file, end, length - end)?;
    out.to.finish()
}

struct Record {
    to: GzEncoder<Vec<u8>>,
    position: u64,
}

impl Record {
    /// Bytes as they are.
    fn segment(&mut self, file: &mut File, offset: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.take(length).read_to_end(&mut bytes)?;
        self.line(json!({"type": SEGMENT, "payload": STANDARD.encode(bytes)}))
    }

    /// A file that lies in the layer's folder, by its sum.
    fn file(&mut self, file: &mut File, path: &[u8], offset: u64, size: u64) -> io::Result<()> {
        let mut digest = SUM.digest();
        file.seek(SeekFrom::Start(offset))?;
        let (mut from, mut buffer) = (file.take(size), vec![0; 1 << 17]);
        loop {
            match from.read(&mut buffer)? {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        let mut line = json!({"type": FILE, "size": size, "payload": STANDARD.encode(digest.finalize().to_be_bytes())});
        match std::str::from_utf8(path) {
            Ok(name) => line["name"] = name.into(),
            Err(_) => line["name_raw"] = STANDARD.encode(path).into(),
        }
        self.line(line)
    }

    fn line(&mut self, mut line: serde_json::Value) -> io::Result<()> {
        line["position"] = self.position.into();
        self.position += 1;
        writeln!(self.to, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tar_can_be_made_again() {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in [("a", "one"), (".wh.b", "not empty"), ("c", ""), (&"d/".repeat(80), ""), ("e", "two")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), &bytes).unwrap();
        let packed = record(file.path()).unwrap();
        let (mut lines, mut again) = (String::new(), Vec::new());
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut lines).unwrap();
        let mut names = Vec::new();
        for (number, line) in lines.lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["position"], number);
            let payload = STANDARD.decode(line["payload"].as_str().unwrap()).unwrap();
            match line["name"].as_str() {
                None => again.extend(payload),
                Some(name) => {
                    let text: &[u8] = if name == "a" { b"one" } else { b"two" };
                    assert_eq!(payload, SUM.checksum(text).to_be_bytes());
                    again.extend(text);
                    names.push(name.to_owned());
                }
            }
        }
        assert_eq!((again, names), (bytes, vec!["a".to_owned(), "e".to_owned()]));
        // Go's documentation of `hash/crc64` has no example; this is the catalogue's check value.
        assert_eq!(SUM.checksum(b"123456789"), 0xb909_56c7_75a4_1001);
    }
}
