//! Into the machine: a unit and a script as systemd credentials. Out of it: lines on a virtio port.
//!
//! A line is `check NUMBER EXITCODE SECONDS HEX`, where HEX is what the check wrote; `done` is the last one. What comes
//! out is not trusted: lines that are none are passed over, and all of it is bounded by its reader.

use std::{collections::BTreeMap, io, path::Path};

use super::Check;

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

/// Runs as soon as everything else was started; of the simple kind, so that the boot does not wait for it.
const UNIT: &str = "\
[Unit]
Description=Checks from outside
After=multi-user.target
[Service]
Type=exec
ImportCredential=rowi.script
ExecStart=/bin/sh %d/rowi.script
TimeoutStartSec=infinity
";

/// Makes the unit part of the boot.
const DROP_IN: &str = "[Unit]\nWants=rowi-check.service\n";

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) seconds: u64,
    pub(super) output: String,
}

/// Values of `-smbios` that bring the checks into the machine; their files lie in `folder`.
pub(super) fn credentials(checks: &[Check], end: End, folder: &Path) -> io::Result<Vec<String>> {
    let all = [
        ("systemd.extra-unit.rowi-check.service", UNIT.to_owned()),
        ("systemd.unit-dropin.multi-user.target", DROP_IN.to_owned()),
        ("rowi.script", script(checks, end)),
    ];
    all.iter()
        .map(|(name, text)| {
            let file = folder.join(name);
            fs_err::write(&file, format!("io.systemd.credential:{name}={text}"))?;
            Ok(format!("type=11,path={}", file.display().to_string().replace(',', ",,")))
        })
        .collect()
}

/// Credentials that make root's shell of the serial console (agetty(8), login(1), util-linux 2.40 or later, imported by
/// `serial-getty@.service` of systemd 256 or later).
pub(super) fn console_login() -> impl Iterator<Item = String> {
    ["agetty.autologin=root", "login.noauth=yes"]
        .map(|it| format!("type=11,value=io.systemd.credential:{it}"))
        .into_iter()
}

/// The credential that lets a key's owner in as root (systemd.system-credentials(7), `ssh.authorized_keys.root`).
pub(super) fn ssh_key(key: &str) -> String {
    let key: String = key.chars().filter(|c| !c.is_control()).collect();
    format!("type=11,value=io.systemd.credential:ssh.authorized_keys.root={}", key.replace(',', ",,"))
}

/// The script: each check in a shell of its own, again and again within its time.
fn script(checks: &[Check], end: End) -> String {
    let mut script = format!(
        "port=/dev/virtio-ports/{PORT}\nfor i in $(seq 60); do [ -e $port ] && break; sleep 1; done\n\
         systemctl is-system-running --wait >/dev/null 2>&1\n\
         check() {{\n  begun=$(date +%s)\n  while :; do\n    output=$(sh -c \"$3\" 2>&1 </dev/null); code=$?\n    now=$(( $(date +%s) - begun ))\n\
         \x20   [ $code = 0 ] || [ $now -ge $2 ] && break\n    sleep 1\n  done\n\
         \x20 echo \"check $1 $code $now $(printf %s \"$output\" | od -An -v -tx1 | tr -d ' \\n')\" > $port\n}}\n"
    );
    for (number, check) in checks.iter().enumerate() {
        script += &format!("check {number} {} {}\n", check.within, shell_word(&check.run));
    }
    let off = if end == End::Off { "systemctl --no-block poweroff\n" } else { "" };
    script + "echo done > $port\n" + off
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
        assert!(ssh_key("ssh-ed25519 AA a,b\n").ends_with("AA a,,b"));
    }
}
