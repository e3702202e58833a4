//! Blocks within blocks: how a request that waits within the block of another does not wait for itself.
//!
//! A request may be made within the block of another one, which cannot be left before the inner one has passed. Where
//! units in flight alone keep the inner one from passing, its wait might never end: the outer block may hold what it
//! waits for, or what another inner request waits for whose outer block holds what this one needs. So for as long as
//! it waits, its outer blocks *lean*: their units count down as if they had been answered. Once it has passed, they are
//! in flight again until their blocks end, whether there is room or not. While a request waits, its outer block sends
//! nothing, so that its own request is counted by every window of the server in which it arrived; the others come late
//! by as much, except where the wait took longer than an interval: then they may have used those units meanwhile.
//!
//! Why everybody goes on: suppose that some requests wait, each within blocks that it would leave, and the clock alone
//! lets none of them through. A request that is let through never delays an older one that waits. So whoever did not
//! lean when it joined the queue is held up by a block that was entered later, and whose inner request has joined the
//! queue later still. The one that joined last has nobody after it: it leans, and so does, one by one, whoever is
//! held up. Then nothing is in flight any more, and the clock lets them through.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::gate::Route;

use super::pass::HeldUnits;
use super::shared::Shared;
use super::throttler::Throttler;
use super::turn::{Phase, Turn};

/// The block of a request that others may be within.
pub(crate) struct Block {
    /// The block around this one. Only what ran when it was last looked at, so that no chain grows beyond the blocks
    /// that ever ran at once, in whatever order they end.
    outer: Mutex<Option<Arc<Block>>>,
    thread: u64,
    stand: Mutex<Stand>,
}

/// Where a block stands.
enum Stand {
    /// Its units are in flight.
    Held(Share),
    /// They count down while so many requests within it wait.
    Leans(Share, usize),
    /// It is kept only by contexts that it began in, and keeps nothing.
    Over,
}

/// What a block has taken.
struct Share {
    throttler: Throttler,
    held: HeldUnits,
    /// It has begun to count down already, for a request within it that gave its wait up. So who tries again and again
    /// does not wait anew for its own block each time.
    counts_down: bool,
}

