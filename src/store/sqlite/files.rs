//! Who may use the files that a store creates: who may use the folder that they are in.
//!
//! A file gets the folder's rights to read and write: in a folder of mode 0777 everybody's, in one of mode 2770 its
//! group's, in one of mode 0755 only its owner may write. Its group becomes the folder's group where the system allows
//! it; root gives it to the folder's owner, too. The process's umask plays no part: bots of several users, each with a
//! umask of its own, could not share otherwise.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat};
use rustix::io::Errno;

use crate::store::StoreError;

/// Whose a new file becomes, and with which rights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    /// To read, write and search, as the folder has them.
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Rights {
    pub(super) fn of(folder: &Path) -> std::io::Result<Self> {
        let facts = std::fs::metadata(folder)?;
        Ok(Self { mode: facts.permissions().mode() & 0o2777, uid: facts.uid(), gid: facts.gid() })
    }

    fn file(self) -> Mode {
        // Its owner can always use what he made.
        Mode::from_raw_mode((self.mode & 0o666 | 0o600) as _)
    }

    /// Gives a new entry to the one who has the folder. Only a process that is no member of the group cannot.
    fn give(self, path: &Path, mode: Mode) -> Result<(), Errno> {
        let root = rustix::process::geteuid().is_root();
        let owner = root.then(|| Uid::from_raw(self.uid));
        let _ = chownat(CWD, path, owner, Some(Gid::from_raw(self.gid)), rustix::fs::AtFlags::empty());
        chmodat(CWD, path, mode, rustix::fs::AtFlags::empty())
    }

    /// Opens a file to read and write, and creates it where there is none.
    pub(super) fn open_or_create(self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        loop {
            // In two steps: in a sticky folder the kernel refuses CREATE for a file of another user.
            match rustix::fs::open(path, flags, Mode::empty()) {
                Err(Errno::NOENT) => {}
                other => return other,
            }
            match rustix::fs::open(path, flags | OFlags::CREATE | OFlags::EXCL, self.file()) {
                Err(Errno::EXIST) => {}
                Ok(file) => {
                    self.give(path, self.file())?;
                    return Ok(file);
                }
                other => return other,
            }
        }
    }

    /// Creates a folder where there is none.
    pub(super) fn create_folder(self, path: &Path) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode((self.mode | 0o700) as _);
        match rustix::fs::mkdir(path, mode) {
            Err(Errno::EXIST) => Ok(()),
            Ok(()) => self.give(path, mode),
            other => other,
        }
    }

    /// Creates a named pipe. There must be none.
    pub(super) fn create_pipe(self, path: &Path) -> Result<(), Errno> {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, self.file(), 0)?;
        self.give(path, self.file())
    }
}

/// An error of the system about a file of the store, with what helps.
pub(super) fn trouble(what: &str, path: &Path, error: Errno) -> StoreError {
    let shown = path.display();
    match error {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => StoreError::denied(format_args!(
            "{what} {shown} failed: {error}. This process (user id {}) needs the right to read and write in the folder, \
             and its files must be writable, too; a sticky folder such as /tmp is not for several users",
            rustix::process::geteuid().as_raw()
        )),
        Errno::NOSPC | Errno::DQUOT => {
            StoreError::away(format_args!("{what} {shown} failed: {error}. Make room on that disk"))
        }
        Errno::NOENT | Errno::NOTDIR => StoreError::denied(format_args!(
            "{what} {shown} failed: {error}. Create the folder first; the file is then created there"
        )),
        _ => StoreError::away(format_args!("{what} {shown} failed: {error}")),
    }
}
