//! Blocks within blocks: how a request that waits within the block of another does not wait for itself.
//!
//! A request may be made within the block of another one, which cannot be left before the inner one has passed. Where
//! units in flight alone keep the inner one from passing, its wait might never end: the outer block may hold what it
//! waits for, or what another inner request waits for whose outer block holds what this one needs. So for as long as
//! it waits, its outer blocks *yield*: their units count down as if they had been answered. Once it has passed, they are
//! in flight again until their blocks end, whether there is room or not. While a request waits, its outer block sends
//! nothing, so that its own request is counted by every window of the server in which it arrived; the others come late
//! by as much, except where the wait took longer than an interval: then they may have used those units meanwhile.
//!
//! Why everybody goes on: suppose that some requests wait, each within blocks that it would leave, and the clock alone
//! lets none of them through. A request that is let through never delays an older one that waits. So a request whose
//! blocks did not yield when it joined the queue is held up by a block that was entered later, and whose inner request has
//! joined the queue later still. The one that joined last has none after it: its blocks yield, and so do, one by one, the
//! blocks of all that are held up. Then nothing is in flight any more, and the clock lets them through.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::block::Block;
use super::shared::remember;
use super::throttler::Throttler;
use super::turn::{Phase, Turn};

/// The wait of a request within blocks of others. Dropping it says that the wait was given up.
#[derive(Debug)]
pub(crate) struct Nested {
    turn: Arc<Turn>,
    blocks: Vec<Arc<Block>>,
    /// Whether the blocks yield for it; `None` once the wait is over.
    yields: Mutex<Option<bool>>,
}

impl Nested {
    /// `None` where there are no blocks around it. Must be called when the request has just joined the queue, and
    /// before anything else does.
    pub fn new(blocks: Vec<Arc<Block>>, throttler: &Throttler, turn: &Arc<Turn>) -> Option<Arc<Self>> {
        if blocks.is_empty() {
            return None;
        }
        let nested = Arc::new(Self { turn: turn.clone(), blocks, yields: Mutex::new(Some(false)) });
        {
            let mut shared = throttler.shared.lock();
            remember(&mut shared.nested, &nested);
        }
        if nested.check(throttler) {
            throttler.check_nested();
        }
        Some(nested)
    }

    /// The request has passed.
    pub fn pass(&self) {
        self.end(true);
    }

    fn end(&self, passed: bool) {
        let yielded = self.yields.lock().take();
        if yielded == Some(true) {
            let mut again: Vec<_> = self.blocks.iter().filter_map(|block| block.take_back(passed)).collect();
            again.dedup_by(|one, other| Arc::ptr_eq(&one.shared, &other.shared));
            // Others may have joined the queue meanwhile, whom the clock alone would let through then.
            again.iter().for_each(Throttler::check_nested);
        }
    }

    /// Has the blocks yield if the clock alone does not end this wait. Whether the others must be checked again, because
    /// this one has gone before them and still waits for answers.
    fn check(&self, throttler: &Throttler) -> bool {
        if *self.yields.lock() != Some(false) {
            return false;
        }
        // A block that yields takes its units back when those have passed for which it does.
        let must = throttler.hangs_on_answers(&self.turn) || self.blocks.iter().any(|block| block.yields());
        let may = must && {
            let mut yields = self.yields.lock();
            let may = *yields == Some(false);
            *yields = yields.map(|_| true);
            may
        };
        if may {
            throttler.go_first(&self.turn);
            self.blocks.iter().for_each(|block| block.yield_units());
        }
        may && throttler.hangs_on_answers(&self.turn)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl Throttler {
    /// Checks every wait within blocks again: another request has gone before them, units are in flight again, or the table
    /// is another one.
    pub(super) fn check_nested(&self) {
        let nested: Vec<Arc<Nested>> = {
            let shared = self.shared.lock();
            shared.nested.iter().filter_map(Weak::upgrade).collect()
        };
        // The latest first: where its blocks yield, those of older ones may not have to. Each of them says so once at most.
        while nested.iter().rev().any(|nested| nested.check(self)) {}
    }

    /// Whether a waiting request cannot pass by the clock alone.
    fn hangs_on_answers(&self, turn: &Turn) -> bool {
        let shared = self.shared.lock();
        match *turn.phase.lock() {
            Phase::Waiting(place) => shared.gate.hangs_on_answers(place),
            _ => false,
        }
    }

    /// A waiting request goes before those that are within no block: these may be given what its own blocks let go of.
    fn go_first(&self, turn: &Arc<Turn>) {
        self.locked(|shared, now, effects| {
            let mut phase = turn.phase.lock();
            let Phase::Waiting(place) = *phase else { return };
            let Some(first) = shared.gate.go_first(place) else { return };
            *phase = Phase::Waiting(first);
            drop(phase);
            shared.groups.join(first, turn);
            shared.groups.leave(place, turn, effects);
            shared.advance(now, effects);
        });
    }
}
