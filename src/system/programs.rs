//! What only the root's own programs can make: presets applied, initrds, GRUB's image for BIOS; and the user's scripts.

use std::path::Path;

use super::{Error, Initrd, boot::grub, initrd, path_of, services};
use crate::{
    plan::{InputScript, Plan},
    profile::{Loader, ScriptTime},
    report::Report,
    root::{End, Job, Program, Runner, scriptlet},
    tree::Tree,
};

pub(super) struct Programs<'a> {
    pub(super) plan: &'a Plan,
    pub(super) inputs: &'a Path,
    pub(super) runner: &'a mut dyn Runner,
    pub(super) report: &'a Report,
}

impl Programs<'_> {
    /// Applies all presets, so that `systemctl preset-all` of a first boot changes nothing.
    pub(super) fn presets(&mut self) -> Result<(), Error> {
        self.run("apply presets", &["systemctl", "preset-all"])?;
        self.run("set the default target", &["systemctl", "set-default", services::target(&self.plan.machine.enable)])
    }

    /// The user's scripts of a time, in the profile's order.
    pub(super) fn scripts(&mut self, at: ScriptTime) -> Result<(), Error> {
        let plan = self.plan;
        for script in plan.scripts.iter().filter(|script| script.at == at) {
            let text = self.text(script)?;
            let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let interpreter = line
                .strip_prefix(b"#!")
                .map_or("/bin/sh".into(), |line| String::from_utf8_lossy(line).trim().to_owned());
            let argv = interpreter.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
            self.command(&format!("script `{}`", script.name), argv, Some(text.clone()))?;
        }
        Ok(())
    }

    fn text(&self, script: &InputScript) -> Result<Vec<u8>, Error> {
        fs_err::read(self.inputs.join(&script.sha256))
            .map_err(|source| Error::Io { what: "read a script of the profile's", source })
    }

    /// Makes the initrds that were not found, each for any machine. Device nodes and compression are `initrd`'s.
    pub(super) fn initrds(&mut self, initrds: &[Initrd]) -> Result<(), Error> {
        for initrd in initrds {
            if initrd.found {
                self.report.note(format!("the initrd of {} is taken from the cache", initrd.version));
                continue;
            }
            self.report.progress(0, 0, initrd.version.clone());
            self.dracut(&initrd.version)?;
        }
        Ok(())
    }

    fn dracut(&mut self, version: &str) -> Result<(), Error> {
        let path = initrd::path(self.plan, version);
        let mut argv = vec![
            "dracut",
            "--force",
            "--quiet",
            "--reproducible",
            "--no-hostonly",
            "--no-hostonly-cmdline",
            "--no-compress",
            // These two would be in or not as the builder is a virtual machine or not; no root of ours is theirs.
            "--omit",
            "virtfs virtiofs",
        ];
        let drivers = self.plan.boot.initrd_drivers.join(" ");
        if !drivers.is_empty() {
            argv.extend(["--add-drivers", &drivers]);
        }
        argv.extend(["--kver", version, &path]);
        self.run(&format!("make the initrd of {version}"), &argv)
    }

    /// GRUB's core image, where the plan boots by BIOS; its path, which is grub-install's.
    pub(super) fn bios_core(&mut self, tree: &Tree) -> Result<Option<String>, Error> {
        if !self.plan.boot.loaders.contains(&Loader::Grub2Bios) {
            return Ok(None);
        }
        let folder = format!("{}/i386-pc", grub::folder(self.plan));
        let core = format!("{folder}/core.img");
        let source = grub::platform(self.plan, "i386-pc");
        let modules = grub::present(tree, &source, &grub::BIOS_MODULES);
        let script = format!(
            "set -e\nmkdir -p {folder}\ncat > /run/rowi-early.cfg <<'END'\n{}END\n{mkimage} -O i386-pc -d {source} -o {core} -c /run/rowi-early.cfg -p '(hd0)/boot' {modules}\n",
            grub::early(self.plan),
            modules = modules.join(" "),
            mkimage = path_of(self.plan, "grub-mkimage", "grub2-mkimage"),
        );
        self.command("make GRUB's image for BIOS", vec![b"/bin/sh".to_vec()], Some(script.into_bytes()))?;
        Ok(Some(core))
    }

    fn run(&mut self, what: &str, argv: &[&str]) -> Result<(), Error> {
        self.command(what, argv.iter().map(|word| word.as_bytes().to_vec()).collect(), None).map(drop)
    }

    fn command(&mut self, what: &str, argv: Vec<Vec<u8>>, script: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
        let job = Job {
            name: what.to_owned(),
            program: Program::Command { argv, script },
            args: Vec::new(),
            environment: scriptlet::environment(self.plan.epoch, &[], &self.plan.install.environment),
            stdin: Vec::new(),
        };
        let outcome =
            self.runner.run(&job).map_err(|source| Error::Io { what: "run a program in the root", source })?;
        match outcome.end {
            End::Success => Ok(outcome.output),
            end => Err(Error::Program { what: what.to_owned(), end, output: outcome.output }),
        }
    }
}
