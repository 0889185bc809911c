//! Profile, lock and inputs become one [`Plan`].

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Image, Install, Package, Plan, Seed};
use crate::{
    inputs::Inputs,
    profile::{OnImage, Profile},
    units::Epoch,
};

/// Version of the plan's structure; part of the seed, so that a change of meaning changes the identifiers.
const FORMAT: u32 = 1;

/// What neither profile nor lock says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `SOURCE_DATE_EPOCH`, or the newest build time among the packages.
    pub epoch: Epoch,
    /// Whether a scriptlet that fails and is not on the distribution's list ends the build.
    pub strict_scriptlets: bool,
}

/// What was chosen of what others made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Packages.
    pub packages: Vec<Package>,
    /// Container images.
    pub images: Vec<Image>,
}

/// Makes the plan: no I/O, the same input gives the same plan.
pub fn plan(profile: &Profile, contents: Contents, inputs: &Inputs, options: Options) -> Plan {
    let Contents { mut packages, images } = contents;
    packages.sort();
    let distribution = &profile.distribution;
    let mut plan = Plan {
        plan: FORMAT,
        profile: profile.name.clone(),
        platform: profile.platform.clone(),
        distribution: distribution.name.clone(),
        arch: profile.arch,
        version: profile.version.clone(),
        epoch: options.epoch,
        packages,
        images,
        install: Install {
            docs: profile.packages.docs,
            locales: profile.packages.locales.clone(),
            environment: distribution.environment.clone(),
            rpmdb: distribution.traits.rpmdb,
            own_accounts: distribution.traits.own_accounts,
            allowed_failures: distribution.allowed_failures.clone(),
            strict_scriptlets: options.strict_scriptlets,
        },
        repositories: distribution
            .repositories
            .iter()
            .filter(|repository| repository.on_image != OnImage::Absent)
            .cloned()
            .collect(),
        keys: distribution.keys.clone(),
        machine: profile.machine.clone(),
        traits: distribution.traits,
        paths: distribution.paths.clone(),
        absent: distribution.absent.clone(),
        boot_files: distribution.boot_files.clone(),
        files: inputs.files.clone(),
        scripts: inputs.scripts.clone(),
        layout: profile.layout.clone(),
        boot: profile.boot.clone(),
        checks: profile.checks.clone(),
        emulate: profile.emulate.clone(),
        outputs: profile.formats.clone(),
        seed: Seed::default(),
    };
    plan.seed = Seed::of(&plan);
    plan
}

impl Seed {
    /// `SHA-256("rowi/seed/1" ‖ canonical JSON of the plan without the seed)`, in hexadecimal.
    ///
    /// The outputs are left out: the disk in a raw file and in a qcow2 is the same disk.
    fn of(plan: &Plan) -> Self {
        let unseeded = Plan { seed: Self::default(), outputs: Vec::new(), ..plan.clone() };
        let digest = Sha256::new().chain_update("rowi/seed/1").chain_update(canonical(&unseeded)).finalize();
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// JSON with sorted keys and no space that means nothing: equal values give equal bytes (a subset of RFC 8785; no
/// plan holds a floating-point number).
pub fn canonical(value: &impl Serialize) -> Vec<u8> {
    // `serde_json::Value` keeps its maps sorted unless its feature `preserve_order` is on.
    let value = serde_json::to_value(value).expect("plans are maps with string keys");
    serde_json::to_vec(&value).expect("a JSON value always has a text")
}
