//! What the sleeping thread of a shared file waits for: its member's pipe, or a waker of its own process.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::life::{CHECK_EACH, LOCAL, Own, STORE};
use crate::store::{Waker, Wakeups, Woken};

pub(super) struct FileWakeups(pub(super) Arc<Own>);

impl Wakeups for FileWakeups {
    fn wait(&mut self, until: Option<Instant>) -> Woken {
        let own = &self.0;
        loop {
            let now = Instant::now();
            let check = now + CHECK_EACH;
            let next = until.map_or(check, |until| until.min(check));
            let span = next.saturating_duration_since(now);
            let timeout = Timespec { tv_sec: span.as_secs() as _, tv_nsec: span.subsec_nanos().into() };
            let mut events = [MaybeUninit::uninit(); 2];
            let ready = match epoll::wait(&own.epoll, &mut events, Some(&timeout)) {
                Ok((events, _)) => events.iter().fold((false, false), |(local, store), event| {
                    let data = event.data.u64();
                    (local || data == LOCAL, store || data == STORE)
                }),
                Err(Errno::INTR) => (false, false),
                // Nothing else can be wrong with a descriptor that is ours. The caller looks, and sleeps again.
                Err(_) => return Woken::Store,
            };
            if ready.1 {
                own.clear();
            }
            if ready.0 {
                own.asleep.clear();
            }
            match ready {
                (_, true) => return Woken::Store,
                (true, _) => return Woken::Local,
                _ => {}
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Woken::Timeout;
            }
            // An error shows at the next update, which checks the same.
            let _ = own.check();
        }
    }

    fn waker(&self) -> Waker {
        self.0.waker.clone()
    }
}
