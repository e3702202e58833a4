//! The user's own folder for sockets: nobody else may look into it, so nobody else can connect.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, geteuid, test_kill_process};

/// The folders that are private, each made if it is not there, best first: one may be full, or its path too long for a socket.
pub(super) fn private() -> impl Iterator<Item = PathBuf> {
    let user = geteuid().as_raw();
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let of_system = PathBuf::from(format!("/run/user/{user}"));
    let by_runtime = runtime.into_iter().chain([of_system]).filter(move |path| is_of(path, user));
    let by_runtime = by_runtime.map(|path| path.join("sluicegate"));
    let by_temporary = [env::temp_dir().join(format!("sluicegate-{user}"))];
    by_runtime.chain(by_temporary).filter(move |path| make_private(path, user).is_ok())
}

/// Whether a folder is this user's. A link is not followed.
fn is_of(path: &Path, user: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir() && about.uid() == user)
}

fn make_private(path: &Path, user: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let about = fs::symlink_metadata(path)?;
    if about.is_dir() && about.uid() == user && about.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::ErrorKind::PermissionDenied.into())
}

/// Removes the sockets of processes that have ended without removing theirs.
pub(super) fn tidy(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.split('-').next()?.parse().ok()) else { continue };
        // In another container the number may be that of a process which is not seen here: it would answer.
        let is_gone = Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_err());
        let refuses = || std::os::unix::net::UnixStream::connect(entry.path()).is_err();
        if is_gone && refuses() {
            let _ = fs::remove_file(entry.path());
        }
    }
}
