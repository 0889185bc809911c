//! The machines that are emulated: which QEMU, and what of its command line differs.

use super::Firmware;
use crate::{exec::Tool, plan::Plan, profile::Arch, units::Bytes};

/// A machine of QEMU's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Board {
    /// A PC with PCI Express.
    #[default]
    Q35,
    /// ARM's machine without a counterpart in hardware.
    Virt,
    /// A Raspberry Pi 3 B.
    RaspberryPi3,
}

const X86: Tool = Tool { program: "qemu-system-x86_64", debian: "qemu-system-x86", opensuse: "qemu-x86" };
const ARM: Tool = Tool { program: "qemu-system-aarch64", debian: "qemu-system-arm", opensuse: "qemu-arm" };

impl Board {
    /// The one that a plan names, or its architecture's.
    pub fn of(plan: &Plan) -> Self {
        match (plan.emulate.machine.as_str(), plan.arch) {
            ("raspi3b", Arch::Aarch64) => Self::RaspberryPi3,
            (_, Arch::Aarch64) => Self::Virt,
            (_, Arch::X86_64) => Self::Q35,
        }
    }

    /// Its processor.
    pub(super) fn arch(self) -> Arch {
        match self {
            Self::Q35 => Arch::X86_64,
            Self::Virt | Self::RaspberryPi3 => Arch::Aarch64,
        }
    }

    /// The program that emulates it.
    pub(super) fn qemu(self) -> &'static Tool {
        match self.arch() {
            Arch::X86_64 => &X86,
            Arch::Aarch64 => &ARM,
        }
    }

    /// `-machine`. With Secure Boot only the firmware itself may write its variables, from system management mode.
    pub(super) fn machine(self, firmware: Firmware) -> &'static str {
        match self {
            Self::Q35 if firmware == Firmware::SecureBoot => "q35,smm=on",
            Self::Q35 => "q35",
            Self::Virt => "virt",
            Self::RaspberryPi3 => "raspi3b",
        }
    }

    /// `-accel` and `-cpu` where the host's own processor cannot be used.
    pub(super) fn emulated(self) -> [&'static str; 2] {
        let cpu = match self {
            // Later models have what TCG of QEMU 10 does not know.
            Self::Q35 => "Nehalem",
            // 64-bit ARM's first; `max` spends most of its time on pointer authentication.
            Self::Virt => "cortex-a57",
            Self::RaspberryPi3 => "cortex-a53",
        };
        ["tcg,thread=multi", cpu]
    }

    /// Its processors: a Pi 3 has four, whoever emulates it.
    pub(super) fn processors(self, wanted: u8) -> u8 {
        if self == Self::RaspberryPi3 { 4 } else { wanted }
    }

    /// Its memory: a Pi 3 has one size.
    pub(super) fn memory(self, wanted: Bytes) -> Bytes {
        if self == Self::RaspberryPi3 { Bytes::from_gib(1) } else { wanted }
    }

    /// Whether disks, ports and the network can be virtio's.
    pub(super) fn has_virtio(self) -> bool {
        self != Self::RaspberryPi3
    }
}
