//! Into the machine: a unit and a script, by systemd credentials. Out of it: lines on a virtio port, or the console.
//!
//! A line is `check NUMBER EXITCODE SECONDS HEX`, where HEX is what the check wrote; `done` is the last one. What comes
//! out is not trusted: lines that are none are passed over, and all of it is bounded by its reader.

use std::{collections::BTreeMap, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Board, Check, card};

/// What becomes of the machine after its last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is killed: its disk is thrown away.
    Killed,
    /// It shuts down, as a machine whose disk is used again.
    Off,
    /// It starts anew by itself, without an answer.
    Itself,
}

/// Name of the virtio port.
pub(super) const PORT: &str = "rowi.check";

/// What is brought into a machine.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Credentials: name and text.
    credentials: Vec<(&'static str, String)>,
    /// The checks.
    pub(super) script: Option<String>,
}

/// Makes the unit part of the boot.
const DROP_IN: &str = "[Unit]\nWants=rowi-check.service\n";

/// Runs as soon as everything else was started; of the right kind, so that the boot does not wait for it.
fn unit(board: Board) -> String {
    let (script, needs) = match board.has_virtio() {
        true => ("%d/rowi.script", "[Service]\nImportCredential=rowi.script\n".to_owned()),
        false => (card::SCRIPT, format!("RequiresMountsFor={}\n[Service]\n", card::SCRIPT)),
    };
    format!(
        "[Unit]\nDescription=Checks from outside\nAfter=multi-user.target\n{needs}Type=exec\n\
         ExecStart=/bin/sh {script}\nTimeoutStartSec=infinity\n"
    )
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) seconds: u64,
    pub(super) output: String,
}

/// The checks, with what starts them.
pub(super) fn checks(board: Board, checks: &[Check], end: End) -> Brought {
    let credentials = vec![
        ("systemd.extra-unit.rowi-check.service", unit(board)),
        ("systemd.unit-dropin.multi-user.target", DROP_IN.to_owned()),
    ];
    Brought { credentials, script: Some(script(board, checks, end)) }
}

/// What makes root's shell of the serial console (agetty(8), login(1), util-linux 2.40 or later, imported by
/// `serial-getty@.service` of systemd 256 or later), and lets a key's owner in as root
/// (systemd.system-credentials(7)).
pub(super) fn ways_in(console_login: bool, key: Option<&str>) -> Brought {
    let console = [("agetty.autologin", "root".to_owned()), ("login.noauth", "yes".to_owned())];
    let key = key.map(|key| ("ssh.authorized_keys.root", key.chars().filter(|c| !c.is_control()).collect()));
    Brought { credentials: console.into_iter().filter(|_| console_login).chain(key).collect(), script: None }
}

impl Brought {
    /// Values of `-smbios` (systemd.system-credentials(7), type 11); their files lie in `folder`.
    pub(super) fn smbios(&self, folder: &Path) -> io::Result<Vec<String>> {
        let script = self.script.as_ref().map(|script| ("rowi.script", script));
        let all = self.credentials.iter().map(|(name, text)| (*name, text)).chain(script);
        all.map(|(name, text)| {
            let file = folder.join(name);
            fs_err::write(&file, format!("io.systemd.credential:{name}={text}"))?;
            Ok(format!("type=11,path={}", file.display().to_string().replace(',', ",,")))
        })
        .collect()
    }

