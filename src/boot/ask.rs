//! One boot: a machine is started, asked, and stopped.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    Check, Error, Expected, Options, Outcome,
    channel::{self, Brought, End},
    checks::{self, Answers},
    console::{self, Console},
    machine,
};
use crate::{exec, report::Report};

/// How often the console and the answers are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// One start of a machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot<'a> {
    pub(super) options: &'a Options,
    pub(super) checks: &'a [Check],
    /// A second disk.
    pub(super) offer: Option<&'a Path>,
    /// Where every write to the image is recorded.
    pub(super) record: Option<&'a Path>,
    pub(super) end: End,
}

/// Boots a machine once and asks what `checks` ask.
///
/// # Errors
/// QEMU cannot run, or the machine does not answer.
pub fn check(options: &Options, checks: &[Check], expected: &Expected, report: &Report) -> Result<Vec<Outcome>, Error> {
    let answers = Boot { options, checks, offer: None, record: None, end: End::Killed }.ask(report)?;
    Ok(checks::judge(checks, &answers, expected))
}

impl Boot<'_> {
    /// Starts the machine and hears its answers. Where an emulated processor lost its timer before anybody could log in,
    /// once more: that tells nothing of the image.
    pub(super) fn ask(&self, report: &Report) -> Result<Answers, Error> {
        match self.start(report) {
            Err(Error::Timer { .. }) if self.record.is_none() => {
                report.note("the emulator lost a timer of the machine's, which is started once more");
                self.start(report)
            }
            told => told,
        }
    }

    fn start(&self, report: &Report) -> Result<Answers, Error> {
        let failed = |what| move |source| Error::Io { what, source };
        let folder = super::folder()?;
        let log = self.options.log.clone().unwrap_or_else(|| folder.path().join("console.log"));
        let answers = folder.path().join("answers");
        let mut console = Console::create(log.clone()).map_err(failed("write the console's log"))?;
        fs_err::write(&answers, "").map_err(failed("write a temporary file"))?;
        if let Some(record) = self.record {
            fs_err::write(record, "").map_err(failed("record the machine's writes"))?;
        }
        let brought = match self.end {
            End::Itself => Brought::default(),
            end => channel::checks(self.options.board, self.checks, end),
        };
        let parts = machine::Parts {
            offer: self.offer.map(Path::to_owned),
            record: self.record.map(Path::to_owned),
            answers: Some(answers.clone()),
            ..super::parts(self.options, &brought, folder.path(), report)?
        };
        // A console that answers come by is the answers' file.
        let answers = if self.options.board.has_virtio() { answers } else { log.clone() };
        let options = Options { log: Some(log.clone()), ..self.options.clone() };
        let mut machine = exec::start(options.board.qemu(), &machine::arguments(&options, &parts))?;
        let begun = Instant::now();
        let (mut login, mut found) = (None, None);
        loop {
            std::thread::sleep(LOOK);
            let text = console::read(&answers).map_err(failed("read the answers"))?;
            console.look().map_err(failed("read the console's log"))?;
            if login.is_none() && console.has_prompt() {
                login = Some(begun.elapsed());
                report.note(format!("login prompt after {} s", begun.elapsed().as_secs()));
            }
            found = found.or_else(|| channel::answers(&text));
            let has_ended = machine.has_ended()?;
            if let Some(answers) = found.take_if(|_| has_ended || self.end == End::Killed) {
                return Ok(Answers { answers, login });
            }
            if let Some(why) = console.stopped() {
                return Err(Error::Stopped { why, tail: console.tail() });
            }
            if login.is_none() && console.has_lost_its_timer() {
                return Err(Error::Timer { tail: console.tail() });
            }
            if begun.elapsed() > options.timeout {
                return Err(Error::Late { limit: options.timeout, tail: console.tail() });
            }
            if has_ended && self.end == End::Itself {
                return Ok(Answers { answers: BTreeMap::new(), login });
            }
            if has_ended {
                return Err(Error::Ended { tail: console.tail() });
            }
        }
    }
}
