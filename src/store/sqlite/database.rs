//! The database: one row of facts about the file, and one row for each scope's document.
//!
//! Everything here runs under the lock beside the file. SQLite keeps the locks of a process in one table of that
//! process, so a forked child that opens the same file would believe that it holds its parent's locks, which it does
//! not; and closing any descriptor of the file drops them. So a connection is closed before a fork, nothing but SQLite
//! ever opens the file, and a child whose parent had it open at the fork is refused.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::files::{Rights, trouble};
use crate::store::{MemberId, StoreError};

/// "slce", so that `file` and others can tell whose database it is.
const APPLICATION: i32 = 0x736C_6365;
const SCHEMA: i32 = 1;

const CREATE: &str = "
    CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        incarnation TEXT NOT NULL,
        boot TEXT NOT NULL
    ) STRICT;
    CREATE TABLE document (
        scope TEXT PRIMARY KEY,
        bytes BLOB NOT NULL,
        written INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE elder (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// Device and inode: which file it is, whatever its name.
type Inode = (u64, u64);

/// The files that a process has open through SQLite, how often, and which process it is.
static OPEN: Mutex<Option<HashMap<Inode, (u32, usize)>>> = Mutex::new(None);

/// An open file.
pub(super) struct Database {
    pub(super) connection: Connection,
    /// A random number that the file got when it was made.
    pub(super) incarnation: String,
    /// Whether it was made just now.
    pub(super) is_new: bool,
    inode: Inode,
}

impl Database {
    /// Opens the file, or makes it. `random` becomes the number of a new one; who is `alive` then may hold units that
    /// were in a former one.
    pub(super) fn open(
        path: &Path,
        rights: Rights,
        boot: &str,
        random: &str,
        alive: &[MemberId],
    ) -> Result<Self, StoreError> {
        let inode = match inode(path) {
            Some(inode) => inode,
            None => create(path, rights)?,
        };
        let entry = OpenFile::new(inode, path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(Duration::from_secs(1))?;
            // The last one who closes would delete the files beside the database by their names, which may be another's
            // by then.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(connection)
        };
        let failed = |error| failure(path, error);
        let mut connection = open().map_err(failed)?;
        let number =
            |connection: &Connection, name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
        let application: i32 = number(&connection, "application_id").map_err(failed)?;
        let schema: i32 = number(&connection, "user_version").map_err(failed)?;
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        let new = application == 0 && schema == 0 && tables == 0;
        if !new && application != APPLICATION {
            return Err(StoreError::refused(format_args!(
                "{} is a database of another program. Name a file of its own for the shared budget",
                path.display()
            )));
        }
        if !new && schema != SCHEMA {
            return Err(StoreError::refused(format_args!(
                "{} was made by another version of sluicegate (its schema is {schema}, this one reads {SCHEMA}). Use \
                 the same version in all bots, or another file",
                path.display()
            )));
        }
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .map_err(failed)?;
        if mode != "wal" {
            return Err(StoreError::refused(format_args!(
                "{} cannot hold a shared budget: SQLite cannot share memory in this folder (its journal is {mode:?}, not \
                 \"wal\"). Use a folder on a local disk, or Redis or Valkey: \"redis://host:6379/0\"",
                path.display()
            )));
        }
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        if new {
            let make = |connection: &mut Connection| -> rusqlite::Result<()> {
                let transaction = connection.transaction()?;
                transaction.execute_batch(CREATE)?;
                transaction.execute("INSERT INTO store VALUES (1, ?1, ?2)", [random, boot])?;
                for id in alive {
                    transaction.execute("INSERT INTO elder VALUES (?1)", [id.to_string()])?;
                }
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", SCHEMA)?;
                transaction.commit()
            };
            make(&mut connection).map_err(failed)?;
        }
        let incarnation = connection
            .query_row("SELECT incarnation FROM store WHERE id = 1", [], |row| row.get(0))
            .map_err(failed)?;
        entry.keep();
        Ok(Self { connection, incarnation, is_new: new, inode })
    }

    pub(super) fn remove_elder(&self, id: MemberId) -> rusqlite::Result<()> {
        let known = elders(&self.connection)?.contains(&id);
        if known {
            self.connection.execute("DELETE FROM elder WHERE id = ?1", [id.to_string()])?;
        }
        Ok(())
    }

    /// Whether the file is still the one at its path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        inode(path) == Some(self.inode)
    }

    /// In a forked child: neither uses nor closes what is the parent's.
    pub(super) fn leak(self) {
        std::mem::forget(self);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        release(self.inode);
    }
}

/// A place in the list of open files, given back unless the file is opened.
struct OpenFile(Inode);

impl OpenFile {
    fn new(inode: Inode, path: &Path) -> Result<Self, StoreError> {
        let mut open = OPEN.lock();
        let me = std::process::id();
        let entry = open.get_or_insert_default().entry(inode).or_insert((me, 0));
        if entry.0 != me {
            return Err(StoreError::refused(format_args!(
                "{} was open in process {} when it forked this one ({me}), so this one cannot open it safely. Fork \
                 through os.fork or multiprocessing, or start a new program instead",
                path.display(),
                entry.0
            )));
        }
        entry.1 += 1;
        Ok(Self(inode))
    }

    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        release(self.0);
    }
}

