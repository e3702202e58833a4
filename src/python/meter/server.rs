//! The thread that answers: it sleeps until somebody connects, or until it is to end.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::ops::Deref;
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::snapshot;

/// Who connects must read within so many seconds.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Python code may run in it: that of a cache's owner.
const STACK: usize = 1 << 20;

/// A descriptor that is closed only while it is still that of the same file. A program that becomes a daemon closes all that
/// are open; the next files that it opens get their numbers, and must not be closed for these.
struct Own<T: AsFd + IntoRawFd> {
    file: Option<T>,
    /// The number of the file, which no other open one has.
    inode: u64,
}

impl<T: AsFd + IntoRawFd> Own<T> {
    fn new(file: T) -> io::Result<Self> {
        let inode = rustix::fs::fstat(&file)?.st_ino;
        Ok(Self { file: Some(file), inode })
    }
}

impl<T: AsFd + IntoRawFd> Drop for Own<T> {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if rustix::fs::fstat(&file).is_ok_and(|about| about.st_ino == self.inode) {
            drop(file);
        } else {
            let _not_ours = file.into_raw_fd();
        }
    }
}

impl<T: AsFd + IntoRawFd> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.file.as_ref().expect("it is taken when it is dropped")
    }
}

/// A socket, and the thread behind it.
pub(super) struct Server {
    thread: JoinHandle<()>,
    /// Closing it ends the thread.
    stop: Own<UnixStream>,
    path: PathBuf,
}

impl Server {
    /// Offers a socket in this folder.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{}-{:08x}", std::process::id(), since_1970.subsec_nanos());
        let (new, path) = (folder.join(&name), folder.join(format!("{name}.sock")));
        let listener = Own::new(UnixListener::bind(&new)?)?;
        // Who finds it by this name finds it listening.
        fs::rename(&new, &path)?;
        listener.set_nonblocking(true)?;
        let (stop, stopped) = UnixStream::pair()?;
        let (stop, stopped) = (Own::new(stop)?, Own::new(stopped)?);
        let thread = thread::Builder::new()
            .name("sluicegate".to_owned())
            .stack_size(STACK)
            .spawn(move || serve(&listener, &stopped))
            .inspect_err(|_| drop(fs::remove_file(&path)))?;
        Ok(Self { thread, stop, path })
    }

    /// Takes the socket away, and waits for the thread, which may need the interpreter to come to its end.
    pub fn end(self) {
        let _ = fs::remove_file(&self.path);
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// Whether `wanted` comes true of a socket before this thread is to end, or anybody's patience.
fn comes(socket: impl AsFd, wanted: PollFlags, stopped: &UnixStream, within: Option<&Timespec>) -> bool {
    loop {
        let mut both = [PollFd::new(stopped, PollFlags::IN), PollFd::new(&socket, wanted)];
        match poll(&mut both, within) {
            Ok(0) => return false,
            Ok(_) => return both[0].revents().is_empty(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn serve(listener: &UnixListener, stopped: &UnixStream) {
    while comes(listener, PollFlags::IN, stopped, None) {
        match listener.accept() {
            Ok((stream, _)) if is_own(&stream) => answer(stream, stopped),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {}
            // No descriptor is free, or the like: to go on at once would be to spin.
            Err(_) => {
                if comes(stopped, PollFlags::IN, stopped, Some(&PATIENCE)) {
                    return;
                }
            }
        }
    }
}

/// Whether the same user connects, or root. The folder is private; this is for one whose rights were changed.
fn is_own(stream: &UnixStream) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let user = rustix::process::geteuid();
        rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == user || peer.uid.is_root())
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = stream;
        true
    }
}

fn answer(mut stream: UnixStream, stopped: &UnixStream) {
    let Some(read) = Python::try_attach(snapshot::read) else { return };
    let text = read.json();
    let mut rest = text.as_bytes();
    if stream.set_nonblocking(true).is_err() {
        return;
    }
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return,
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !comes(&stream, PollFlags::OUT, stopped, Some(&PATIENCE)) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}
