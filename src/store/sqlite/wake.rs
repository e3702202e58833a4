//! What the sleeping thread of a shared file waits for: its member's pipe, the end of others, or a waker of its own process.
//!
//! Who has the pipe of another open for writing is told by the kernel when the last reader is gone: the member has ended.
//! Nothing else that happens to a pipe tells so, and bytes that others write to it do not wake the one that watches.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::life::{CHECK_EACH, ENDED, LOCAL, Own, STORE};
use crate::store::{MemberId, Waker, Wakeups, Woken};

pub(super) struct FileWakeups {
    own: Arc<Own>,
    /// Those who are watched; without a pipe: who had ended when it was to be watched, and was told.
    watched: Vec<(MemberId, Option<OwnedFd>)>,
    /// Whether one has ended that the next sleep is to tell of.
    ended: bool,
}

impl FileWakeups {
    pub(super) fn new(own: Arc<Own>) -> Self {
        Self { own, watched: Vec::new(), ended: false }
    }

    /// Watches them no longer.
    fn forget(&mut self, which: impl Fn(MemberId) -> bool) {
        for (_, pipe) in self.watched.extract_if(.., |(id, _)| which(*id)) {
            if let Some(pipe) = pipe {
                // Closing it would not do: a child that was forked may have a copy.
                let _ = epoll::delete(&self.own.epoll, &pipe);
            }
        }
    }
}

impl Wakeups for FileWakeups {
    fn wait(&mut self, until: Option<Instant>) -> Woken {
        loop {
            if std::mem::take(&mut self.ended) {
                return Woken::Store;
            }
            let own = &self.own;
            let now = Instant::now();
            let check = now + CHECK_EACH;
            let next = until.map_or(check, |until| until.min(check));
            let span = next.saturating_duration_since(now);
            let timeout = Timespec { tv_sec: span.as_secs() as _, tv_nsec: span.subsec_nanos().into() };
            let mut events = [MaybeUninit::uninit(); 4];
            let (mut local, mut store, mut ended) = (false, false, false);
            match epoll::wait(&own.epoll, &mut events, Some(&timeout)) {
                Ok((events, _)) => {
                    for event in events {
                        match event.data.u64() {
                            LOCAL => local = true,
                            STORE => store = true,
                            _ => ended = true,
                        }
                    }
                }
                Err(Errno::INTR) => {}
                // Nothing else can be wrong with a descriptor that is ours. The caller looks, and sleeps again.
                Err(_) => return Woken::Store,
            }
            if store {
                own.clear();
            }
            if local {
                own.asleep.clear();
            }
            if ended {
                // The caller names them anew, those who have not ended.
                self.forget(|_| true);
            }
            if store || ended {
                return Woken::Store;
            }
            if local {
                return Woken::Local;
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Woken::Timeout;
            }
            // An error shows at the next update, which checks the same.
            let _ = self.own.check();
        }
    }

    fn waker(&self) -> Waker {
        self.own.waker.clone()
    }

    fn watch(&mut self, members: &[MemberId]) {
        self.forget(|id| !members.contains(&id));
        for &id in members.iter().filter(|&&id| id != self.own.id) {
            if self.watched.iter().any(|(watched, _)| *watched == id) {
                continue;
            }
            match self.own.open_other(id) {
                Ok(pipe) => {
                    let data = epoll::EventData::new_u64(ENDED);
                    // Nothing is asked for: an error always shows.
                    if epoll::add(&self.own.epoll, &pipe, data, epoll::EventFlags::empty()).is_ok() {
                        self.watched.push((id, Some(pipe)));
                    }
                }
                Err(Errno::NXIO) => {
                    self.ended = true;
                    self.watched.push((id, None));
                }
                // Without a pipe there is nothing to watch: who looks at the store will find out.
                Err(_) => {}
            }
        }
    }
}
