//! One process at a time: a lock of the kernel on a file beside the database.
//!
//! SQLite's own way to wait for a lock lets one writer starve the others. Here all who wait try again after short random
//! pauses, so each gets its turn; the database's own lock stands behind it and is never waited for. Of one process, only
//! one thread at a time stands for the lock. The wait is bounded: a process that is stopped while it holds the lock keeps
//! the others from the store, but not from their work.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use super::files::{Rights, trouble};
use crate::store::{StoreError, random_part};

/// For how long a process waits while the same one holds the lock. It is held for some 10 µs; with a hundred members for
/// a millisecond, and for a few ms at a checkpoint.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how long it waits in a crowd in which others come and go.
const LONGEST: Duration = Duration::from_secs(4);
/// How often it looks who holds the lock.
const LOOK: Duration = Duration::from_millis(100);
const BRIEF: Duration = Duration::from_micros(100);
const CONTENDED: Duration = Duration::from_millis(200);

/// The threads of this process that want the same lock, one at a time; and the last wait that was in vain.
type LockWaiters = Mutex<Option<(Instant, StoreError)>>;

static QUEUES: Mutex<Option<HashMap<PathBuf, Weak<LockWaiters>>>> = Mutex::new(None);

/// The queue of all in this process that lock this file.
fn queue(path: &Path) -> Arc<LockWaiters> {
    let mut queues = QUEUES.lock();
    let queues = queues.get_or_insert_default();
    queues.retain(|_, queue| queue.strong_count() > 0);
    queues.get(path).and_then(Weak::upgrade).unwrap_or_else(|| {
        let queue = Arc::new(LockWaiters::default());
        queues.insert(path.to_owned(), Arc::downgrade(&queue));
        queue
    })
}

/// The file to lock. It may be deleted under way: then the next one who comes creates another.
pub(super) struct LockFile {
    path: PathBuf,
    rights: Rights,
    file: Option<OwnedFd>,
    queue: Arc<LockWaiters>,
}

/// The lock, held until this is dropped.
pub(super) struct Locked<'a> {
    file: &'a OwnedFd,
    turn: Option<MutexGuard<'a, Option<(Instant, StoreError)>>>,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Not by closing: a child that was forked meanwhile holds a copy of the descriptor.
        let _ = flock(self.file, FlockOperation::Unlock);
        if let Some(turn) = self.turn.take() {
            // To the one that has waited longest.
            MutexGuard::unlock_fair(turn);
        }
    }
}

/// Who holds a lock, and since when nobody else was seen to.
struct Holder {
    pid: Option<u32>,
    since: Instant,
    looked: Instant,
}

impl Holder {
    fn look(&mut self, file: &OwnedFd) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let pid = holder(file);
        if pid != self.pid {
            (self.pid, self.since) = (pid, self.looked);
        }
    }
}

impl LockFile {
    pub(super) fn new(path: PathBuf, rights: Rights) -> Self {
        Self { queue: queue(&path), path, rights, file: None }
    }

    /// Waits for the lock: a second at most for one and the same process.
    pub(super) fn lock(&mut self) -> Result<Locked<'_>, StoreError> {
        let begun = Instant::now();
        let Some(mut turn) = self.queue.try_lock_for(LONGEST) else { return Err(self.crowded()) };
        // Who waited in vain meanwhile waited for all.
        if let Some((_, error)) = turn.as_ref().filter(|(at, _)| *at >= begun) {
            return Err(error.clone());
        }
        let mut held = Holder { pid: None, since: Instant::now(), looked: Instant::now() };
        loop {
            if self.file.is_none() {
                let file = self.rights.open_or_create(&self.path);
                self.file = Some(file.map_err(|error| trouble("opening the lock", &self.path, error))?);
            }
            let file = self.file.as_ref().expect("just opened");
            match flock(file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(file, &self.path) => break,
                // Deleted or replaced: who comes later locks another file than this one.
                Ok(()) => self.file = None,
                Err(Errno::WOULDBLOCK) => {
                    held.look(file);
                    let error = match () {
                        () if held.since.elapsed() >= PATIENCE => self.stuck(),
                        () if begun.elapsed() >= LONGEST => self.crowded(),
                        () => {
                            // Pauses that grew with each try would make those who have waited longest the slowest. They
                            // grow once: behind a process that works, nobody waits for so long.
                            let pause = if begun.elapsed() < CONTENDED { BRIEF } else { BRIEF * 20 };
                            std::thread::sleep(random_part(pause));
                            continue;
                        }
                    };
                    *turn = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(trouble("locking", &self.path, error)),
            }
        }
        Ok(Locked { file: self.file.as_ref().expect("locked"), turn: Some(turn) })
    }

    fn crowded(&self) -> StoreError {
        StoreError::away(format_args!(
            "{} was locked by others in turn for {} s: too many processes share it, or the machine is very busy",
            self.path.display(),
            LONGEST.as_secs()
        ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::Folder;

    fn locks(path: &Path) -> LockFile {
        LockFile::new(path.to_owned(), Rights::of(path.parent().expect("a folder")).expect("rights"))
    }

    #[test]
    fn threads_of_one_process_take_the_lock_in_turn_and_none_is_refused_in_a_crowd() {
        let folder = Folder::new();
        let path = folder.0.join("budget.db-lock");
        std::thread::scope(|scope| {
            for _ in 0..30 {
                // Longer in all than anybody waits for one that stands still.
                scope.spawn(|| {
                    let mut lock = locks(&path);
                    let locked = lock.lock().expect("its turn");
                    std::thread::sleep(PATIENCE / 20);
                    drop(locked);
                });
            }
        });
        queue(Path::new("/another"));
        assert!(QUEUES.lock().as_ref().is_some_and(|queues| !queues.contains_key(&path)), "nobody wants it");
    }

    #[test]
    fn who_stands_behind_one_that_waited_in_vain_does_not_wait_again() {
        let folder = Folder::new();
        let path = folder.0.join("budget.db-lock");
        let (mut first, mut next) = (locks(&path), locks(&path));
        let other = first.rights.open_or_create(&path).expect("opens");
        flock(&other, FlockOperation::LockExclusive).expect("another holds it");
        let vain = first.lock().map(drop).expect_err("waited in vain");
        let (at, told) = first.queue.lock().clone().expect("is told to those behind it");
        assert_eq!(told, vain);
        flock(&other, FlockOperation::Unlock).expect("is free");
        // As if `next` had come before the other wait ended: it does not even try, though the lock is free.
        *first.queue.lock() = Some((at + Duration::from_secs(3600), told));
        assert_eq!(next.lock().map(drop), Err(vain.clone()));
        // Who comes after it tries.
        *first.queue.lock() = Some((at, vain));
        assert!(next.lock().is_ok());
    }
}
