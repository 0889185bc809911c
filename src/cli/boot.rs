//! `boot`: runs an image in QEMU, or checks one from inside.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use super::{Failure, Outcome, Screen, out};
use crate::{
    boot::{self, Board, Change, Check, Expected, Firmware, Left, Options, Questions},
    image,
    plan::Plan,
    profile::{Format, Loader},
    report::Exit,
    units::Bytes,
};

/// Memory of a machine whose platform says nothing.
const MEMORY: Bytes = Bytes::from_gib(2);

/// Run an image in QEMU on a throw-away layer, or check it from inside
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A raw or qcow2 image, or a raw one in xz or zstd; otherwise the newest in `./out`
    image: Option<PathBuf>,
    /// Start it by UEFI or by BIOS; `--check` without it does both, as far as the image has boot loaders for them
    #[arg(long, value_enum, value_name = "HOW")]
    firmware: Option<How>,
    /// Ask the running machine whether it is what the layout promises, and exit with 5 when it is not
    #[arg(long)]
    check: bool,
    /// With `--check`: install a package in a new snapshot with the image's own tools, and boot that, too
    #[arg(long, requires = "check")]
    update: bool,
    /// With `--update`: roll the update back, and boot the old snapshot again
    #[arg(long, requires = "update")]
    rollback: bool,
    /// With `--update`: the update is one that the machine's own health check must leave again
    #[arg(long, requires = "offer", conflicts_with = "rollback")]
    broken: bool,
    /// With `--update`: the package files in this folder are what zypper may take, instead of rowi's own
    #[arg(long, value_name = "FOLDER", requires = "update", requires = "install")]
    offer: Option<PathBuf>,
    /// With `--offer`: install this package, or with `-NAME` remove one; may be repeated
    #[arg(long, value_name = "NAME", requires = "offer", allow_hyphen_values = true)]
    install: Vec<String>,
    /// With `--update`: record every write of the updating machine for a replay, and boot nothing else
    #[arg(long, value_name = "FILE", requires = "update", conflicts_with_all = ["rollback", "broken"])]
    record: Option<PathBuf>,
    /// Write the outcome to a file: `junit:FILE` or `json:FILE`; may be repeated
    #[arg(long, value_name = "FORMAT:FILE", requires = "check", value_delimiter = ',')]
    report: Vec<String>,
    /// Give the machine this many processors; where it is emulated, more than the host has to spare slow it down. A Raspberry
    /// Pi has four
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..), env = "ROWI_PROCESSORS")]
    processors: u8,
    /// Give a check's boot at most this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// Keep what the machine writes: with `--update`, the image itself is updated
    #[arg(long, conflicts_with = "record")]
    persist: bool,
    /// Let the machine reach the network
    #[arg(long)]
    network: bool,
    /// Let the owner of this public key in as root; otherwise the first of `~/.ssh/id_*.pub`
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    ssh_key: Option<PathBuf>,
    /// Let nobody in but whom the image lets in: without it the console is root's, and the key's owner is
    #[arg(long, conflicts_with_all = ["check", "ssh_key"])]
    no_login: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum How {
    Bios,
    Uefi,
    /// UEFI with Microsoft's keys
    SecureBoot,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::SecureBoot => "secure-boot",
        }
    }

    /// Whether an image of this plan has a boot loader for it.
    fn starts(self, plan: &Plan) -> bool {
        plan.boot.loaders.iter().any(|loader| (self == Self::Bios) == (*loader == Loader::Grub2Bios))
    }
}

impl From<How> for Firmware {
    fn from(how: How) -> Self {
        match how {
            How::Bios => Self::Bios,
            How::Uefi => Self::Uefi,
            How::SecureBoot => Self::SecureBoot,
        }
    }
}

pub(super) fn run(args: &Args, screen: &Screen) -> Outcome {
    let image = args.image.clone().map_or_else(|| newest(Path::new("out")), Ok)?;
    let plan = plan_beside(&image);
    // Not in /tmp, which may be memory.
    let folder =
        tempfile::tempdir_in("/var/tmp").map_err(|error| Failure::host("cannot make a folder").because(error))?;
    let unpacked = image::source::unpacked(&image, folder.path())?;
    if args.persist && unpacked.is_some() {
        return Err(Failure::usage("a compressed image cannot keep what a machine writes").hint("unpack it first"));
    }
    let memory = plan.as_ref().and_then(|plan| plan.emulate.memory).unwrap_or(MEMORY);
    let board = plan.as_ref().map_or_else(|| by_name(&image), Board::of);
    fits(args, board)?;
    let options = Options {
        image: unpacked.unwrap_or_else(|| image.clone()),
        board,
        firmware: args.firmware.map_or(Firmware::Uefi, Into::into),
        processors: args.processors,
        memory,
        persist: args.persist,
        network: args.network,
        timeout: Duration::from_secs(args.timeout),
        ssh_key: None,
        console_login: !args.no_login,
        log: None,
    };
    if args.check {
        return check(args, &image, &options, plan.as_ref(), screen);
    }
    let ssh_key = if args.no_login { None } else { public_key(args.ssh_key.as_deref())? };
    boot::run(&Options { ssh_key, ..options }, &screen.report())?;
    Ok(ExitCode::SUCCESS)
}

