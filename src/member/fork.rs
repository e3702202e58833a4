//! Forks: the child is a new member with nothing in hand.
//!
//! A fork copies every lock as it is. So no thread that takes part is within a gate or a store while the process forks. It
//! says by a counter that it goes in, and the thread that forks says by another one that it is about to: no lock, because a
//! fork would copy that one, too.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::wait::Throttler;

use super::seat::Seat;

/// How many threads are within a gate or a store.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// How many threads are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// How often one side looks whether the other is done.
const LOOK: Duration = Duration::from_micros(200);

/// Every throttler that is shared. Locked only by a thread that is inside, or that forks.
static SEATS: Mutex<Vec<Weak<Seat>>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread is inside.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Leaves when it is dropped, whatever ends the work.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        IS_INSIDE.set(true);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        IS_INSIDE.set(false);
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs `f` in a thread that takes part: no fork comes within it. A thread that is inside already stays so.
pub(super) fn guarded<T>(f: impl FnOnce() -> T) -> T {
    if IS_INSIDE.get() {
        return f();
    }
    loop {
        let inside = Inside::enter();
        if FORKING.load(Ordering::SeqCst) == 0 {
            return f();
        }
        drop(inside);
        std::thread::sleep(LOOK);
    }
}

/// Waits until no thread is inside, or until `until`.
pub(super) fn wait_until_outside(until: Instant) {
    while INSIDE.load(Ordering::SeqCst) > 0 && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
}

pub(super) fn register(seat: &Arc<Seat>) {
    let mut seats = SEATS.lock();
    seats.retain(|other| other.strong_count() > 0);
    seats.push(Arc::downgrade(seat));
}

/// All throttlers that are shared.
pub(super) fn seats() -> Vec<Arc<Seat>> {
    SEATS.lock().iter().filter_map(Weak::upgrade).collect()
}

pub(super) fn seat_of(throttler: &Throttler) -> Option<Arc<Seat>> {
    seats().into_iter().find(|seat| seat.throttler.is_of(throttler))
}

/// To be called before a fork, by the thread that forks, with `wait` to run what waits for other threads: these may need
/// the interpreter to get out. [`after_fork_in_parent`] or [`after_fork_in_child`] must follow.
pub(crate) fn before_fork(wait: impl FnOnce(&(dyn Fn() + Sync))) {
    FORKING.fetch_add(1, Ordering::SeqCst);
    if INSIDE.load(Ordering::SeqCst) > 0 {
        wait(&|| {
            while INSIDE.load(Ordering::SeqCst) > 0 {
                std::thread::sleep(LOOK);
            }
        });
    }
    for seat in seats() {
        if let Some(store) = &mut *seat.store.lock() {
            store.prepare_fork();
        }
    }
}

/// To be called in the parent after a fork.
pub(crate) fn after_fork_in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// To be called in the child after a fork, after its gates began anew.
pub(crate) fn after_fork_in_child() {
    INSIDE.store(0, Ordering::SeqCst);
    IS_INSIDE.set(false);
    FORKING.store(0, Ordering::SeqCst);
    for seat in seats() {
        if let Some(store) = seat.store.lock().take() {
            store.abandon();
        }
        seat.rest();
        if let Some(throttler) = seat.throttler.upgrade() {
            throttler.hold_nothing();
        }
    }
}
