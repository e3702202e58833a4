//! A store in a SQLite file, for the processes of one machine.
//!
//! Four things lie in its folder: `budget.db` with SQLite's own `-wal` and `-shm`; `budget.db-lock`, locked while one
//! process works on the file ([`lock`]); `budget.db-members`, with a named pipe for each member ([`life`]). All of them
//! must be of one kernel: [`filesystem`] refuses what is not, and [`SqliteFile`] refuses a file that another kernel has
//! written to since this one started.

mod database;
mod files;
mod filesystem;
mod kernel;
mod life;
mod lock;
#[cfg(test)]
mod rights_tests;
#[cfg(test)]
mod tests;
mod wake;
#[cfg(test)]
mod watch_tests;

use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::{OptionalExtension, TransactionBehavior, params};
use rustix::fs::{Mode, OFlags};

use self::database::{Database, beside, failure};
use self::files::{Rights, trouble};
use self::life::Members;
use self::lock::LockFile;
use self::wake::FileWakeups;
use super::{Life, MemberId, Read, Store, StoreError, Wakeups, Write};
use crate::clock::WallNanos;

/// So recently, in seconds, must another kernel have written to the file to count as one that still does. A disk may
/// move from one machine to another.
const RECENT: WallNanos = 30;
const SECOND: WallNanos = 1_000_000_000;

/// A SQLite file.
pub(crate) struct SqliteFile {
    path: PathBuf,
    rights: Rights,
    boot: String,
    lock: LockFile,
    members: Members,
    /// `None` before the first use, around a fork, and after an error.
    database: Option<Database>,
    /// The incarnation that this kernel has put its mark on.
    marked: Option<String>,
    warnings: Vec<String>,
}

impl SqliteFile {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let boot = kernel::boot_id()?;
        let path = settled(path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let opened =
            rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| trouble("opening the folder", folder, error))?;
        let warnings = filesystem::check(&opened, &folder.display().to_string())?.into_iter().collect();
        let rights = Rights::of(folder).map_err(|error| {
            let error = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
            trouble("opening the folder", folder, error)
        })?;
        let mut lock = LockFile::new(beside(&path, "-lock"), rights);
        drop(lock.lock()?);
        let members = Members::new(beside(&path, "-members"), rights);
        let mut store = Self { path, rights, boot, lock, members, database: None, marked: None, warnings };
        // Whatever is wrong with the file shows here, not at the first request.
        store.scopes()?;
        Ok(store)
    }

    /// Runs `work` on the database, alone. After an error, the database is opened anew next time.
    fn alone<T>(
        &mut self,
        work: impl FnOnce(&mut Database, &Members, &mut Marks<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.members.check()?;
        let Self { path, rights, boot, lock, members, database, marked, .. } = self;
        let _locked = lock.lock()?;
        if database.as_ref().is_some_and(|database| !database.is_at(path)) {
            *database = None;
        }
        let mut opened = match database.take() {
            Some(opened) => opened,
            None => {
                let alive = members.alive();
                let opened = Database::open(path, *rights, boot, &super::random()?.to_string(), &alive)?;
                // Who knew the former file has to say what it holds.
                alive.into_iter().filter(|_| opened.is_new).for_each(|id| members.wake(id));
                opened
            }
        };
        let done = work(&mut opened, members, &mut Marks { path, boot, marked })?;
        *database = Some(opened);
        Ok(done)
    }
}

impl Store for SqliteFile {
    fn join(&mut self) -> Result<(MemberId, Box<dyn Wakeups>), StoreError> {
        let own = self.members.join(super::random()?)?;
        Ok((own.id, Box::new(FileWakeups::new(own))))
    }

    fn leave(&mut self) {
        self.members.leave();
    }

    fn told_all(&mut self, incarnation: &str) -> Result<(), StoreError> {
        let path = self.path.clone();
        self.alone(|database, members, _| match members.own() {
            Some(own) if database.incarnation == incarnation => {
                database.remove_elder(own).map_err(|error| failure(&path, error))
            }
            _ => Ok(()),
        })
    }

