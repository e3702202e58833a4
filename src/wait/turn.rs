//! One request's wait for its turn.

use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;

use crate::error::Error;
use crate::gate::Place;

use super::pass::Charge;
use super::throttler::Throttler;
use super::watch::Station;

/// Where a waiting request stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not in the queue yet.
    New,
    Waiting(Place),
    /// It may go: its units are in flight.
    Granted(Charge),
    Refused(Error),
    /// Its outcome was taken, or it was cancelled.
    Over,
}

/// A waiting request, as the gate's queue and whoever waits share it.
///
/// Its locks are taken only under the throttler's own, so that they are free whenever that one is (a fork relies on
/// it).
#[derive(Debug)]
pub(crate) struct Turn {
    pub(super) station: Station,
    pub(super) phase: Mutex<Phase>,
    pub(super) waker: Mutex<Waker>,
}

impl Turn {
    pub fn new(station: Station, waker: Waker) -> Self {
        Self { station, phase: Mutex::new(Phase::New), waker: Mutex::new(waker) }
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.lock().clone()
    }
}

/// The place of one waiting request in the queue. Dropping it gives up: a place is left, and units granted but not
/// used go back as if they had never been taken.
#[derive(Debug)]
pub(crate) struct Ticket {
    throttler: Throttler,
    turn: Arc<Turn>,
}

impl Ticket {
    pub(super) fn new(throttler: Throttler, turn: Arc<Turn>) -> Self {
        Self { throttler, turn }
    }

    /// The outcome, once there is one; it can be taken once. With it, the request's block begins.
    pub fn take(&self) -> Option<Result<Charge, Error>> {
        self.throttler.begin(&self.turn)
    }

    /// Replaces whom to wake.
    #[cfg(feature = "tokio")]
    pub fn set_waker(&self, waker: &Waker) {
        self.throttler.set_waker(&self.turn, waker);
    }

    /// What the queue knows of this request.
    pub fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.throttler.cancel(&self.turn);
    }
}
