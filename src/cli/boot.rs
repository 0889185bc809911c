//! `boot`: runs an image in QEMU, or checks one from inside.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use super::{Failure, Outcome, Screen, out};
use crate::{
    boot::{self, Change, Check, Expected, Firmware, Left, Options, Questions},
    plan::Plan,
    profile::Loader,
    report::Exit,
    units::Bytes,
};

/// Memory of a machine whose platform says nothing.
const MEMORY: Bytes = Bytes::from_gib(2);

/// Run an image in QEMU on a throw-away layer, or check it from inside
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A raw or qcow2 image; otherwise the newest in `./out`
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
    let memory = plan.as_ref().and_then(|plan| plan.emulate.memory).unwrap_or(MEMORY);
    let options = Options {
        image,
        firmware: args.firmware.map_or(Firmware::Uefi, Into::into),
        memory,
        persist: args.persist,
        network: args.network,
        timeout: Duration::from_secs(args.timeout),
        ssh_key: None,
        console_login: !args.no_login,
        log: None,
    };
    if args.check {
        return check(args, &options, plan.as_ref(), screen);
    }
    let ssh_key = if args.no_login { None } else { public_key(args.ssh_key.as_deref())? };
    boot::run(&Options { ssh_key, ..options }, &screen.report())?;
    Ok(ExitCode::SUCCESS)
}

/// One boot a firmware, one table each; the reports hold all of them.
fn check(args: &Args, options: &Options, plan: Option<&Plan>, screen: &Screen) -> Outcome {
    let report = screen.report();
    if plan.is_none() {
        report.warn("there is no manifest beside the image: the profile's own checks and its packages are not known");
    }
    let machine = plan.map(|plan| &plan.machine);
    let built_in = Check::built_in(machine.map_or(&[], |machine| &machine.container.runtimes));
    let own = plan.map_or(&[][..], |plan| &plan.checks);
    let expected = Expected { packages: packages_beside(&options.image) };
    let mut all = Vec::new();
    let both = [How::Bios, How::Uefi].into_iter().filter(|how| plan.is_none_or(|plan| how.starts(plan)));
    for how in args.firmware.map_or_else(|| both.collect(), |how| vec![how]) {
        let name = how.name();
        report.stage(name);
        let more = (how == How::SecureBoot).then(Check::secure_boot);
        let every: Vec<Check> = built_in.iter().cloned().chain(more).collect();
        let questions = Questions { every: &every, profile: own, expected: &expected };
        let log = options.image.with_extension(format!("{name}.console.log"));
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
        serde_json::from_slice(&fs_err::read(image.with_extension("manifest.json")).ok()?).ok()?;
    serde_json::from_value(manifest.get("plan")?.clone()).ok()
}

fn packages_beside(image: &Path) -> Option<Vec<String>> {
    let text = fs_err::read_to_string(image.with_extension("packages")).ok()?;
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

fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "raw" || ending == "qcow2")
}
