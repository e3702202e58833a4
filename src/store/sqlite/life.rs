//! Who lives, and whom to wake: a named pipe for each member.
//!
//! A member keeps its pipe open for reading. The kernel closes it when the process ends, however it ends, and not
//! before: a stopped process lives. Who opens the pipe for writing is told at once whether anybody reads. So one
//! open descriptor is the proof of life, and one byte written to it is the wake-up. It works over containers on one
//! kernel, whatever their process ids, and unlike `inotify` has no limit of instances for each user.
//!
//! A child that was forked has a copy of the descriptor, and would keep a dead parent alive: the safe direction. Its
//! [`Life::abandon`] closes the copy. Programs that are executed do not inherit it.
//!
//! A pipe that is *not there* proves nothing: somebody may have deleted it. Its member puts it back within
//! [`CHECK_EACH`]; so a member without a pipe counts as dead only after [`MISSING_FOR`].

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::epoll;
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;

use super::files::{Rights, trouble};
use super::kernel;
use crate::clock::{Nanos, nanos};
use crate::store::waker::{Asleep, Waker};
use crate::store::{MemberId, StoreError};

/// How often a sleeping member looks whether its pipe is still there.
pub(super) const CHECK_EACH: Duration = Duration::from_secs(5);
/// For how long a pipe must be missing until its member counts as dead.
const MISSING_FOR: Duration = Duration::from_secs(30);
/// Pipes of the dead are deleted when they are this old. The rules have buried them long before.
const OLD: Duration = Duration::from_secs(600);

/// What the sleeper's `epoll` says is ready.
pub(super) const LOCAL: u64 = 0;
pub(super) const STORE: u64 = 1;
pub(super) const ENDED: u64 = 2;

/// The folder of pipes.
pub(super) struct Members {
    folder: PathBuf,
    rights: Rights,
    /// Since when a member's pipe is missing.
    missing: Mutex<HashMap<MemberId, Nanos>>,
    own: Option<Arc<Own>>,
}

/// This process's membership. The store and the sleeping thread both hold it.
pub(super) struct Own {
    pub(super) id: MemberId,
    path: PathBuf,
    rights: Rights,
    /// `None` once the membership has ended. The only descriptor, so that a forked child can close its copy although
    /// the sleeping thread, which it does not have, would never let go of another.
    pipe: Mutex<Option<OwnedFd>>,
    /// Watches the pipe and the local waker. It does not keep the pipe open.
    pub(super) epoll: OwnedFd,
    pub(super) asleep: Asleep,
    pub(super) waker: Waker,
}

impl Members {
    pub(super) fn new(folder: PathBuf, rights: Rights) -> Self {
        Self { folder, rights, missing: Mutex::default(), own: None }
    }

    pub(super) fn join(&mut self, id: MemberId) -> Result<Arc<Own>, StoreError> {
        self.leave();
        self.bury();
        let own = Arc::new(Own::new(id, self.folder.join(id.to_string()), self.rights)?);
        self.own = Some(own.clone());
        Ok(own)
    }

    /// This process's member.
    pub(super) fn own(&self) -> Option<MemberId> {
        self.own.as_ref().map(|own| own.id)
    }

    pub(super) fn leave(&mut self) {
        if let Some(own) = self.own.take() {
            own.end();
        }
    }

    /// In a forked child: closes the copy of the parent's pipe, and leaves the pipe where it is.
    pub(super) fn abandon(mut self) {
        if let Some(own) = self.own.take() {
            // If another thread of the parent had the lock at the fork, the copy stays open: the parent seems to live
            // for as long as this child does.
            if let Some(mut pipe) = own.pipe.try_lock() {
                drop(pipe.take());
            }
            std::mem::forget(own);
        }
    }

