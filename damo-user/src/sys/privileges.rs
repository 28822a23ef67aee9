//! Giving up what is not needed any more: capabilities for good, and with
//! landlock the files that a recorder has no business with.
//!
//! We stay user 0: DAMON's files belong to root and have mode 0600, so that
//! putting DAMON back takes no capability at all. What is kept depends on
//! [`Needs`].
//!
//! All of this holds for the calling thread and for threads started by it from
//! then on: call it on the main thread before any other starts, and after
//! commands are started, which are not to be held to it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, make_bitflags,
};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// The newest landlock that the `landlock` crate knows; older kernels enforce
/// what they know of it.
const NEWEST: ABI = ABI::V6;

/// Folders that anything may be read below.
const READABLE: [&str; 2] = ["/proc", "/sys"];

/// Why privileges could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// A set of capabilities cannot be changed.
    #[error("cannot give up capabilities: {0}")]
    Capabilities(Errno),
    /// Programs with more rights cannot be ruled out.
    #[error("cannot set no_new_privs: {0}")]
    NoNewPrivs(Errno),
    /// A folder that is to stay writable.
    #[error("{}: cannot be opened, to go on writing below it: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The rules.
    #[error("cannot confine damo to its files: {0}")]
    Landlock(#[from] RulesetError),
}

/// What must still be possible afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Folders below which files and folders are made, written, renamed and
    /// removed. They must exist.
    pub write_below: Vec<PathBuf>,
    /// Files, or folders of files, that are there and are written: the kernel's.
    /// What does not exist is passed over.
    pub change: Vec<PathBuf>,
    /// Files are given to another user, and worked on afterwards.
    pub give_away: bool,
    /// A folder of `write_below` is not ours to write but for root's right to
    /// write everything.
    pub others_folders: bool,
    /// A process of another user may have to be ended.
    pub end_others: bool,
    /// Other processes' mappings are read. Landlock does not let a confined
    /// thread do that: leave it to a thread of
    /// [`Outside`](super::outside::Outside).
    pub look_into_others: bool,
    /// BPF maps are used on a kernel before 5.19, which wants CAP_BPF for each
    /// use if `kernel.unprivileged_bpf_disabled` is set; later ones only for
    /// making them.
    pub bpf: bool,
}

impl Needs {
    /// The capabilities that are kept, if they are there.
    pub fn capabilities(&self) -> CapabilitySet {
        let mut kept = CapabilitySet::empty();
        if self.give_away {
            // Chown gives a file away; chmod, and linking what is another's, are
            // the owner's; reading it back for its totals takes the third.
            kept |= CapabilitySet::CHOWN | CapabilitySet::FOWNER | CapabilitySet::DAC_OVERRIDE;
        }
        if self.others_folders {
            kept |= CapabilitySet::DAC_OVERRIDE;
        }
        if self.end_others {
            kept |= CapabilitySet::KILL;
        }
        if self.look_into_others {
            kept |= CapabilitySet::SYS_PTRACE;
        }
        if self.bpf {
            kept |= CapabilitySet::BPF;
        }
        kept
    }
}

/// How far landlock confines us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confined {
    /// The kernel has no landlock, or it is switched off.
    No,
    /// To files; an older kernel's landlock does not know all of our rules.
    Partly,
    /// To files, and to no network.
    Fully,
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The capabilities that are in force.
    pub kept: CapabilitySet,
    /// No program that is executed can have others: false if we lacked the
    /// right to shrink the bounding set. `no_new_privs` is set either way.
    pub bounded: bool,
    /// Whether files are out of reach.
    pub confined: Confined,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.kept.iter_names().map(|(name, _)| name).collect();
        match names.as_slice() {
            [] => write!(f, "no capabilities kept")?,
            names => write!(f, "capabilities kept: {}", names.join(", "))?,
        }
        match self.confined {
            Confined::No => write!(f, "; this kernel has no landlock"),
            Confined::Partly => write!(f, "; files confined, as far as this kernel's landlock can"),
            Confined::Fully => write!(f, "; files and network confined"),
        }
    }
}

/// [`drop_capabilities`] and [`confine`] in one.
///
/// # Errors
/// See [`PrivilegeError`]; some may be gone by then.
pub fn drop_privileges(needs: &Needs) -> Result<Dropped, PrivilegeError> {
    let (kept, bounded) = drop_capabilities(needs)?;
    Ok(Dropped {
        kept,
        bounded,
        confined: confine(needs)?,
    })
}

/// Reduces all of the thread's sets of capabilities to what `needs` says, for
/// good. Gives those that are left, and whether the bounding set could be
/// reduced, too.
///
/// # Errors
/// [`PrivilegeError::Capabilities`], [`PrivilegeError::NoNewPrivs`].
pub fn drop_capabilities(needs: &Needs) -> Result<(CapabilitySet, bool), PrivilegeError> {
    set_no_new_privs(true).map_err(PrivilegeError::NoNewPrivs)?;
    let wanted = needs.capabilities();
    // While we still have the right to.
    let bounded = shrink_bounding_set(wanted)?;
    clear_ambient_capability_set().map_err(PrivilegeError::Capabilities)?;
    let present = capabilities(None).map_err(PrivilegeError::Capabilities)?;
    let kept = present.permitted & wanted;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(PrivilegeError::Capabilities)?;
    Ok((kept, bounded))
}

/// Whether that was possible.
fn shrink_bounding_set(wanted: CapabilitySet) -> Result<bool, PrivilegeError> {
    for number in 0..u64::BITS {
        // Also what this program knows no name of.
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            Ok(true) if !wanted.contains(one) => {}
            Ok(_) => continue,
            // Beyond the kernel's last.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(PrivilegeError::Capabilities(error)),
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            Err(Errno::PERM) => return Ok(false),
            Err(error) => return Err(PrivilegeError::Capabilities(error)),
        }
    }
    Ok(true)
}

/// Confines the thread to the files of `needs`, and to reading /proc and /sys,
/// as far as the kernel's landlock can; what is open stays usable. No TCP, no
/// mounting, and no looking into other processes from then on.
///
/// # Errors
/// [`PrivilegeError::NoNewPrivs`], [`PrivilegeError::Folder`],
/// [`PrivilegeError::Landlock`].
pub fn confine(needs: &Needs) -> Result<Confined, PrivilegeError> {
    set_no_new_privs(true).map_err(PrivilegeError::NoNewPrivs)?;
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let change = read | make_bitflags!(AccessFs::{WriteFile | Truncate});
    let make = make_bitflags!(AccessFs::{MakeReg | MakeDir | RemoveFile | RemoveDir | Refer});
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .create()?;
    for path in &needs.write_below {
        let folder = PathFd::new(path).map_err(|error| PrivilegeError::Folder {
            path: path.clone(),
            source: io::Error::other(error),
        })?;
        rules = rules.add_rule(PathBeneath::new(folder, change | make))?;
    }
    let changed = needs.change.iter().map(|path| (path.as_path(), change));
    let readable = READABLE.iter().map(|path| (Path::new(path), read));
    for (path, access) in changed.chain(readable) {
        if let Ok(file) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(file, for_kind(path, access)))?;
        }
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Confined::No,
        RulesetStatus::PartiallyEnforced => Confined::Partly,
        RulesetStatus::FullyEnforced => Confined::Fully,
    })
}

/// Landlock refuses a folder's rights on what is none.
fn for_kind(path: &Path, access: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    match path.is_dir() {
        true => access,
        false => access & AccessFs::from_file(NEWEST),
    }
}
