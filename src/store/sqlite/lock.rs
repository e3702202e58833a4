//! One process at a time: a lock of the kernel on a file beside the database.
//!
//! SQLite's own way to wait for a lock lets one writer starve the others. Here all who wait try again after short random
//! pauses, so each gets its turn; the database's own lock stands behind it and is never waited for. The wait is bounded:
//! a process that is stopped while it holds the lock keeps the others from the store, but not from their work.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use super::files::{Rights, trouble};
use crate::store::{StoreError, random_part};

/// For how long a process waits for its turn. The lock is held for some 10 µs, and for a few ms at a checkpoint.
const PATIENCE: Duration = Duration::from_secs(1);
const BRIEF: Duration = Duration::from_micros(100);
const CONTENDED: Duration = Duration::from_millis(200);

/// The file to lock. It may be deleted under way: then the next one who comes creates another.
pub(super) struct LockFile {
    path: PathBuf,
    rights: Rights,
    file: Option<OwnedFd>,
}

/// The lock, held until this is dropped.
pub(super) struct Locked<'a>(&'a OwnedFd);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Not by closing: a child that was forked meanwhile holds a copy of the descriptor.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

impl LockFile {
    pub(super) fn new(path: PathBuf, rights: Rights) -> Self {
        Self { path, rights, file: None }
    }

    /// Waits for the lock, a second at most.
    pub(super) fn lock(&mut self) -> Result<Locked<'_>, StoreError> {
        let begun = Instant::now();
        loop {
            if self.file.is_none() {
                let file = self.rights.open_or_create(&self.path);
                self.file = Some(file.map_err(|error| trouble("opening the lock", &self.path, error))?);
            }
            let file = self.file.as_ref().expect("just opened");
            match flock(file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(file, &self.path) => break,
                // Deleted or replaced: whoever comes later locks another file than this one.
                Ok(()) => self.file = None,
                Err(Errno::WOULDBLOCK) if begun.elapsed() < PATIENCE => {
                    // Pauses that grew with each try would make those who have waited longest the slowest. They grow once:
                    // behind a process that works, nobody waits for so long.
                    let pause = if begun.elapsed() < CONTENDED { BRIEF } else { BRIEF * 20 };
                    std::thread::sleep(random_part(pause));
                }
                Err(Errno::WOULDBLOCK) => return Err(self.stuck()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(trouble("locking", &self.path, error)),
            }
        }
        Ok(Locked(self.file.as_ref().expect("locked")))
    }

    fn stuck(&self) -> StoreError {
        let holder = self.file.as_ref().and_then(holder).map_or_else(
            || "a process holds it that does not go on (perhaps one of another container)".to_owned(),
            |pid| format!("process {pid}{} holds it", what_is(pid)),
        );
        StoreError::away(format_args!(
            "{} was locked for {} s: {holder}. Continue or end that process",
            self.path.display(),
            PATIENCE.as_secs()
        ))
    }
}

fn is_at(file: &OwnedFd, path: &Path) -> bool {
    let (Ok(opened), Ok(there)) = (fstat(file), std::fs::metadata(path)) else { return false };
    (opened.st_dev, opened.st_ino) == (there.dev(), there.ino())
}

/// The process that holds a lock on this file, as far as this container sees it.
fn holder(file: &OwnedFd) -> Option<u32> {
    let inode = format!(":{}", fstat(file).ok()?.st_ino);
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // "3: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"; those who wait have "->" in front.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let held = fields.len() >= 6 && fields[1] == "FLOCK" && fields[5].ends_with(&inode);
        held.then(|| fields[4].parse().ok().filter(|&pid| pid > 0)).flatten()
    })
}

/// " (name, stopped)" of a process.
fn what_is(pid: u32) -> String {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return String::new() };
    let (Some(from), Some(to)) = (stat.find('('), stat.rfind(')')) else { return String::new() };
    let stopped = matches!(stat[to + 1..].split_whitespace().next(), Some("T" | "t"));
    format!(" ({}{})", &stat[from + 1..to], if stopped { ", stopped" } else { "" })
}
