//! Grants that nobody has come for yet.
//!
//! A grant is a lease. Its waiter may be away: in a loop that is stopped or blocked, in a thread that runs a signal
//! handler, in a future that nobody polls. What it does not come for in time goes back, to others; the waiter itself
//! leaves the queue, where it would only be granted the same again, and returns to its old place in it when it comes.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::clock::Nanos;

use super::turn::Turn;

/// How long a grant waits for its waiter.
pub(super) const LEASE: Nanos = 1_000_000_000;

/// See the [module](self). In the order of their ends. Those that were claimed are dropped when they come to the front.
#[derive(Debug, Default)]
pub(super) struct Leases(VecDeque<(Nanos, Weak<Turn>)>);

impl Leases {
    /// A turn was granted what it waited for, and may claim it until `end`.
    pub fn begin(&mut self, end: Nanos, turn: &Arc<Turn>) {
        self.0.push_back((end, Arc::downgrade(turn)));
    }

    /// When the first grant goes back that is unclaimed.
    pub fn first_end(&mut self) -> Option<Nanos> {
        while let Some((end, turn)) = self.0.front() {
            // Who was dropped has claimed it, or has given it up.
            if turn.upgrade().is_some_and(|turn| turn.is_granted()) {
                return Some(*end);
            }
            self.0.pop_front();
        }
        None
    }

    /// The next one whose time is up at `now`.
    pub fn next_over(&mut self, now: Nanos) -> Option<Arc<Turn>> {
        let end = self.first_end()?;
        if end > now { None } else { self.0.pop_front()?.1.upgrade() }
    }

    /// All grants were settled.
    #[cfg(feature = "python")]
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
