//! Telling a service manager how things go, by the protocol of sd_notify(3):
//! lines of `NAME=value` in a datagram to the socket that `NOTIFY_SOCKET` names.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::Duration;

use super::clock;

const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// How long a manager that reads nothing may hold us up.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest status that is sent, in bytes: longer ones are cut.
const STATUS_BYTES: usize = 1024;

/// Why the service manager cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The variable names no socket that there could be.
    #[error(
        "{SOCKET}={}: neither an absolute path nor an abstract name (@…) of a socket; unset it",
        .0.display()
    )]
    Address(OsString),
    /// A number is none.
    #[error("{variable}={}: is no number above 0; unset it", value.display())]
    Number {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: OsString,
    },
    /// There is no socket to send from.
    #[error("cannot make a socket for the service manager: {0}")]
    Socket(io::Error),
}

/// The way to the service manager; without one, nothing is sent.
#[derive(Debug, Default)]
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// What the environment says. The variables stay there; see
    /// [`Notifier::hide_from`].
    ///
    /// # Errors
    /// See [`NotifyError`].
    pub fn from_env() -> Result<Notifier, NotifyError> {
        Notifier::from_vars(|name| env::var_os(name))
    }

    /// As [`Notifier::from_env`], with the environment given.
    ///
    /// # Errors
    /// See [`NotifyError`].
    pub fn from_vars(variable: impl Fn(&str) -> Option<OsString>) -> Result<Notifier, NotifyError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let Some(name) = set(SOCKET) else {
            return Ok(Notifier::default());
        };
        let address = address(&name).ok_or(NotifyError::Address(name))?;
        let socket = UnixDatagram::unbound().map_err(NotifyError::Socket)?;
        socket
            .set_write_timeout(Some(PATIENCE))
            .map_err(NotifyError::Socket)?;
        let number = |variable: &'static str| {
            set(variable)
                .map(
                    |value| match value.to_str().and_then(|text| text.parse().ok()) {
                        Some(number) if number > 0 => Ok(number),
                        _ => Err(NotifyError::Number { variable, value }),
                    },
                )
                .transpose()
        };
        // Without a pid it is for whoever reads it.
        let for_us = number(WATCHDOG_PID)?.is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number(WATCHDOG_USEC)?.filter(|_| for_us);
        Ok(Notifier {
            manager: Some((socket, address)),
            watchdog: watchdog.map(Duration::from_micros),
        })
    }

    /// Takes the variables out of a command's environment: what we start must
    /// not speak for us.
    pub fn hide_from(command: &mut Command) {
        for variable in [SOCKET, WATCHDOG_USEC, WATCHDOG_PID] {
            command.env_remove(variable);
        }
    }

    /// Whether anybody listens.
    pub fn is_on(&self) -> bool {
        self.manager.is_some()
    }

    /// How often to call [`Notifier::alive`]: twice in the time after which the
    /// manager takes us for hung. `None` if it does not wait for that.
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Recording has begun; or a reload is over.
    ///
    /// # Errors
    /// The manager cannot be reached: no reason to stop.
    pub fn ready(&self) -> io::Result<()> {
        self.send("READY=1")
    }

    /// A line for people, shown by `systemctl status`.
    ///
    /// # Errors
    /// As [`Notifier::ready`].
    pub fn status(&self, text: &str) -> io::Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        // A line of its own would be another variable.
        let mut text = text.replace(|c: char| c.is_control(), " ");
        text.truncate(text.floor_char_boundary(STATUS_BYTES));
        self.send(&format!("STATUS={text}"))
    }

    /// SIGHUP is being served; [`Notifier::ready`] says that this is over.
    ///
    /// # Errors
    /// As [`Notifier::ready`].
    pub fn reloading(&self) -> io::Result<()> {
        let now = clock::monotonic_ns() / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"))
    }

    /// The end has begun.
    ///
    /// # Errors
    /// As [`Notifier::ready`].
    pub fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1")
    }

    /// We are not hung. Sent only if the manager waits for it.
    ///
    /// # Errors
    /// As [`Notifier::ready`].
    pub fn alive(&self) -> io::Result<()> {
        match self.watchdog {
            Some(_) => self.send("WATCHDOG=1"),
            None => Ok(()),
        }
    }

    fn send(&self, message: &str) -> io::Result<()> {
        // By address each time: a manager that was restarted has a new socket.
        let Some((socket, address)) = &self.manager else {
            return Ok(());
        };
        loop {
            match socket.send_to_addr(message.as_bytes(), address) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// `/path`, or `@name` for a name without a file.
fn address(name: &OsString) -> Option<SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] if !rest.is_empty() => SocketAddr::from_abstract_name(rest).ok(),
        [b'/', _, ..] => SocketAddr::from_pathname(name).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(set: &'a [(&'a str, String)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            let found = set.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.into())
        }
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn everything_arrives_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let abstract_name = format!("damo-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (socket, name) in [
            (
                UnixDatagram::bind(&path).unwrap(),
                path.display().to_string(),
            ),
            (
                UnixDatagram::bind_addr(&by_name).unwrap(),
                format!("@{abstract_name}"),
            ),
        ] {
            let set = [(SOCKET, name), (WATCHDOG_USEC, "3000000".to_owned())];
            let notifier = Notifier::from_vars(environment(&set)).unwrap();
            assert!(notifier.is_on());
            assert_eq!(notifier.alive_every(), Some(Duration::from_millis(1500)));
            notifier.ready().unwrap();
            assert_eq!(received(&socket), "READY=1");
            notifier.status("4 samples/s\nREADY=1").unwrap();
            assert_eq!(received(&socket), "STATUS=4 samples/s READY=1");
            notifier.status(&"ä".repeat(STATUS_BYTES)).unwrap();
            assert_eq!(received(&socket).len(), "STATUS=".len() + STATUS_BYTES);
            let before = clock::monotonic_ns() / 1000;
            notifier.reloading().unwrap();
            let text = received(&socket);
            let usec = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            let after = clock::monotonic_ns() / 1000;
            assert!((before..=after).contains(&usec.parse().unwrap()), "{text}");
            notifier.alive().unwrap();
            assert_eq!(received(&socket), "WATCHDOG=1");
            notifier.stopping().unwrap();
            assert_eq!(received(&socket), "STOPPING=1");
        }
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let notifier = Notifier::from_vars(|_| None).unwrap();
        assert!(!notifier.is_on());
        assert_eq!(notifier.alive_every(), None);
        notifier.ready().unwrap();
        notifier.status("all is well").unwrap();
        notifier.alive().unwrap();
    }

    #[test]
    fn a_manager_that_is_gone_or_does_not_read_is_an_error_and_no_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let set = [(SOCKET, path.display().to_string())];
        let notifier = Notifier::from_vars(environment(&set)).unwrap();
        assert!(notifier.ready().is_err());
        // One that comes back is found again.
        let socket = UnixDatagram::bind(&path).unwrap();
        notifier.ready().unwrap();
        assert_eq!(received(&socket), "READY=1");
        let full = (0..100_000).find_map(|_| notifier.ready().err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let watchdog = |pid: String| {
            let set = [
                (SOCKET, "/run/nobody".to_owned()),
                (WATCHDOG_USEC, "1000".to_owned()),
                (WATCHDOG_PID, pid),
            ];
            Notifier::from_vars(environment(&set))
                .unwrap()
                .alive_every()
        };
        assert!(watchdog(std::process::id().to_string()).is_some());
        assert!(watchdog("1".to_owned()).is_none());
    }

    #[test]
    fn odd_variables_are_named() {
        for name in ["relative", "@", "/", "vsock:2:1234"] {
            let set = [(SOCKET, name.to_owned())];
            let error = Notifier::from_vars(environment(&set)).unwrap_err();
            assert!(error.to_string().contains(&format!("={name}:")), "{error}");
        }
        for bad in ["0", "-1", "soon"] {
            let set = [
                (SOCKET, "/run/nobody".to_owned()),
                (WATCHDOG_USEC, bad.to_owned()),
            ];
            let error = Notifier::from_vars(environment(&set)).unwrap_err();
            assert!(error.to_string().contains(WATCHDOG_USEC), "{error}");
        }
    }

    #[test]
    fn children_do_not_see_the_variables() {
        let mut command = Command::new("true");
        Notifier::hide_from(&mut command);
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .collect();
        assert_eq!(removed.len(), 3);
    }
}
