//! The machine a record was made on.

use std::fs;

/// What `uname` and the kernel say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Host name.
    pub hostname: String,
    /// Kernel release, as `7.3.4-cloud-amd64`.
    pub kernel: String,
    /// Architecture, as `x86_64`.
    pub machine: String,
    /// Id of this boot; empty without procfs.
    pub boot_id: String,
}

impl Host {
    /// This machine.
    pub fn here() -> Host {
        let uname = rustix::system::uname();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Host {
            hostname: uname.nodename().to_string_lossy().into_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            boot_id: boot_id.trim().to_owned(),
        }
    }
}
