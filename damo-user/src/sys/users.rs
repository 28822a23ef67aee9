//! The user database. A static binary must not ask the C library, which would
//! load its modules into it and crash; such a binary reads the files alone.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User, getgrouplist};

const STATIC: bool = cfg!(target_feature = "crt-static");

/// A user that the database knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) gid: u32,
    pub(super) home: PathBuf,
}

/// Looks a user up.
///
/// # Errors
/// The database cannot be read.
pub(super) fn account(uid: u32) -> io::Result<Option<Account>> {
    if STATIC {
        return Ok(account_in(&text("/etc/passwd")?, uid));
    }
    let user = User::from_uid(Uid::from_raw(uid))?;
    Ok(user.map(|user| Account {
        name: user.name,
        gid: user.gid.as_raw(),
        home: user.dir,
    }))
}

/// All groups of a user, `gid` included.
///
/// # Errors
/// The database cannot be read.
pub(super) fn groups(name: &str, gid: u32) -> io::Result<Vec<u32>> {
    if STATIC {
        return Ok(groups_in(&text("/etc/group")?, name, gid));
    }
    let groups = getgrouplist(&CString::new(name)?, Gid::from_raw(gid))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// A file that may be missing, and hold any bytes.
fn text(path: &str) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// `name:password:uid:gid:about:home:shell`; the first that fits counts.
fn account_in(passwd: &str, uid: u32) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        if fields.nth(1)?.parse() != Ok(uid) {
            return None;
        }
        Some(Account {
            name: name.to_owned(),
            gid: fields.next()?.parse().ok()?,
            home: fields.nth(1)?.into(),
        })
    })
}

/// `name:password:gid:member,member`.
fn groups_in(group: &str, name: &str, gid: u32) -> Vec<u32> {
    let others = group.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let other = fields.next()?.parse().ok().filter(|&other| other != gid)?;
        let mut members = fields.next()?.split(',');
        members.any(|member| member == name).then_some(other)
    });
    std::iter::once(gid).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_say_what_the_c_library_says() {
        let read = |path| fs::read_to_string(path).unwrap();
        let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
        for uid in [0, 1, 2, 65534, 54321] {
            let found = account_in(&passwd, uid);
            assert_eq!(found, account(uid).unwrap());
            let Some(account) = found else { continue };
            let mut by_files = groups_in(&group, &account.name, account.gid);
            let mut by_library = groups(&account.name, account.gid).unwrap();
            by_files.sort_unstable();
            by_library.sort_unstable();
            assert_eq!(by_files, by_library);
        }
    }

    #[test]
    fn odd_lines_are_passed_over() {
        let passwd =
            "\n#x\nshort:x:7\nbad:x:7:y::/:\nann:x:7:8:Ann:/home/ann:/bin/sh\nbob:x:7:9::/b:";
        let ann = account_in(passwd, 7).unwrap();
        assert_eq!(
            (ann.name.as_str(), ann.gid, ann.home),
            ("ann", 8, PathBuf::from("/home/ann"))
        );
        let group = "\nshort:x:1\nno:x:y:ann\nwheel:x:10:bob,ann\nannex:x:11:annex\nown:x:8:ann\nsudo:x:27:ann\n";
        assert_eq!(groups_in(group, "ann", 8), [8, 10, 27]);
    }
}
