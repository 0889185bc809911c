//! A person at the serial console of a machine that `rowi boot` runs.

use std::{
    io::{Read, Write},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::image::{Bench, Who};

/// A running machine; it is left when this goes.
pub(super) struct Console {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    /// How much of what it said was waited for.
    seen: usize,
}

impl Console {
    pub(super) fn start(bench: &Bench, args: &[&str]) -> Self {
        let mut command = bench.process(Who::Root, args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = said.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, said, seen: 0 }
    }

    /// Waits until the machine says something that it has not said before.
    pub(super) fn expect(&mut self, text: &str) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(900) {
            let said = self.said.lock().unwrap().clone();
            let new = &said[self.seen..];
            if let Some(at) = new.windows(text.len()).position(|it| it == text.as_bytes()) {
                self.seen += at + text.len();
                return;
            }
            if self.child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the console did not say `{text}`: {}", String::from_utf8_lossy(&self.said.lock().unwrap()));
    }

    /// Waits until the machine ends by itself.
    pub(super) fn ended(mut self) {
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{}", String::from_utf8_lossy(&self.said.lock().unwrap()));
    }

    pub(super) fn press(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(keys.as_bytes()).unwrap();
        input.flush().unwrap();
    }
}

impl Drop for Console {
    /// By QEMU's own keys, Ctrl-A X: whoever kills `rowi boot` leaves the machine running.
    fn drop(&mut self) {
        self.child.stdin.take().map(|mut input| input.write_all(b"\x01x")).transpose().ok();
        self.child.wait().ok();
    }
}
