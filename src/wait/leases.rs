//! Leases: grants that nobody has come for yet.
//!
//! A grant is a lease. Its waiter may be away: in a loop that is stopped or blocked, in a thread that runs a signal
//! handler, in a future that nobody polls. What it does not come for in time goes back as soon as somebody waits who is not
//! away for the same reason; the waiter itself leaves the queue, where it would only be granted the same again, and returns
//! to its old place in it when it comes.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::clock::Nanos;

use super::turn::Turn;

/// How long a grant waits for its waiter.
pub(super) const LEASE: Nanos = 1_000_000_000;

/// See the [module](self). Those that were claimed are dropped when it is their turn.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// In the order of their ends.
    running: VecDeque<(Nanos, Weak<Turn>)>,
    /// Over, and of use to nobody yet.
    over: Vec<Weak<Turn>>,
}

/// Who has not come for its grant. Who was dropped has claimed it, or has given it up.
fn unclaimed(turn: &Weak<Turn>) -> Option<Arc<Turn>> {
    turn.upgrade().filter(|turn| turn.is_granted())
}

/// Whether a lease is kept: it is unclaimed, and not to be taken back.
fn keep(turn: &Weak<Turn>, takes_back: impl Fn(&Turn) -> bool, back: &mut Vec<Arc<Turn>>) -> bool {
    let unclaimed = unclaimed(turn);
    let keeps = unclaimed.as_deref().is_some_and(|turn| !takes_back(turn));
    back.extend(unclaimed.filter(|_| !keeps));
    keeps
}

impl Leases {
    /// A turn was granted what it waited for, and may claim it until `end`.
    pub fn begin(&mut self, end: Nanos, turn: &Arc<Turn>) {
        self.running.push_back((end, Arc::downgrade(turn)));
    }

    /// When the next grant goes back that is unclaimed.
    pub fn first_end(&mut self) -> Option<Nanos> {
        while let Some((end, turn)) = self.running.front() {
            if unclaimed(turn).is_some() {
                return Some(*end);
            }
            self.running.pop_front();
        }
        None
    }

    /// The next one whose time is up at `now`.
    pub fn next_over(&mut self, now: Nanos) -> Option<Arc<Turn>> {
        self.first_end().filter(|&end| end <= now)?;
        let turn = self.running.pop_front()?.1.upgrade()?;
        self.over.push(Arc::downgrade(&turn));
        Some(turn)
    }

    /// Whether the time of any is up: should one more wait, that may be somebody who can use it.
    pub fn any_over(&self) -> bool {
        !self.over.is_empty()
    }

    /// Those whose time is up and whose grant others can use.
    pub fn take_back(&mut self, others_can_use: impl Fn(&Turn) -> bool) -> Vec<Arc<Turn>> {
        let mut back = Vec::new();
        self.over.retain(|turn| keep(turn, &others_can_use, &mut back));
        back
    }

    /// Those whose waiters cannot come before their time is up.
    pub fn take_running(&mut self, cannot_come: impl Fn(&Turn) -> bool) -> Vec<Arc<Turn>> {
        let mut back = Vec::new();
        self.running.retain(|(_, turn)| keep(turn, &cannot_come, &mut back));
        back
    }

    /// All grants were settled.
    pub fn clear(&mut self) {
        self.running.clear();
        self.over.clear();
    }
}
