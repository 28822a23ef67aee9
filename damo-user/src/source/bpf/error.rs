//! What can go wrong between us and the kernel.

use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

use crate::source::layout::LayoutError;
use crate::sys::tracefs::TracefsError;

/// Why live samples cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// tracefs is nowhere.
    #[error(transparent)]
    Tracefs(#[from] TracefsError),
    /// The kernel has no such tracepoint.
    #[error(
        "this kernel has no tracepoint damon:damon_aggregated: use one built with CONFIG_DAMON and CONFIG_FTRACE"
    )]
    NoTracepoint,
    /// The tracepoint's description cannot be read.
    #[error("{}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The tracepoint has a layout that cannot be decoded.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Nothing tells where the kernel keeps DAMON's intervals.
    #[error(
        "--summary needs the kernel's own description of DAMON's structures (/sys/kernel/btf/vmlinux, of Linux 6.1 or later with CONFIG_DEBUG_INFO_BTF), which is not there or not known: record without --summary"
    )]
    NoBtf,
    /// The program could not be loaded.
    #[error(
        "cannot load the BPF program: {0}; loading needs root (or CAP_BPF and CAP_PERFMON) and a kernel with CONFIG_BPF_SYSCALL"
    )]
    Load(#[from] EbpfError),
    /// The program could not be verified or attached.
    #[error("cannot attach the BPF program: {0}")]
    Attach(#[from] ProgramError),
    /// A map could not be read or written.
    #[error("cannot reach the BPF program's maps: {0}")]
    Map(#[from] MapError),
    /// The object is not the one this binary was made with.
    #[error("the BPF object has no '{0}': rebuild it with `cargo xtask build-ebpf`")]
    Object(&'static str),
    /// The logger of `--debug-bpf` could not be started.
    #[error("cannot read the BPF program's log: {0}")]
    Log(#[from] aya_log::Error),
}