    /// Words of the kernel's command line (kernel-command-line(7), `systemd.set_credential_binary=`).
    pub(super) fn words(&self) -> String {
        let word =
            |(name, text): &(&str, String)| format!("systemd.set_credential_binary={name}:{}", STANDARD.encode(text));
        self.credentials.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

/// The script: each check in a shell of its own, again and again within its time. On a console the kernel is silenced,
/// and lines begin anew: others write there, too.
fn script(board: Board, checks: &[Check], end: End) -> String {
    let port = match board.has_virtio() {
        true => format!("port=/dev/virtio-ports/{PORT}\nfor i in $(seq 60); do [ -e $port ] && break; sleep 1; done\n"),
        false => "dmesg --console-off\nport=/dev/$(tr ' ' '\\n' </sys/class/tty/console/active | grep -E '^tty(S|AMA)' | head -n 1)\n".to_owned(),
    };
    let mut script = format!(
        "{port}systemctl is-system-running --wait >/dev/null 2>&1\n\
         check() {{\n  begun=$(date +%s)\n  while :; do\n    output=$(sh -c \"$3\" 2>&1 </dev/null); code=$?\n    now=$(( $(date +%s) - begun ))\n\
         \x20   [ $code = 0 ] || [ $now -ge $2 ] && break\n    sleep 1\n  done\n\
         \x20 printf '\\n%s\\n' \"check $1 $code $now $(printf %s \"$output\" | od -An -v -tx1 | tr -d ' \\n')\" > $port\n}}\n"
    );
    for (number, check) in checks.iter().enumerate() {
        script += &format!("check {number} {} {}\n", check.within, shell_word(&check.run));
    }
    let off = if end == End::Off { "systemctl --no-block poweroff\n" } else { "" };
    script + "printf '\\ndone\\n' > $port\n" + off
}

/// Text as one word of a shell's.
pub(super) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// All answers by the check's number, once the last has come.
pub(super) fn answers(text: &str) -> Option<BTreeMap<usize, Answer>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.contains(&"done").then(|| lines.iter().filter_map(|line| answer(line)).collect())
}

fn answer(line: &str) -> Option<(usize, Answer)> {
    let mut words = line.strip_prefix("check ")?.split(' ');
    let (number, code, seconds) = (words.next()?, words.next()?, words.next()?);
    let output = bytes(words.next().unwrap_or_default())?;
    let output = String::from_utf8_lossy(&output).into_owned();
    Some((number.parse().ok()?, Answer { code: code.parse().ok()?, seconds: seconds.parse().ok()?, output }))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    // Two digits make less than 256.
    hex.as_bytes().chunks(2).map(|pair| Some((digit(pair[0])? << 4 | digit(*pair.get(1)?)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_when_the_last_has_come_and_nonsense_is_passed_over() {
        let text = "check 0 0 1 6f6b0a\r\ncheck x\ncheck 1 7 0 \ncheck 2 0 0 6\ncheck 3 0 0 zz\n";
        assert_eq!(answers(text), None);
        let found = answers(&format!("{text}done\n")).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[&0], Answer { code: 0, seconds: 1, output: "ok\n".into() });
        assert_eq!(found[&1], Answer { code: 7, seconds: 0, output: String::new() });
    }

    #[test]
    fn a_check_is_one_word_whatever_it_holds() {
        assert_eq!(shell_word("echo 'a b' $x"), "'echo '\\''a b'\\'' $x'");
    }

    #[test]
    fn what_is_brought_reaches_systemd_by_smbios_or_by_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let brought = ways_in(true, Some("ssh-ed25519 AA a,b\n"));
        assert_eq!(brought.smbios(folder.path()).unwrap().len(), 3);
        assert_eq!(ways_in(true, None).credentials.len(), 2);
        assert!(ways_in(false, None).credentials.is_empty());
        let key = fs_err::read_to_string(folder.path().join("ssh.authorized_keys.root")).unwrap();
        assert_eq!(key, "io.systemd.credential:ssh.authorized_keys.root=ssh-ed25519 AA a,b");
        assert!(brought.words().starts_with("systemd.set_credential_binary=agetty.autologin:cm9vdA== systemd."));
        let all = checks(Board::RaspberryPi3, &[], End::Killed);
        // The kernel's own arguments fit, too (arm64: COMMAND_LINE_SIZE is 2048).
        assert!(all.words().len() < 1024, "{}", all.words().len());
    }
}
