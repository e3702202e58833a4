//! The block of a request, which others may be within: it holds units, or yields them while a request within it waits.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::gate::Route;

use super::deadlock::this_thread;
use super::epoch::Epoch;
use super::pass::HeldUnits;
use super::shared::{Shared, remember};
use super::throttler::Throttler;

/// The block of a request that others may be within.
pub(crate) struct Block {
    /// The block around this one. Only one that ran when it was last asked for, so that no chain grows beyond the blocks
    /// that ever ran at once, in whatever order they end.
    outer: Mutex<Option<Arc<Block>>>,
    thread: u64,
    pub(super) held: Mutex<Holding>,
}

/// What a block holds.
pub(super) enum Holding {
    /// Its units are in flight.
    Held(BlockUnits),
    /// They are yielded, and count down, while so many requests within it wait.
    Yielded(BlockUnits, usize),
    /// It is kept only by contexts that it began in, and keeps nothing.
    Over,
}

/// The units that a block has taken.
pub(super) struct BlockUnits {
    pub(super) throttler: Throttler,
    pub(super) held: HeldUnits,
    /// It has begun to count down already, for a request within it that gave its wait up. So a request that is tried again and
    /// again does not wait anew for its own block each time.
    counts_down: bool,
}

impl BlockUnits {
    fn leave(&self) {
        let HeldUnits { route, units, epoch, .. } = &self.held;
        self.throttler.leave(route, *units, *epoch);
    }

    fn take_again(&mut self) {
        self.throttler.take_again(&mut self.held);
    }
}

impl Block {
    /// The block of a request that has just entered in this thread, within `outer`.
    pub fn new(throttler: Throttler, held: HeldUnits, outer: Option<Arc<Block>>) -> Arc<Self> {
        let known = held.is_tight.then(|| throttler.clone());
        let block = Arc::new(Self {
            outer: Mutex::new(outer),
            thread: this_thread(),
            held: Mutex::new(Holding::Held(BlockUnits { throttler, held, counts_down: false })),
        });
        if let Some(throttler) = known {
            throttler.know(&block);
        }
        block
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        !matches!(*self.held.lock(), Holding::Over)
    }

    /// The innermost block that runs: this one, or one around it.
    pub fn running(self: Arc<Self>) -> Option<Arc<Self>> {
        let mut block = Some(self);
        while let Some(ended) = block.take_if(|block| !block.runs()) {
            block = ended.outer.lock().clone();
        }
        block
    }

    /// All blocks that run, from this one outwards.
    pub fn all_running(self: Arc<Self>) -> Vec<Arc<Self>> {
        let mut all = Vec::new();
        let mut next = self.running();
        while let Some(block) = next {
            next = block.around();
            all.push(block);
        }
        all
    }

    /// The innermost block around this one that runs.
    pub fn around(&self) -> Option<Arc<Self>> {
        let outer = self.outer.lock().clone();
        outer.and_then(Self::running)
    }

    /// The block ends. Whether it ran.
    pub fn leave(&self) -> bool {
        let before = std::mem::replace(&mut *self.held.lock(), Holding::Over);
        let around = self.around();
        // Dropped without the lock.
        let _old = std::mem::replace(&mut *self.outer.lock(), around);
        match before {
            Holding::Held(units) => units.leave(),
            Holding::Yielded(mut units, _) => {
                // It may have sent something since they were yielded.
                units.take_again();
                units.leave();
            }
            Holding::Over => return false,
        }
        true
    }

    /// A request within it waits, which its units could keep from passing.
    pub(super) fn yield_units(&self) {
        let yielded = {
            let mut holding = self.held.lock();
            let (yielded, new) = match std::mem::replace(&mut *holding, Holding::Over) {
                Holding::Held(BlockUnits { throttler, held, counts_down }) => {
                    let yielded =
                        BlockUnits { throttler: throttler.clone(), held: held.clone(), counts_down };
                    (Some(yielded), Holding::Yielded(BlockUnits { throttler, held, counts_down: true }, 1))
                }
                Holding::Yielded(units, count) => (None, Holding::Yielded(units, count + 1)),
                Holding::Over => (None, Holding::Over),
            };
            *holding = new;
            yielded
        };
        match yielded {
            Some(BlockUnits { throttler, held, counts_down: true }) => throttler.give_back(&held),
            Some(units) => units.leave(),
            None => {}
        }
    }

