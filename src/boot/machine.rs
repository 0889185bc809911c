//! QEMU's command line, as a function of what was decided.

use std::path::{Path, PathBuf};

use super::{Firmware, Options, card::Card, firmware::Flash};

/// What was decided about a run.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) accelerator: [&'static str; 2],
    pub(super) firmware: Option<Flash>,
    /// Of a Raspberry Pi.
    pub(super) card: Option<Card>,
    /// A port of this host's that leads to sshd.
    pub(super) port: Option<u16>,
    /// A second disk, raw, that the machine may only read.
    pub(super) offer: Option<PathBuf>,
    /// Where every write to the image is recorded: QEMU's `blklogwrites`, in dm-log-writes format.
    pub(super) record: Option<PathBuf>,
    /// Where the answers go.
    pub(super) answers: Option<PathBuf>,
    /// Values of `-smbios`.
    pub(super) credentials: Vec<String>,
}

/// A value within a comma-separated option (QEMU's manual: commas are doubled).
fn quoted(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// The arguments of a machine: one disk on a throw-away layer, no host folder, no network unless asked for.
pub(super) fn arguments(options: &Options, parts: &Parts) -> Vec<String> {
    let [accelerator, cpu] = parts.accelerator;
    let is_secure = options.firmware == Firmware::SecureBoot;
    let board = options.board;
    let mut args: Vec<String> =
        ["-machine", board.machine(options.firmware), "-accel", accelerator, "-cpu", cpu].map(Into::into).into();
    args.extend(["-smp".into(), board.processors(options.processors).to_string()]);
    if is_secure {
        args.extend(["-global", "driver=cfi.pflash01,property=secure,value=on"].map(Into::into));
    }
    args.extend([
        "-m".into(),
        (board.memory(options.memory).get() >> 20).to_string(),
        "-display".into(),
        "none".into(),
    ]);
    args.extend(["-no-reboot", "-nodefaults", "-sandbox", "on"].map(Into::into));
    if let Some(card) = &parts.card {
        args.extend(board_files(card));
        args.extend(serial(options));
        return args;
    }
    args.extend(["-device", "virtio-rng-pci"].map(Into::into));
    if let Some(flash) = &parts.firmware {
        args.push("-drive".into());
        args.push(format!("if=pflash,unit=0,format=raw,readonly=on,file={}", quoted(&flash.code)));
        args.push("-drive".into());
        args.push(format!("if=pflash,unit=1,format=raw,file={}", quoted(&flash.variables)));
    }
    args.extend(image(options, parts));
    if let Some(offer) = &parts.offer {
        args.extend([
            "-blockdev".into(),
            format!("driver=raw,node-name=offer,read-only=on,file.driver=file,file.filename={}", quoted(offer)),
        ]);
        args.extend(["-device".into(), format!("virtio-blk-pci,drive=offer,serial={}", super::offer::SERIAL)]);
    }
    args.push("-nic".into());
    args.push(network(options, parts));
    args.extend(serial(options));
    if let Some(answers) = &parts.answers {
        args.extend(["-device".into(), "virtio-serial-pci".into(), "-chardev".into()]);
        args.push(format!("file,id=answers,path={}", quoted(answers)));
        args.extend(["-device".into(), format!("virtserialport,chardev=answers,name={}", super::channel::PORT)]);
    }
    for credential in &parts.credentials {
        args.extend(["-smbios".into(), credential.clone()]);
    }
    args
}

/// What a Raspberry Pi starts, and its card. Its console is the second of its serial lines.
fn board_files(card: &Card) -> Vec<String> {
    let Card { disk, kernel, device_tree } = card;
    let disk = format!("file={},format=qcow2,if=sd", quoted(disk));
    let paths = ["-kernel".into(), kernel.display().to_string(), "-dtb".into(), device_tree.display().to_string()];
    paths.into_iter().chain(["-drive".into(), disk, "-serial".into(), "null".into()]).collect()
}

/// The console: in a file, or on the terminal.
fn serial(options: &Options) -> [String; 2] {
    ["-serial".into(), options.log.as_ref().map_or_else(|| "mon:stdio".into(), |log| format!("file:{}", quoted(log)))]
}

/// The image's disk: what is started, also where there is another.
fn image(options: &Options, parts: &Parts) -> Vec<String> {
    let (format, file) = (options.format(), quoted(&options.image));
    let mut args: Vec<String> = match &parts.record {
        None => {
            let layer = if options.persist { "off" } else { "on" };
            ["-drive".into(), format!("if=none,id=disk,format={format},snapshot={layer},file={file}")].into()
        }
        Some(record) => {
            let log = format!("log.driver=file,log.filename={},log-sector-size=512", quoted(record));
            [
                "-blockdev".into(),
                format!("driver={format},node-name=image,file.driver=file,file.filename={file}"),
                "-blockdev".into(),
                format!("driver=blklogwrites,node-name=disk,file=image,{log}"),
            ]
            .into()
        }
    };
    args.extend(["-device", "virtio-blk-pci,drive=disk,bootindex=0"].map(Into::into));
    args
}

fn network(options: &Options, parts: &Parts) -> String {
    let restrict = if options.network { "off" } else { "on" };
    let forward = parts.port.map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:22")).unwrap_or_default();
    format!("user,model=virtio-net-pci,restrict={restrict}{forward}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        boot::{Board, Firmware},
        units::Bytes,
    };

    #[test]
    fn the_command_line_follows_the_options() {
        let options = Options {
            image: "/a,b.qcow2".into(),
            board: Board::Q35,
            firmware: Firmware::Uefi,
            processors: 2,
            memory: Bytes::from_gib(2),
            persist: false,
            network: false,
            timeout: Duration::ZERO,
            ssh_key: None,
            console_login: false,
            log: Some("/log".into()),
        };
        let parts = Parts {
            accelerator: ["tcg,thread=multi", "Nehalem"],
            card: None,
            firmware: Some(Flash { code: "/c".into(), variables: "/v".into() }),
            port: None,
            offer: None,
            record: None,
            answers: Some("/answers".into()),
            credentials: vec!["type=11,path=/x".into()],
        };
        insta::assert_snapshot!(arguments(&options, &parts).join(" "), @"-machine q35 -accel tcg,thread=multi -cpu Nehalem -smp 2 -m 2048 -display none -no-reboot -nodefaults -sandbox on -device virtio-rng-pci -drive if=pflash,unit=0,format=raw,readonly=on,file=/c -drive if=pflash,unit=1,format=raw,file=/v -drive if=none,id=disk,format=qcow2,snapshot=on,file=/a,,b.qcow2 -device virtio-blk-pci,drive=disk,bootindex=0 -nic user,model=virtio-net-pci,restrict=on -serial file:/log -device virtio-serial-pci -chardev file,id=answers,path=/answers -device virtserialport,chardev=answers,name=rowi.check -smbios type=11,path=/x");
        let recorded = Parts {
            offer: Some("/offer".into()),
            record: Some("/writes".into()),
            answers: None,
            credentials: Vec::new(),
            ..parts
        };
        let line = arguments(&options, &recorded).join(" ");
        assert!(line.contains("-blockdev driver=qcow2,node-name=image,file.driver=file,file.filename=/a,,b.qcow2 -blockdev driver=blklogwrites,node-name=disk,file=image,log.driver=file,log.filename=/writes,log-sector-size=512 -device virtio-blk-pci,drive=disk,bootindex=0 "), "{line}");
        assert!(line.contains("-blockdev driver=raw,node-name=offer,read-only=on,file.driver=file,file.filename=/offer -device virtio-blk-pci,drive=offer,serial=rowi-offer "), "{line}");
        let parts = Parts { offer: None, record: None, ..recorded };
        let kept = Options { persist: true, network: true, log: None, ..options };
        let parts = Parts { answers: None, firmware: None, port: Some(2222), ..parts };
        let line = arguments(&kept, &parts).join(" ");
        assert!(
            line.contains("snapshot=off") && line.contains("restrict=off,hostfwd=tcp:127.0.0.1:2222-:22"),
            "{line}"
        );
        assert!(line.contains("-serial mon:stdio") && !line.contains("pflash"), "{line}");
        let card = Some(Card { disk: "/d".into(), kernel: "/k".into(), device_tree: "/t".into() });
        let pi = Options { board: Board::RaspberryPi3, log: Some("/log".into()), ..kept.clone() };
        let parts_of_pi = Parts { card, port: None, accelerator: Board::RaspberryPi3.emulated(), ..parts };
        insta::assert_snapshot!(arguments(&pi, &parts_of_pi).join(" "), @"-machine raspi3b -accel tcg,thread=multi -cpu cortex-a53 -smp 4 -m 1024 -display none -no-reboot -nodefaults -sandbox on -kernel /k -dtb /t -drive file=/d,format=qcow2,if=sd -serial null -serial file:/log");
        let parts = Parts { card: None, ..parts_of_pi };
        let line = arguments(&Options { firmware: Firmware::SecureBoot, ..kept }, &parts).join(" ");
        assert!(line.contains("q35,smm=on") && line.contains("cfi.pflash01,property=secure,value=on"), "{line}");
    }
}
