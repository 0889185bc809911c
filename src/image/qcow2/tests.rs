//! QEMU judges what we write.

use std::{path::Path, process::Command};

use crate::{
    disk::{Disk, Extent},
    image,
    profile::Format,
    report::Report,
};

/// Bytes that do not compress, from a small generator with a fixed seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Text, noise, zeros, clusters that are half of each, a tail; two gibibytes with gaps.
fn mixed() -> Disk {
    let extent = |offset, bytes: Vec<u8>| Extent { offset, content: bytes.into() };
    let text = |n: usize| (0..n).flat_map(|i| format!("line {i} of a file\n").into_bytes()).collect::<Vec<_>>();
    Disk {
        size: (2 << 30) + 512,
        extents: vec![
            extent(0, text(40_000)),
            extent(1 << 20, noise(700_000, 3)),
            extent(2 << 20, vec![0; 300_000]),
            extent((2 << 20) + 300_000, [noise(30_000, 5), text(9000)].concat()),
            extent(600 << 20, [text(3000), noise(65_536, 7), text(3000)].concat()),
            extent((2 << 30) - 100, noise(612, 9)),
        ],
        gaps: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a judge of the tests")]
fn qemu_img(arguments: &[&str]) -> bool {
    match Command::new("qemu-img").args(arguments).output() {
        Ok(output) => {
            assert!(
                output.status.success(),
                "qemu-img {arguments:?}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            true
        }
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "qemu-img: {error}");
            false
        }
    }
}

#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skip_unless(judged: bool) {
    if !judged {
        eprintln!("skipped: qemu-img is not installed");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn qemu_reads_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, qcow2) = (folder.path().join("a.raw"), folder.path().join("a.qcow2"));
    let written = image::write(&mixed(), Format::Raw, &raw, &Report::default()).unwrap();
    assert_eq!(written.length, (2 << 30) + 512);
    assert!(written.allocated < 4 << 20, "{} bytes allocated", written.allocated);
    let written = image::write(&mixed(), Format::Qcow2, &qcow2, &Report::default()).unwrap();
    assert!(written.length < 2 << 20, "{} bytes", written.length);
    for (path, want) in [(&raw, 2_000_000_u64), (&qcow2, 0)] {
        assert!(fs_err::metadata(path).unwrap().len() > want);
    }
    let judged = qemu_img(&["check", "-q", "-f", "qcow2", text(&qcow2)])
        && qemu_img(&["compare", "-q", "-f", "raw", "-F", "qcow2", text(&raw), text(&qcow2)]);
    skip_unless(judged);
}

#[test]
fn sources_read_raw_and_every_kind_of_qcow2() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    image::write(&mixed(), Format::Raw, &at("raw"), &Report::default()).unwrap();
    image::write(&mixed(), Format::Qcow2, &at("ours"), &Report::default()).unwrap();
    let mut made = vec!["raw", "ours"];
    let kinds: [(&str, &[&str]); 5] = [
        ("plain", &["-o", "compat=1.1"]),
        ("old", &["-o", "compat=0.10", "-c"]),
        ("deflate", &["-c"]),
        ("zstd", &["-c", "-o", "compression_type=zstd"]),
        ("small", &["-c", "-o", "compression_type=zstd,cluster_size=4096"]),
    ];
    for (name, options) in kinds {
        let (raw, to) = (at("raw"), at(name));
        let arguments = [&["convert", "-f", "raw", "-O", "qcow2"], options, &[text(&raw), text(&to)]].concat();
        let judged = qemu_img(&arguments);
        skip_unless(judged);
        made.extend(judged.then_some(name));
    }
    let disk = mixed();
    for name in made {
        let source = image::Source::open(&at(name)).unwrap();
        assert_eq!(source.size(), disk.size, "{name}");
        let (mut found, mut wanted) = (vec![0; 5 << 20], vec![0; 5 << 20]);
        for offset in [0, 7, (600 << 20) - 1000, (2 << 30) + 512 - (5 << 20)] {
            source.read_at(offset, &mut found).unwrap();
            disk.reader().read_at(offset, &mut wanted).unwrap();
            assert!(found == wanted, "{name} at {offset:#x}");
        }
        assert!(source.read_at(disk.size - 1, &mut [0; 2]).is_err());
    }
}

#[test]
fn damaged_and_foreign_qcow2_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    image::write(&mixed(), Format::Qcow2, &path, &Report::default()).unwrap();
    let good = fs_err::read(&path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    // Every bit of the header, and the file cut anywhere.
    for bit in 0..112 * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs_err::write(&path, &bad).unwrap();
        if let Ok(source) = image::Source::open(&path) {
            let _ = source.read_at(0, &mut buffer);
            let _ = source.read_at((600 << 20) - 7, &mut buffer);
        }
    }
    for cut in [3, 72, 111, 70_000, good.len() - 70_000, good.len() - 1] {
        fs_err::write(&path, &good[..cut]).unwrap();
        if let Ok(source) = image::Source::open(&path) {
            let _ = source.read_at(0, &mut buffer);
        }
    }
    let mut backed = good;
    backed[8..16].copy_from_slice(&512_u64.to_be_bytes());
    fs_err::write(&path, &backed).unwrap();
    assert!(image::Source::open(&path).unwrap_err().to_string().contains("backing file"));
}

#[test]
fn an_empty_disk_has_only_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.qcow2");
    let written =
        image::write(&Disk { size: 20 << 30, extents: vec![], gaps: None }, Format::Qcow2, &path, &Report::default())
            .unwrap();
    assert_eq!(written.length, 4 << 16);
    skip_unless(qemu_img(&["check", "-q", text(&path)]));
}

#[test]
fn threads_do_not_change_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let digests: Vec<_> = [1, 2, 5]
        .map(|threads| {
            let path = folder.path().join(threads.to_string());
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| image::write(&mixed(), Format::Qcow2, &path, &Report::default()).unwrap());
            image::digest::of_file(&path).unwrap()
        })
        .into();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
}

#[test]
fn odd_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk { size: 1000, extents: vec![], gaps: None };
    assert!(image::write(&disk, Format::Qcow2, &folder.path().join("x"), &Report::default()).is_err());
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
}
