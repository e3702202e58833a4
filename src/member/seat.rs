//! What a throttler and its member's thread share: who wakes whom, and what is left when either ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::Nanos;
use crate::store::{MemberId, Store, Waker};
use crate::wait::{Sharer, WeakThrottler};

use super::options::Share;
use super::part::SharedGate;

/// See the [module](self).
pub(super) struct Seat {
    pub share: Share,
    pub throttler: WeakThrottler,
    /// The store, while it is open. Who locks it holds [`super::fork`]'s lock before.
    pub store: Mutex<Option<Box<dyn Store>>>,
    waker: Mutex<Option<Waker>>,
    /// Which of the document's members this is, while it takes part.
    member: Mutex<Option<crate::share::MemberId>>,
    /// The gate of a throttler that is gone.
    pub last: Mutex<Option<(SharedGate, Nanos)>>,
    /// The thread is to give back what it holds, and to end.
    closing: AtomicBool,
    /// No thread runs: in a forked child, until something is wanted.
    idle: AtomicBool,
    ended: Mutex<bool>,
    has_ended: Condvar,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("share", &self.share).finish_non_exhaustive()
    }
}

impl Seat {
    pub fn new(share: Share, throttler: WeakThrottler) -> Self {
        Self {
            share,
            throttler,
            store: Mutex::new(None),
            waker: Mutex::new(None),
            member: Mutex::new(None),
            last: Mutex::new(None),
            closing: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            ended: Mutex::new(false),
            has_ended: Condvar::new(),
        }
    }

    /// It has joined, as this member.
    pub fn joined(&self, member: MemberId, waker: Waker) {
        *self.member.lock() = Some(id(member));
        *self.waker.lock() = Some(waker);
    }

    /// Which of the document's members this is; `None` in a forked child that has asked for nothing yet.
    pub fn member(&self) -> Option<crate::share::MemberId> {
        *self.member.lock()
    }

    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.lock() {
            waker.wake();
        }
    }

    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        if self.idle.load(Ordering::SeqCst) {
            // There is no thread, and nothing is held.
            self.end();
        }
        self.wake();
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// The thread has ended, whatever it could still do.
    pub fn end(&self) {
        *self.ended.lock() = true;
        self.has_ended.notify_all();
    }

    /// Waits until the thread has ended; whether it did in time.
    pub fn wait_for_end(&self, at_most: Duration) -> bool {
        let mut ended = self.ended.lock();
        if !*ended {
            self.has_ended.wait_for(&mut ended, at_most);
        }
        *ended
    }

    /// In a forked child: there is no thread, and nothing of the store.
    pub fn rest(&self) {
        self.idle.store(true, Ordering::SeqCst);
        *self.waker.lock() = None;
        *self.member.lock() = None;
        if self.is_closing() {
            self.end();
        }
    }
}

impl Sharer for Arc<Seat> {
    fn wanted(&self) {
        if !self.is_closing() && self.idle.swap(false, Ordering::SeqCst) {
            super::thread::start(self.clone(), None);
        }
        self.wake();
    }

    fn member(&self) -> Option<u64> {
        Seat::member(self).map(|member| member.0)
    }

    fn ended(&self, last: SharedGate, now: Nanos) {
        *self.last.lock() = Some((last, now));
        self.close();
    }
}

/// The identity of a member in the rules is the one that the store gave it.
pub(super) fn id(id: MemberId) -> crate::share::MemberId {
    crate::share::MemberId(id.0)
}
