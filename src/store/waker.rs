//! Wakes the sleeping thread of a store from within its process.
//!
//! A pair of sockets, because a thread that sleeps in `poll` wakes for nothing else. Wake-ups are not counted: many
//! that come before the thread looks are one.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::{SendFlags, send};

/// Wakes a sleeping [`Wakeups`](super::Wakeups) from any thread of the process. Clones wake the same sleeper.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<UnixStream>);

impl Waker {
    /// Wakes the sleeper, or keeps it from falling asleep. Never waits and never fails: a full socket wakes already, and
    /// one that is closed has no sleeper.
    pub(crate) fn wake(&self) {
        // Not `write`: where the sleeper is gone, that would raise SIGPIPE, which a program may have set to end it.
        while let Err(rustix::io::Errno::INTR) = send(&*self.0, &[1], SendFlags::NOSIGNAL) {}
    }
}

/// The end that the sleeper polls.
#[derive(Debug)]
pub(super) struct Asleep(UnixStream);

impl Asleep {
    pub(super) fn new() -> std::io::Result<(Self, Waker)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        Ok((Self(ours), Waker(Arc::new(theirs))))
    }

    /// Forgets the wake-ups so far.
    pub(super) fn clear(&self) {
        let mut bytes = [0; 256];
        loop {
            match (&self.0).read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Asleep {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What ended a [`sleep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signals {
    pub(super) local: bool,
    pub(super) store: bool,
}

/// Sleeps until one of both is readable, or `until` has come. A signal does not end the sleep.
pub(super) fn sleep(
    local: &Asleep,
    store: Option<BorrowedFd<'_>>,
    until: Option<std::time::Instant>,
) -> Signals {
    use rustix::event::{PollFd, PollFlags, poll};
    loop {
        let span = until.map(|until| until.saturating_duration_since(std::time::Instant::now()));
        let timeout = span.map(|span| rustix::event::Timespec {
            tv_sec: span.as_secs().min(1 << 30) as _,
            tv_nsec: span.subsec_nanos().into(),
        });
        let mut fds = [
            PollFd::from_borrowed_fd(local.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(store.unwrap_or(local.as_fd()), PollFlags::IN),
        ];
        let fds = if store.is_some() { &mut fds[..] } else { &mut fds[..1] };
        match poll(fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            // Only exhausted memory is left. The caller looks again, as after any wake-up.
            Err(_) => return Signals { local: true, store: false },
            Ok(_) => {
                return Signals {
                    local: !fds[0].revents().is_empty(),
                    store: fds.get(1).is_some_and(|fd| !fd.revents().is_empty()),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wake_up_before_the_sleep_is_not_lost_and_many_are_one() {
        let (asleep, waker) = Asleep::new().expect("a pair");
        (0..10_000).for_each(|_| waker.wake());
        assert!(sleep(&asleep, None, None).local);
        asleep.clear();
        assert!(!sleep(&asleep, None, Some(Instant::now())).local);
    }

    #[test]
    fn another_thread_wakes_the_sleeper() {
        let (asleep, waker) = Asleep::new().expect("a pair");
        let other = std::thread::spawn(move || waker.wake());
        assert!(sleep(&asleep, None, None).local);
        other.join().expect("woke");
    }
}