fn release(inode: Inode) {
    let mut open = OPEN.lock();
    let Some(open) = &mut *open else { return };
    if let Some(entry) = open.get_mut(&inode) {
        entry.1 -= 1;
        if entry.1 == 0 {
            open.remove(&inode);
        }
    }
}

fn inode(path: &Path) -> Option<Inode> {
    std::fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino()))
}

/// Makes an empty file with the folder's rights. What is left of a former one must not be read into it.
fn create(path: &Path, rights: Rights) -> Result<Inode, StoreError> {
    for end in ["-wal", "-shm", "-journal"] {
        match std::fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let error = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
                return Err(trouble("deleting", &beside(path, end), error));
            }
            _ => {}
        }
    }
    // Closing it drops no lock: nobody can have locked a file that was not there. Another store of this process cannot
    // have opened it meanwhile, because the lock beside it is held.
    rights.open_or_create(path).map_err(|error| trouble("creating", path, error))?;
    inode(path).ok_or_else(|| trouble("creating", path, rustix::io::Errno::NOENT))
}

/// Who lived when the file was made, and may hold units that no document knows of.
pub(super) fn elders(connection: &Connection) -> rusqlite::Result<Vec<MemberId>> {
    let mut select = connection.prepare_cached("SELECT id FROM elder ORDER BY id")?;
    let ids = select.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(ids.iter().filter_map(|id| u64::from_str_radix(id, 16).ok()).map(MemberId).collect())
}

/// The path with something behind its name.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// What an error of SQLite means here.
pub(super) fn failure(path: &Path, error: rusqlite::Error) -> StoreError {
    let shown = path.display();
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::corrupt(format_args!(
            "{shown} holds what sluicegate did not write: {error}. {}",
            NEW
        ));
    };
    match code {
        ErrorCode::DiskFull => {
            StoreError::away(format_args!("the disk of {shown} is full ({error}). Make room on it"))
        }
        ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::CannotOpen
        | ErrorCode::AuthorizationForStatementDenied => StoreError::denied(format_args!(
            "{shown} cannot be written ({error}). This process (user id {}) needs the right to write to the file, to \
                 the files beside it and to their folder",
            rustix::process::geteuid().as_raw()
        )),
        ErrorCode::DatabaseCorrupt => {
            StoreError::corrupt(format_args!("{shown} is damaged ({error}). {NEW}"))
        }
        ErrorCode::NotADatabase => StoreError::corrupt(format_args!(
            "{shown} is another program's file, or a damaged one ({error}). Name a file that is yet to be. If the bots made \
             this one: {}{}",
            NEW[..1].to_lowercase(),
            &NEW[1..]
        )),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::away(format_args!(
            "another program has locked {shown} ({error}). Close whatever has it open, such as the sqlite3 shell"
        )),
        _ => StoreError::away(format_args!("{shown} cannot be used now ({error})")),
    }
}

const NEW: &str = "Delete it and the files beside it with the same name; the bots then make a new one";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{Folder, add};
    use crate::store::{StoreErrorKind, open};

    /// A child has its parent's memory: the list says that another process opened the file.
    #[test]
    fn a_child_whose_parent_had_the_file_open_is_refused() {
        let folder = Folder::new();
        let mut store = open(&folder.address()).expect("opens");
        add(&mut *store).expect("alone");
        let inode = inode(&folder.0.join("budget.db")).expect("there");
        let parent = |pid: u32| {
            if let Some(entry) = OPEN.lock().as_mut().and_then(|open| open.get_mut(&inode)) {
                entry.0 = pid;
            }
        };
        parent(1);
        let error = open(&folder.address()).err().expect("a child");
        assert_eq!(error.kind(), StoreErrorKind::Refused);
        assert!(error.to_string().contains("open in process 1 when it forked this one"), "{error}");
        parent(std::process::id());
        store.prepare_fork();
        assert!(OPEN.lock().as_ref().is_none_or(|open| !open.contains_key(&inode)));
        add(&mut *open(&folder.address()).expect("opens")).expect("nothing is left of the parent");
    }
}