/// One boot a firmware, one table each; the reports hold all of them.
fn check(args: &Args, image: &Path, options: &Options, plan: Option<&Plan>, screen: &Screen) -> Outcome {
    let report = screen.report();
    if plan.is_none() {
        report.warn("there is no manifest beside the image: the profile's own checks and its packages are not known");
    }
    let machine = plan.map(|plan| &plan.machine);
    let images = plan.map_or(&[][..], |plan| &plan.images);
    let built_in = Check::built_in(machine.map_or(&[], |machine| &machine.container.runtimes), images);
    let own = plan.map_or(&[][..], |plan| &plan.checks);
    let expected = Expected { packages: packages_beside(image) };
    let mut all = Vec::new();
    let both = [How::Bios, How::Uefi].into_iter().filter(|how| plan.is_none_or(|plan| how.starts(plan)));
    for how in args.firmware.map_or_else(|| both.collect(), |how| vec![how]) {
        let name = how.name();
        report.stage(name);
        let more = (how == How::SecureBoot).then(Check::secure_boot);
        let every: Vec<Check> = built_in.iter().cloned().chain(more).collect();
        let questions = Questions { every: &every, profile: own, expected: &expected };
        let log = beside(image, &format!("{name}.console.log"));
        let options = Options { firmware: how.into(), log: Some(log), ..options.clone() };
        let outcomes = if args.update {
            boot::update(&options, questions, change(args), &report)?
        } else {
            let checks: Vec<Check> = every.iter().cloned().chain(Check::of_profile(own, "boot")).collect();
            boot::check(&options, &checks, &expected, &report)?
        };
        screen.clear();
        out(&format!("{name}\n{}", boot::table(&outcomes)))?;
        all.extend(outcomes.into_iter().map(|it| boot::Outcome { name: format!("{name}: {}", it.name), ..it }));
    }
    for wanted in &args.report {
        write_report(wanted, &all)?;
    }
    let passed = all.iter().all(|outcome| outcome.passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(Exit::Verification as u8) })
}

fn change(args: &Args) -> Change<'_> {
    Change {
        offer: args.offer.as_deref(),
        install: &args.install,
        record: args.record.as_deref(),
        left: match (args.rollback, args.broken) {
            (true, _) => Left::ByUser,
            (_, true) => Left::ByItself,
            _ => Left::No,
        },
    }
}

fn write_report(wanted: &str, outcomes: &[boot::Outcome]) -> Result<(), Failure> {
    let (text, file) = match wanted.split_once(':') {
        Some(("junit", file)) => (boot::junit(outcomes), file),
        Some(("json", file)) => (boot::json(outcomes), file),
        _ => return Err(Failure::usage(format!("`{wanted}` is neither `junit:FILE` nor `json:FILE`"))),
    };
    fs_err::write(file, text).map_err(|source| Failure::host("cannot write the report").because(source))
}

/// The plan in the manifest beside an image, if there is one of this version.
fn plan_beside(image: &Path) -> Option<Plan> {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs_err::read(beside(image, "manifest.json")).ok()?).ok()?;
    serde_json::from_value(manifest.get("plan")?.clone()).ok()
}

fn packages_beside(image: &Path) -> Option<Vec<String>> {
    let text = fs_err::read_to_string(beside(image, "packages")).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// The caller's public key; none is no fault.
fn public_key(given: Option<&Path>) -> Result<Option<String>, Failure> {
    if let Some(file) = given {
        let text = fs_err::read_to_string(file);
        return text.map(Some).map_err(|source| Failure::usage("cannot read the public key").because(source));
    }
    let folder = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ssh"));
    let names = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];
    Ok(folder.and_then(|folder| names.iter().find_map(|name| fs_err::read_to_string(folder.join(name)).ok())))
}

/// The image in a folder that was written last.
fn newest(folder: &Path) -> Result<PathBuf, Failure> {
    let none = || Failure::usage(format!("there is no image in `{}`", folder.display()));
    let entries = fs_err::read_dir(folder).map_err(|cause| none().because(cause))?;
    let images = entries.flatten().map(|entry| entry.path()).filter(|path| is_image(path));
    let dated = images.filter_map(|path| Some((fs_err::metadata(&path).ok()?.modified().ok()?, path)));
    let newest = dated.max().map(|(_, path)| path);
    newest.ok_or_else(|| none().hint("name one, or make one: rowi build --profile kubic"))
}

/// What an image without a manifest is for: results have their architecture in their names.
fn by_name(image: &Path) -> Board {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    if name.contains(".aarch64-") { Board::Virt } else { Board::Q35 }
}

/// Whether a board can do what is asked.
fn fits(args: &Args, board: Board) -> Result<(), Failure> {
    if board != Board::Q35 && args.firmware.is_some_and(|how| how != How::Uefi) {
        return Err(Failure::usage("machines of aarch64 are started by `--firmware uefi` alone"));
    }
    if board == Board::RaspberryPi3 && (args.update || args.persist) {
        let hint = "the same profile is updated on QEMU's own machine: `rowi build --platform vm --arch aarch64`";
        return Err(
            Failure::usage("a Raspberry Pi is emulated without a second disk, and with a card of its own").hint(hint)
        );
    }
    Ok(())
}

/// Endings of results, as they are in names.
const ENDINGS: [Format; 4] = [Format::RawXz, Format::RawZst, Format::Raw, Format::Qcow2];

/// An image's name without its ending, if it is one.
fn base(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending.as_str())?.strip_suffix('.'))
}

fn is_image(path: &Path) -> bool {
    base(path).is_some()
}

/// Another file of the same build.
fn beside(image: &Path, ending: &str) -> PathBuf {
    match base(image) {
        Some(base) => image.with_file_name(format!("{base}.{ending}")),
        None => image.with_extension(ending),
    }
}
