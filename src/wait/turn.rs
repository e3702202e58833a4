//! One waiting request: the phases of its wait, whom to wake, and the ticket that gives up when it is dropped.

use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;

use crate::clock::Nanos;
use crate::error::Error;
use crate::gate::{Order, Place, Rank};

use super::pass::HeldUnits;
use super::throttler::Throttler;
use super::wake_groups::WakeGroup;

/// Where a waiting request stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not in the queue yet.
    New,
    Waiting(Place),
    /// It may go: its units are in flight.
    Granted(HeldUnits, QueuedAs),
    /// It was granted and did not come, or waits in a process that has forked: its units, which are in no window, are
    /// what it would ask for. It is not in the queue until it comes.
    Lapsed(HeldUnits, QueuedAs),
    Refused(Error),
    /// Its outcome was taken, or it was cancelled.
    Over,
}

/// What a waiter has a right to, in the queue or out of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueuedAs {
    /// Its place in the order of the queue.
    pub order: Order,
    /// When it came, and when it gives up.
    pub since: Nanos,
    pub deadline: Option<Nanos>,
    /// How long it had waited when it was granted its units; 0 until then.
    pub waited: Nanos,
}

/// What a waiter finds when it comes for its outcome.
#[derive(Debug)]
pub(crate) enum Claim {
    Waiting,
    /// What it was granted has gone back: it must [rejoin](WaitHandle::rejoin) the queue.
    Lapsed,
    /// The outcome; it can be taken once. With it, the request's block begins.
    Over(Result<HeldUnits, Error>),
}

/// A waiting request, as the gate's queue and its waiter share it.
///
/// Its locks are taken only under the throttler's own, so that they are free whenever that one is (a fork relies on
/// it).
#[derive(Debug)]
pub(crate) struct Turn {
    pub(super) group: WakeGroup,
    /// The class of the request, also where it goes before all.
    pub(super) rank: Rank,
    pub(super) phase: Mutex<Phase>,
    pub(super) waker: Mutex<Waker>,
}

impl Turn {
    pub fn new(group: WakeGroup, waker: Waker) -> Self {
        Self { group, rank: Rank::ORDINARY, phase: Mutex::new(Phase::New), waker: Mutex::new(waker) }
    }

    pub(super) fn of_rank(self, rank: Rank) -> Self {
        Self { rank, ..self }
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.lock().clone()
    }

    pub(super) fn is_granted(&self) -> bool {
        matches!(*self.phase.lock(), Phase::Granted(..))
    }
}

/// The place of one waiting request in the queue. Dropping it gives up: a place is left, and units granted but not
/// used go back as if they had never been taken.
#[derive(Debug)]
pub(crate) struct WaitHandle {
    throttler: Throttler,
    turn: Arc<Turn>,
}

impl WaitHandle {
    pub(super) fn new(throttler: Throttler, turn: Arc<Turn>) -> Self {
        Self { throttler, turn }
    }

    /// Comes for the outcome.
    pub fn claim(&self) -> Claim {
        self.throttler.claim(&self.turn)
    }

    /// Returns to its old place in the queue, if it had to leave it. A [claim](WaitHandle::claim) should follow.
    pub fn rejoin(&self) {
        self.throttler.rejoin(&self.turn);
    }

    /// The outcome, once there is one; until then, the request is in the queue.
    pub fn take(&self) -> Option<Result<HeldUnits, Error>> {
        loop {
            match self.claim() {
                Claim::Over(outcome) => return Some(outcome),
                Claim::Waiting => return None,
                Claim::Lapsed => self.rejoin(),
            }
        }
    }

    /// Replaces whom to wake.
    pub fn set_waker(&self, waker: &Waker) {
        let old = {
            let _lock = self.throttler.shared.lock();
            let mut current = self.turn.waker.lock();
            if current.will_wake(waker) {
                return;
            }
            std::mem::replace(&mut *current, waker.clone())
        };
        drop(old);
    }

    /// What the queue knows of this request.
    pub fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }
}

impl Drop for WaitHandle {
    fn drop(&mut self) {
        self.throttler.cancel(&self.turn);
    }
}