    /// A request within it waits no longer: it has passed, or was given up. The throttler of its units, if these are in
    /// flight again.
    pub(super) fn take_back(&self, passed: bool) -> Option<Throttler> {
        let mut holding = self.held.lock();
        let mut again = None;
        *holding = match std::mem::replace(&mut *holding, Holding::Over) {
            Holding::Yielded(mut units, count) => {
                units.counts_down &= !passed;
                if count == 1 {
                    units.take_again();
                    again = Some(units.throttler.clone());
                    Holding::Held(units)
                } else {
                    Holding::Yielded(units, count - 1)
                }
            }
            other => other,
        };
        again
    }

    /// Everything in flight was settled at once: what it holds is in flight again.
    pub(super) fn hold_again(&self) {
        if let Holding::Held(BlockUnits { throttler, held, .. }) = &mut *self.held.lock() {
            throttler.hold_again(held);
        }
    }

    /// Whether its units count down for a request within it that waits.
    pub(super) fn yields(&self) -> bool {
        matches!(*self.held.lock(), Holding::Yielded(..))
    }

    /// What it holds in flight.
    pub(super) fn in_flight(&self) -> Option<HeldUnits> {
        match &*self.held.lock() {
            Holding::Held(units) => Some(units.held.clone()),
            _ => None,
        }
    }

    /// Whether it was entered in this thread.
    pub(super) fn is_of_this_thread(&self) -> bool {
        self.thread == this_thread()
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl Drop for Block {
    /// However long the chain, it is let go of link by link, and not each from within the one before.
    fn drop(&mut self) {
        let mut next = self.outer.get_mut().take();
        while let Some(block) = next {
            next = Arc::into_inner(block).and_then(|mut block| block.outer.get_mut().take());
        }
    }
}

/// What a block that was entered at once must know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entered {
    /// See `Shared::epoch`.
    pub epoch: Epoch,
    /// Others may have to wait for its answer: see `Gate::is_tight`.
    pub is_tight: bool,
}

impl Throttler {
    /// The same as [`Throttler::enter_at_once`], for a block that others may be within.
    #[inline]
    pub(crate) fn enter_block(&self, route: &Route, units: u64) -> Option<Entered> {
        let mut shared = self.shared.lock();
        shared.check_lease();
        shared.threads.note();
        if shared.must_tell() {
            return None;
        }
        let Shared { gate, clock, epoch, .. } = &mut *shared;
        let entered = units > 0 && gate.is_current(route) && gate.try_enter(clock, route, units);
        entered.then(|| Entered { epoch: *epoch, is_tight: gate.is_tight(route) })
    }

    /// Remembers a block, for as long as somebody else does.
    fn know(&self, block: &Arc<Block>) {
        let mut shared = self.shared.lock();
        remember(&mut shared.blocks, block);
    }

    /// What a block took, and was counted as answered, is in flight again.
    fn take_again(&self, held: &mut HeldUnits) {
        let mut shared = self.shared.lock();
        held.epoch = shared.epoch;
        shared.gate.take_again(&held.route, held.units);
    }

    /// What a block took, and was settled with everything else in flight, is in flight again.
    fn hold_again(&self, held: &mut HeldUnits) {
        let mut shared = self.shared.lock();
        // It may have yielded since, and taken it again then.
        if held.epoch != shared.epoch && held.epoch.is_of_same_process(shared.epoch) {
            held.epoch = shared.epoch;
            shared.gate.take_settled_again(&held.route, held.units);
        }
    }

    /// What a block took in flight is counted elsewhere.
    fn give_back(&self, held: &HeldUnits) {
        self.locked(|shared, now, effects| {
            if held.epoch == shared.epoch {
                shared.gate.give_back_held(&held.route, held.units);
            } else {
                shared.give_back_unsettled(held.epoch, &held.route, held.units);
            }
            shared.advance(now, effects);
        });
    }
}
