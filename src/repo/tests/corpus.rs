//! Real repositories, compared with what libsolv and gpg said of them.

use super::*;

/// What is known of one `repomd.xml` of the corpus.
struct Known {
    folder: PathBuf,
    /// What rpmmd2solv counts; source packages among them.
    packages: Option<usize>,
    gpg: Option<String>,
    /// Whether a file is not what its checksum says.
    damaged: bool,
}

impl Known {
    /// How many of its packages are source packages.
    fn sources(&self) -> usize {
        let folder = self.folder.join("repodata");
        let Some(primary) = fs_err::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("primary.xml"))
        else {
            return 0;
        };
        let packed = fs_err::read(primary).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut crate::unpack::unpack(packed.as_slice(), 1 << 30).unwrap(), &mut text)
            .unwrap();
        text.matches("<arch>src</arch>").count() + text.matches("<arch>nosrc</arch>").count()
    }
}

fn known() -> Vec<Known> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let index = fs_err::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let mut known = Vec::new();
    for line in index.lines().filter(|line| !line.starts_with("broken") && !line.starts_with("descriptions")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (Some(path), Some(said)) = (fields[0].strip_suffix("/repodata/repomd.xml"), fields.get(8)) else {
            continue;
        };
        let value = |name: &str| {
            said.split("; ").find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        known.push(Known {
            folder: corpus.join(path),
            packages: value("primary_pkgs").and_then(|count| count.parse().ok()),
            gpg: value("gpg"),
            damaged: value("badsum").is_some_and(|count| count != "0"),
        });
    }
    known
}

/// All files of the corpus with public keys.
fn key_blocks(folder: &Path) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            blocks.extend(key_blocks(&path));
        } else if path.extension().is_none_or(|ending| ["asc", "key", "pub"].iter().any(|name| ending == *name)) {
            blocks.push(fs_err::read(&path).unwrap());
        }
    }
    blocks
}

#[test]
fn real_repositories_are_read_as_libsolv_reads_them() {
    let (mut read, mut total) = (0, 0);
    for known in known() {
        let Some(expected) = known.packages else { continue };
        let bench = Bench::new();
        let distribution = unsigned(&format!("dir:{}", known.folder.display()));
        let packages = load(&distribution, &bench.access());
        let shown = known.folder.display();
        if known.damaged {
            assert!(packages.is_err(), "{shown}");
            continue;
        }
        let packages =
            packages.unwrap_or_else(|error| panic!("{shown}: {error}: {:?}", std::error::Error::source(&error)));
        let count = packages.offers[0].packages.len();
        let expected = expected - known.sources();
        assert_eq!(count, expected, "{shown}");
        read += 1;
        total += count;
    }
    assert!(read == 0 || (read > 50 && total > 11_000), "{read} repositories, {total} packages");
}

#[test]
fn real_signatures_are_judged_as_gpg_judges_them() {
    let Some(corpus) = corpus() else { return };
    let blocks = [key_blocks(&corpus.join("repodata")), key_blocks(&corpus.join("rpms"))].concat();
    let all = blocks.iter().flat_map(|block| keyring::fingerprints(block));
    let keys: Vec<Key> = all.map(|fingerprint| Key { fingerprint, fetch: String::new() }).collect();
    let trust = keyring::Trust::new(&blocks, &keys);
    let mut judged = 0;
    for known in known() {
        let repodata = known.folder.join("repodata");
        let Some(gpg) = known.gpg.filter(|_| repodata.join("repomd.xml.asc").exists()) else { continue };
        let read = |name: &str| fs_err::read(repodata.join(name)).unwrap();
        let (message, signature) = (read("repomd.xml"), read("repomd.xml.asc"));
        let verdict = trust.verify(&message, &signature, None);
        let words: Vec<&str> = gpg.split(' ').collect();
        let agrees = match (words[0], &verdict) {
            // gpg had only the keys beside each file; here are all.
            ("GOOD" | "NOKEY", Ok(fingerprint)) => fingerprint.ends_with(words[2]),
            ("BAD", Err(Refusal::Bad(fingerprint))) => fingerprint.ends_with(words[2]),
            ("ERR", Err(Refusal::Unusable(_))) => true,
            // gpg still takes SHA-1, which we do not.
            ("GOOD" | "NOKEY" | "BAD", Err(Refusal::Unusable(fault))) => fault.contains("SHA1"),
            (_, Err(Refusal::UnknownKey(_))) => !keys.iter().any(|key| key.fingerprint.ends_with(words[2])),
            _ => false,
        };
        assert!(agrees, "{}: {gpg}: {verdict:?}", known.folder.display());
        judged += 1;
    }
    assert!(judged > 15, "{judged}");
}
