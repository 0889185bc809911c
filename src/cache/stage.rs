//! What a stage made of which inputs.

use std::{collections::BTreeMap, io, sync::OnceLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Cache, Digest, Error};
use crate::plan::canonical;

/// Everything that decides what a stage makes, as one digest:
/// `SHA-256("rowi/stage/1" ‖ canonical JSON of {stage, program, inputs})` (`ENGINEERING` I.10).
///
/// The program's own digest is part of it: another rowi may make other bytes.
#[derive(Clone, Debug, Serialize)]
pub struct StageKey {
    stage: String,
    program: Digest,
    inputs: BTreeMap<String, serde_json::Value>,
}

impl StageKey {
    /// The key of a stage without inputs yet.
    pub fn new(stage: &str) -> io::Result<Self> {
        Ok(Self { stage: stage.to_owned(), program: own_digest()?, inputs: BTreeMap::new() })
    }

    /// With an input: anything that has a JSON without floating-point numbers; large things by their digest.
    #[must_use]
    pub fn input(mut self, name: &str, value: &impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("inputs are maps with string keys");
        self.inputs.insert(name.to_owned(), value);
        self
    }

    /// The key itself.
    pub fn digest(&self) -> Digest {
        Digest::finish(Sha256::new().chain_update("rowi/stage/1").chain_update(canonical(self)))
    }
}

/// The record of a stage that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The stage's name.
    pub stage: String,
    /// Its key.
    pub key: Digest,
    /// What it made, by name.
    pub outputs: BTreeMap<String, Digest>,
}

impl Cache {
    /// What a stage made for this key, when all of it is still here.
    pub fn stage(&self, key: &StageKey) -> Result<Option<Record>, Error> {
        let digest = key.digest();
        let (group, name) = place(digest);
        let Some(record) =
            self.read_note(&group, &name).and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok())
        else {
            return Ok(None);
        };
        if record.key != digest || record.stage != key.stage {
            return Ok(None);
        }
        for output in record.outputs.values() {
            if self.object(*output)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(record))
    }

    /// Records what a stage made; the outputs are objects already.
    pub fn record(&self, key: &StageKey, outputs: BTreeMap<String, Digest>) -> Result<Record, Error> {
        let record = Record { stage: key.stage.clone(), key: key.digest(), outputs };
        let (group, name) = place(record.key);
        self.write_note(&group, &name, &canonical(&record))?;
        Ok(record)
    }
}

fn place(key: Digest) -> (String, String) {
    let name = key.to_string();
    (format!("stages/{}", &name[..2]), format!("{}.json", &name[2..]))
}

/// The digest of the running program; read once.
fn own_digest() -> io::Result<Digest> {
    static OWN: OnceLock<Digest> = OnceLock::new();
    if let Some(own) = OWN.get() {
        return Ok(*own);
    }
    let own = Digest::of(&fs_err::read("/proc/self/exe")?);
    Ok(*OWN.get_or_init(|| own))
}
