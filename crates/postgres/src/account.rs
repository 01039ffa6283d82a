//! Accounts: turns "who am I" into the unprivileged user that the server runs as.

use crate::PostgresError;
use nix::unistd::{Gid, Uid, User, chown, geteuid};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// The user to switch to; `None` where we are unprivileged already and stay who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account(Option<(u32, u32)>);

impl Account {
    /// Choose: ourselves unless root; else the owner of the state directory, `postgres`, `nobody`.
    pub fn choose(state: &Path) -> Result<Self, PostgresError> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        if let Ok(meta) = std::fs::metadata(state)
            && meta.uid() != 0
            && matches!(User::from_uid(Uid::from_raw(meta.uid())), Ok(Some(_)))
        {
            return Ok(Self(Some((meta.uid(), meta.gid()))));
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self(Some((user.uid.as_raw(), user.gid.as_raw()))))
            .ok_or(PostgresError::NoAccount)
    }

    /// Make `command` run as this account.
    pub fn apply(self, command: &mut Command) {
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        // the server's programs refuse to start in a directory they cannot read
        command.current_dir("/");
    }

    /// Give `path` to this account.
    pub fn own(self, path: &Path) -> Result<(), PostgresError> {
        let Some((uid, gid)) = self.0 else { return Ok(()) };
        chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|e| PostgresError::io("change the owner of", path)(e.into()))
    }

    /// Whether this account can walk down to `path`: every directory above it lets it pass.
    pub fn can_reach(self, path: &Path) -> bool {
        let Some((uid, gid)) = self.0 else { return true };
        path.ancestors().skip(1).filter_map(|dir| std::fs::metadata(dir).ok()).all(|meta| {
            let mode = meta.mode();
            mode & 0o001 != 0 || (meta.uid() == uid && mode & 0o100 != 0) || (meta.gid() == gid && mode & 0o010 != 0)
        })
    }
}
