//! `repodata/repomd.xml`: what metadata a repository has.
//!
//! The format is createrepo's; there is no standard beyond what createrepo_c writes and libsolv reads.

use super::{
    Checksum,
    xml::{Error, Tag, Visit, walk},
};

/// Largest `repomd.xml` that is read. Ours; openSUSE's has some 20 kB.
pub(super) const MAX_SIZE: u64 = 4 << 20;

/// A repository's table of contents.
#[derive(Clone, Debug, Default)]
pub(super) struct Repomd {
    /// Grows with every change; mostly seconds since 1970.
    pub(super) revision: String,
    /// The newest `timestamp` of its files.
    pub(super) time: i64,
    /// Metadata files in the order of the document.
    pub(super) files: Vec<Data>,
}

/// One metadata file.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// `primary`, `filelists`, …
    pub(super) kind: String,
    /// Path below the repository.
    pub(super) location: String,
    /// Of the file as it is transferred.
    pub(super) checksum: Checksum,
    /// Bytes as transferred.
    pub(super) size: Option<u64>,
    /// Bytes unpacked.
    pub(super) open_size: Option<u64>,
}

impl Repomd {
    /// Reads it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reading = Reading::default();
        walk(bytes, &mut reading)?;
        if !reading.is_repomd {
            return Err(Error::content("there is no `repomd` element"));
        }
        Ok(reading.repomd)
    }

    /// The file of that kind.
    pub(super) fn file(&self, kind: &str) -> Option<&Data> {
        self.files.iter().find(|data| data.kind == kind)
    }
}

#[derive(Default)]
struct Reading {
    is_repomd: bool,
    repomd: Repomd,
    kind: Option<String>,
    algorithm: Option<String>,
    location: Option<String>,
    checksum: Option<(String, String)>,
    size: Option<u64>,
    open_size: Option<u64>,
}

impl Visit for Reading {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Error> {
        match tag.name() {
            "repomd" => self.is_repomd = true,
            "data" => {
                let repomd = std::mem::take(&mut self.repomd);
                *self = Self { is_repomd: self.is_repomd, repomd, kind: tag.attribute("type")?, ..Self::default() };
            }
            "location" => self.location = tag.attribute("href")?,
            "checksum" => self.algorithm = tag.attribute("type")?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let text = text.trim();
        match name {
            "revision" => self.repomd.revision = text.to_owned(),
            "checksum" => self.checksum = self.algorithm.take().map(|algorithm| (algorithm, text.to_owned())),
            "size" => self.size = text.parse().ok(),
            "open-size" => self.open_size = text.parse().ok(),
            // Some tools write a fraction of a second.
            "timestamp" => {
                let seconds = text.split('.').next().unwrap_or_default().parse().unwrap_or(0);
                self.repomd.time = self.repomd.time.max(seconds);
            }
            "data" => self.finish()?,
            _ => {}
        }
        Ok(())
    }
}

impl Reading {
    /// A file without a known checksum is left out unless it is one that is needed.
    fn finish(&mut self) -> Result<(), Error> {
        let (Some(kind), Some(location)) = (self.kind.take(), self.location.take()) else { return Ok(()) };
        let stated = self.checksum.take();
        let checksum = stated.as_ref().and_then(|(algorithm, hex)| Checksum::parse(algorithm, hex));
        let Some(checksum) = checksum else {
            if kind != "primary" && kind != "filelists" {
                return Ok(());
            }
            let algorithm =
                stated.map_or_else(|| "no".to_owned(), |(algorithm, _)| format!("an unusable `{algorithm}`"));
            return Err(Error::content(format!("`{kind}` has {algorithm} checksum")));
        };
        let (size, open_size) = (self.size.take(), self.open_size.take());
        self.repomd.files.push(Data { kind, location, checksum, size, open_size });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1644263915</revision>
        <data type="primary"><checksum type="sha">aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d</checksum>
        <open-checksum type="sha">no matter</open-checksum><location href="repodata/primary.xml.gz"/>
        <timestamp>1644263915.5</timestamp><size>12</size><open-size>34</open-size></data>
        <data type="group"><location href="comps.xml"/><checksum type="md5">x</checksum></data></repomd>"#;

    #[test]
    fn a_table_of_contents_is_read() {
        let repomd = Repomd::parse(SMALL.as_bytes()).unwrap();
        assert_eq!((repomd.revision.as_str(), repomd.time, repomd.files.len()), ("1644263915", 1_644_263_915, 1));
        let primary = repomd.file("primary").unwrap();
        assert_eq!(primary.location, "repodata/primary.xml.gz");
        assert_eq!((primary.size, primary.open_size), (Some(12), Some(34)));
        assert_eq!(primary.checksum.to_string(), "sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        for (text, fault) in [
            (SMALL.replace("type=\"sha\"", "type=\"md5\""), "`primary` has an unusable `md5` checksum"),
            (SMALL.replace("repomd", "html"), "there is no `repomd` element"),
        ] {
            assert_eq!(Repomd::parse(text.as_bytes()).unwrap_err().to_string(), fault);
        }
    }
}