impl Share {
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
            stand: Mutex::new(Stand::Held(Share { throttler, held, counts_down: false })),
        });
        if let Some(throttler) = known {
            throttler.know(&block);
        }
        block
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        !matches!(*self.stand.lock(), Stand::Over)
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
        let before = std::mem::replace(&mut *self.stand.lock(), Stand::Over);
        let around = self.around();
        // Dropped without the lock.
        let _old = std::mem::replace(&mut *self.outer.lock(), around);
        match before {
            Stand::Held(share) => share.leave(),
            Stand::Leans(mut share, _) => {
                // It may have sent something since it began to lean.
                share.take_again();
                share.leave();
            }
            Stand::Over => return false,
        }
        true
    }

    /// A request within it waits.
    fn lean(&self) {
        let lent = {
            let mut stand = self.stand.lock();
            let (lent, new) = match std::mem::replace(&mut *stand, Stand::Over) {
                Stand::Held(Share { throttler, held, counts_down }) => {
                    let lent = Share { throttler: throttler.clone(), held: held.clone(), counts_down };
                    (Some(lent), Stand::Leans(Share { throttler, held, counts_down: true }, 1))
                }
                Stand::Leans(share, count) => (None, Stand::Leans(share, count + 1)),
                Stand::Over => (None, Stand::Over),
            };
            *stand = new;
            lent
        };
        match lent {
            Some(Share { throttler, held, counts_down: true }) => throttler.give_back(&held),
            Some(share) => share.leave(),
            None => {}
        }
    }

    /// A request within it waits no longer: it has passed, or was given up. The throttler of its units, if these are in
    /// flight again.
    fn stand_up(&self, passed: bool) -> Option<Throttler> {
        let mut stand = self.stand.lock();
        let mut again = None;
        *stand = match std::mem::replace(&mut *stand, Stand::Over) {
            Stand::Leans(mut share, count) => {
                share.counts_down &= !passed;
                if count == 1 {
                    share.take_again();
                    again = Some(share.throttler.clone());
                    Stand::Held(share)
                } else {
                    Stand::Leans(share, count - 1)
                }
            }
            other => other,
        };
        again
    }

    /// What it holds in flight.
    pub(super) fn in_flight(&self) -> Option<HeldUnits> {
        match &*self.stand.lock() {
            Stand::Held(share) => Some(share.held.clone()),
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

/// The wait of a request within blocks of others. Dropping it says that the wait was given up.
#[derive(Debug)]
pub(crate) struct Nested {
    turn: Arc<Turn>,
    blocks: Vec<Arc<Block>>,
    /// Whether the blocks lean; `None` once the wait is over.
    leans: Mutex<Option<bool>>,
}

impl Nested {
    /// `None` where there are no blocks around it. Must be called when the request has just joined the queue, and
    /// before anything else does.
    pub fn new(blocks: Vec<Arc<Block>>, throttler: &Throttler, turn: &Arc<Turn>) -> Option<Arc<Self>> {
        if blocks.is_empty() {
            return None;
        }
        let nested = Arc::new(Self { turn: turn.clone(), blocks, leans: Mutex::new(Some(false)) });
        {
            let mut shared = throttler.shared.lock();
            remember(&mut shared.nested, &nested);
        }
        if nested.look(throttler) {
            throttler.look_at_nested();
        }
        Some(nested)
    }

    /// The request has passed.
    pub fn pass(&self) {
        self.end(true);
    }

    fn end(&self, passed: bool) {
        let leaned = self.leans.lock().take();
        if leaned == Some(true) {
            let mut again: Vec<_> = self.blocks.iter().filter_map(|block| block.stand_up(passed)).collect();
            again.dedup_by(|one, other| Arc::ptr_eq(&one.shared, &other.shared));
            // Others may have joined the queue meanwhile, whom the clock alone would let through then.
            again.iter().for_each(Throttler::look_at_nested);
        }
    }

    /// Lets the blocks lean if the clock alone does not end this wait. Whether others must look again, because this one
    /// has gone before them and still waits for answers.
    fn look(&self, throttler: &Throttler) -> bool {
        if *self.leans.lock() != Some(false) {
            return false;
        }
        let already_leans = |block: &Arc<Block>| matches!(*block.stand.lock(), Stand::Leans(..));
        // A block that leans will not do so any more when those have passed for which it does.
        let must = throttler.hangs_on_answers(&self.turn) || self.blocks.iter().any(already_leans);
        let may = must && {
            let mut leans = self.leans.lock();
            let may = *leans == Some(false);
            *leans = leans.map(|_| true);
            may
        };
        if may {
            throttler.go_first(&self.turn);
            self.blocks.iter().for_each(|block| block.lean());
        }
        may && throttler.hangs_on_answers(&self.turn)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// Adds it, and forgets those that nobody keeps any more before it takes more room.
fn remember<T>(all: &mut Vec<Weak<T>>, new: &Arc<T>) {
    if all.len() == all.capacity() {
        all.retain(|other| other.strong_count() > 0);
    }
    all.push(Arc::downgrade(new));
}

/// A number of this thread, which no other one has.
pub(super) fn this_thread() -> u64 {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static THREAD: Cell<u64> = const { Cell::new(0) };
    }
    match THREAD.get() {
        0 => {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            THREAD.set(number);
            number
        }
        number => number,
    }
}

/// Which threads have entered a throttler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Threads {
    #[default]
    None,
    One(u64),
    Many,
}

impl Threads {
    #[inline]
    pub fn note(&mut self) {
        let this = this_thread();
        if *self != Self::One(this) {
            *self = if *self == Self::None { Self::One(this) } else { Self::Many };
        }
    }
}

/// What a block that was entered at once must know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entered {
    /// See `Shared::epoch`.
    pub epoch: u32,
    /// Others may have to wait for its answer: see `Gate::is_tight`.
    pub is_tight: bool,
}

impl Throttler {
    /// As [`Throttler::enter_at_once`], for a block that others may be within.
    #[inline]
    pub(crate) fn enter_block(&self, route: &Route, units: u64) -> Option<Entered> {
        let mut shared = self.shared.lock();
        shared.threads.note();
        let Shared { gate, clock, epoch, .. } = &mut *shared;
        let entered = units > 0 && gate.is_current(route) && gate.try_enter(clock, route, units);
        entered.then(|| Entered { epoch: *epoch, is_tight: gate.is_tight(route) })
    }

    /// Remembers a block, for as long as somebody else does.
    fn know(&self, block: &Arc<Block>) {
        let mut shared = self.shared.lock();
        remember(&mut shared.blocks, block);
    }

    /// Has every wait within blocks look again: somebody has gone before them, units are in flight again, or the table is
    /// another one.
    pub(super) fn look_at_nested(&self) {
        let nested: Vec<Arc<Nested>> = {
            let shared = self.shared.lock();
            shared.nested.iter().filter_map(Weak::upgrade).collect()
        };
        // The latest first: where it leans, older ones may not have to. Each of them says so once at most.
        while nested.iter().rev().any(|nested| nested.look(self)) {}
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

    /// What a block took, and was counted as answered, is in flight again.
    fn take_again(&self, held: &mut HeldUnits) {
        let mut shared = self.shared.lock();
        held.epoch = shared.epoch;
        shared.gate.take_again(&held.route, held.units);
    }

    /// What a block took in flight is counted elsewhere.
    fn give_back(&self, held: &HeldUnits) {
        self.locked(|shared, now, effects| {
            if held.epoch == shared.epoch {
                shared.gate.give_back(&held.route, held.units);
                shared.advance(now, effects);
            }
        });
    }

    /// The units that a waiting request can never have while this thread does nothing else: what blocks that were
    /// entered in this thread hold, its own `outer` ones left out. `None` where the clock or another thread may end
    /// the wait.
    pub(crate) fn never_passes(&self, turn: &Turn, outer: &[Arc<Block>]) -> Option<Deadlock> {
        let (place, threads, blocks, epoch) = {
            let shared = self.shared.lock();
            let Phase::Waiting(place) = *turn.phase.lock() else { return None };
            let blocks: Vec<_> = shared.blocks.iter().filter_map(Weak::upgrade).collect();
            (place, shared.threads, blocks, shared.epoch)
        };
        let here = |block: &&Arc<Block>| block.is_of_this_thread();
        let mine = |block: &&Arc<Block>| outer.iter().any(|other| Arc::ptr_eq(other, block));
        let held_by = |of: &mut dyn Iterator<Item = &Arc<Block>>| -> Vec<HeldUnits> {
            of.filter_map(|block| block.in_flight()).filter(|held| held.epoch == epoch).collect()
        };
        let own = held_by(&mut blocks.iter().filter(mine));
        let others = held_by(&mut blocks.iter().filter(here).filter(|block| !mine(block)));
        let full = match threads {
            // All that is in flight was entered here.
            Threads::One(only) if only == this_thread() => {
                self.shared.lock().gate.full_without(place, &taken(&own))
            }
            _ => self.shared.lock().gate.full_beside(place, &taken(&others)),
        };
        full.map(|(limit, units, available)| Deadlock {
            limit,
            units,
            available,
            by: others.iter().map(|held| held.route.id().to_owned()).collect(),
        })
    }
}

fn taken(held: &[HeldUnits]) -> Vec<(&Route, u64)> {
    held.iter().map(|held| (&*held.route, held.units)).collect()
}

/// Why a thread would wait for ever: units that stay in flight for as long as it waits.
#[derive(Debug)]
pub(crate) struct Deadlock {
    pub limit: String,
    pub units: u64,
    pub available: u64,
    /// The ids of those that hold them, as far as they are known.
    pub by: Vec<String>,
}