    /// Puts this member's pipe back if somebody has deleted it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.own.as_ref().map_or(Ok(()), |own| own.check())
    }

    pub(super) fn is_dead(&self, id: MemberId) -> bool {
        match self.ring(&self.folder.join(id.to_string()), false) {
            Err(Errno::NXIO) => true,
            Err(Errno::NOENT) => {
                let now = kernel::now();
                now - *self.missing.lock().entry(id).or_insert(now) >= nanos(MISSING_FOR)
            }
            // Who cannot be asked may live.
            _ => {
                self.missing.lock().remove(&id);
                false
            }
        }
    }

    /// Every member whose pipe is there and read.
    pub(super) fn alive(&self) -> Vec<MemberId> {
        let mut alive: Vec<_> = self.pipes().filter(|(_, path)| self.ring(path, false).is_ok()).collect();
        alive.sort();
        alive.into_iter().map(|(id, _)| id).collect()
    }

    pub(super) fn wake(&self, id: MemberId) {
        let _ = self.ring(&self.folder.join(id.to_string()), true);
    }

    /// Opens a pipe to write; fails if nobody reads it. Writes a byte where `wake` says so.
    fn ring(&self, path: &Path, wake: bool) -> Result<(), Errno> {
        // To write, it is opened to read as well: a reader who dies just now would make the write raise SIGPIPE. A pipe
        // that is full has woken its reader already.
        let pipe = open_pipe(path, if wake { OFlags::RDWR } else { OFlags::WRONLY })?;
        if wake {
            rustix::io::write(&pipe, &[1])?;
        }
        Ok(())
    }

    fn pipes(&self) -> impl Iterator<Item = (MemberId, PathBuf)> + use<> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some((member(&entry.file_name())?, entry.path())))
    }

    /// Deletes the pipes of those who are long dead.
    fn bury(&self) {
        for (_, path) in self.pipes() {
            let old = std::fs::symlink_metadata(&path)
                .and_then(|facts| facts.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD));
            if old && self.ring(&path, false) == Err(Errno::NXIO) {
                let _ = std::fs::remove_file(&path);
            }
        }
    }
}

impl Own {
    fn new(id: MemberId, path: PathBuf, rights: Rights) -> Result<Self, StoreError> {
        let system = |error| trouble("joining", &path, error);
        let (asleep, waker) =
            Asleep::new().map_err(|error| system(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(system)?;
        epoll::add(&epoll, &asleep, epoll::EventData::new_u64(LOCAL), epoll::EventFlags::IN)
            .map_err(system)?;
        let own = Self { id, path, rights, pipe: Mutex::default(), epoll, asleep, waker };
        own.create(&mut own.pipe.lock())?;
        Ok(own)
    }

    /// Makes the pipe, opens it, and only then gives it the name under which others ask for it.
    fn create(&self, pipe: &mut Option<OwnedFd>) -> Result<(), StoreError> {
        let new = self.path.with_extension("new");
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let made = (|| {
            self.rights.create_folder(folder)?;
            match std::fs::remove_file(&new) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
                }
                _ => self.rights.create_pipe(&new)?,
            }
            let opened = open_pipe(&new, OFlags::RDWR)?;
            epoll::add(&self.epoll, &opened, epoll::EventData::new_u64(STORE), epoll::EventFlags::IN)?;
            rustix::fs::rename(&new, &self.path)?;
            Ok(opened)
        })();
        *pipe = Some(made.map_err(|error| trouble("creating the pipe", &self.path, error))?);
        Ok(())
    }

    /// Puts the pipe back if it is no longer where others look for it. Who wrote to the old one is answered by waking.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let mut pipe = self.pipe.lock();
        let Some(opened) = &*pipe else { return Ok(()) };
        let ours = fstat(opened).map_err(|error| trouble("checking", &self.path, error))?;
        let there = std::fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.st_dev, ours.st_ino)) {
            return Ok(());
        }
        let old = pipe.take();
        let made = self.create(&mut pipe);
        if made.is_err() {
            // Still the proof for those who have the old one open, and still to be put back.
            *pipe = old;
        }
        drop(pipe);
        self.waker.wake();
        made
    }

    /// Another's pipe, to write only: it has an error as soon as nobody reads it.
    pub(super) fn open_other(&self, id: MemberId) -> Result<OwnedFd, Errno> {
        open_pipe(&self.path.with_file_name(id.to_string()), OFlags::WRONLY)
    }

    /// Forgets the wake-ups so far.
    pub(super) fn clear(&self) {
        if let Some(pipe) = &*self.pipe.lock() {
            let mut bytes = [0; 256];
            while matches!(rustix::io::read(pipe, &mut bytes), Ok(1..) | Err(Errno::INTR)) {}
        }
    }

    fn end(&self) {
        if let Some(pipe) = self.pipe.lock().take() {
            let _ = std::fs::remove_file(&self.path);
            drop(pipe);
        }
        self.waker.wake();
    }
}

fn open_pipe(path: &Path, access: OFlags) -> Result<OwnedFd, Errno> {
    open(path, access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

fn member(name: &OsStr) -> Option<MemberId> {
    let name = name.to_str().filter(|name| name.len() == 16)?;
    u64::from_str_radix(name, 16).ok().map(MemberId)
}