    fn update(
        &mut self,
        scope: &str,
        change: &mut dyn FnMut(&Read<'_>) -> Option<Write>,
    ) -> Result<(), StoreError> {
        let path = self.path.clone();
        let write = self.alone(|database, members, marks| {
            let began = Instant::now();
            let failed = |error| failure(&path, error);
            let incarnation = &database.incarnation;
            let transaction = database
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed)?;
            let now = kernel::now();
            let wall = kernel::wall();
            marks.put(&transaction, incarnation, now as WallNanos, wall)?;
            let elders = || {
                let mut elders = database::elders(&transaction).unwrap_or_default();
                elders.retain(|&id| !members.is_dead(id));
                elders
            };
            let write = {
                let mut select = transaction
                    .prepare_cached("SELECT bytes FROM document WHERE scope = ?1")
                    .map_err(failed)?;
                let bytes: Option<Vec<u8>> =
                    select.query_row([scope], |row| row.get(0)).optional().map_err(failed)?;
                change(&Read {
                    bytes: bytes.as_deref(),
                    now,
                    wall,
                    timeline: marks.boot,
                    incarnation,
                    is_dead: &|id| members.is_dead(id),
                    elders: &elders,
                    began,
                })
            };
            if let Some(write) = &write {
                transaction
                    .prepare_cached(
                        "INSERT INTO document VALUES (?1, ?2, ?3) ON CONFLICT (scope) \
                         DO UPDATE SET bytes = excluded.bytes, written = excluded.written",
                    )
                    .and_then(|mut statement| statement.execute(params![scope, write.bytes, wall]))
                    .map_err(failed)?;
            }
            transaction.commit().map_err(|error| failed(error).unsure())?;
            if write.as_ref().is_some_and(|write| write.durable) {
                // A checkpoint brings the log to the disk, and then the database.
                database
                    .connection
                    .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                    .map_err(|error| failed(error).unsure())?;
            }
            Ok(write)
        })?;
        for id in write.iter().flat_map(|write| &write.wake) {
            self.members.wake(*id);
        }
        Ok(())
    }

    fn scopes(&mut self) -> Result<Vec<String>, StoreError> {
        let path = self.path.clone();
        self.alone(|database, _, _| {
            let read = || -> rusqlite::Result<Vec<String>> {
                let mut select =
                    database.connection.prepare_cached("SELECT scope FROM document ORDER BY scope")?;
                select.query_map([], |row| row.get(0))?.collect()
            };
            read().map_err(|error| failure(&path, error))
        })
    }

    fn life(&self) -> Life {
        Life::Kernel
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn prepare_fork(&mut self) {
        self.database = None;
    }

    fn abandon(self: Box<Self>) {
        let Self { database, members, lock, .. } = *self;
        if let Some(database) = database {
            database.leak();
        }
        members.abandon();
        // Closing a copy unlocks nothing.
        drop(lock);
    }
}

/// The mark that a kernel puts on a file which it writes to.
struct Marks<'a> {
    path: &'a Path,
    boot: &'a str,
    marked: &'a mut Option<String>,
}

impl Marks<'_> {
    /// Marks the file as this kernel's. Refuses it if another kernel uses it at the same time: whether that one's members
    /// live cannot be seen from here.
    fn put(
        &mut self,
        transaction: &rusqlite::Transaction<'_>,
        incarnation: &str,
        uptime: WallNanos,
        wall: WallNanos,
    ) -> Result<(), StoreError> {
        let failed = |error| failure(self.path, error);
        let boot: String = transaction
            .prepare_cached("SELECT boot FROM store WHERE id = 1")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        if boot != self.boot {
            let last: Option<WallNanos> = transaction
                .query_row("SELECT max(written) FROM document", [], |row| row.get(0))
                .map_err(failed)?;
            let last = last.unwrap_or(WallNanos::MIN);
            let since_start = last > wall.saturating_sub(uptime);
            let recently = last.abs_diff(wall) < (RECENT * SECOND) as u64;
            if self.marked.as_deref() == Some(incarnation) || (since_start && recently) {
                return Err(StoreError::refused(format_args!(
                    "{} is used by another kernel at the same time: a virtual machine, or a container with a kernel of \
                     its own. A file serves the processes of one kernel only. Use Redis or Valkey: \
                     \"redis://host:6379/0\". (If the other one has ended, this passes within {RECENT} s)",
                    self.path.display()
                )));
            }
            transaction.execute("UPDATE store SET boot = ?1", [self.boot]).map_err(failed)?;
        }
        if self.marked.as_deref() != Some(incarnation) {
            *self.marked = Some(incarnation.to_owned());
        }
        Ok(())
    }
}

/// The absolute path of a file that need not be there, with its links followed: what lies beside it must be found by
/// everybody, also after a change of the working folder.
fn settled(path: &Path) -> Result<PathBuf, StoreError> {
    let errno =
        |error: &std::io::Error| rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO);
    match path.canonicalize() {
        Ok(path) if path.is_dir() => Err(StoreError::refused(format_args!(
            "{} is a folder; name a file in it: {}",
            path.display(),
            path.join("budget.db").display()
        ))),
        // To open a pipe would wait for its other end, and a device keeps nothing.
        Ok(path) if path.exists() && !path.is_file() => Err(StoreError::refused(format_args!(
            "{} is a device, a pipe or a socket; name a file, or one that is yet to be",
            path.display()
        ))),
        Ok(path) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let settled = folder
                .canonicalize()
                .map_err(|error| trouble("opening the folder", folder, errno(&error)))?;
            Ok(settled.join(path.file_name().unwrap_or_default()))
        }
        Err(error) => Err(trouble("opening", path, errno(&error))),
    }
}
