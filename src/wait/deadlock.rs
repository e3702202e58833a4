//! Waits that never end: a thread waits for units that only its own blocks hold, which cannot end meanwhile.

use std::sync::{Arc, Weak};

use crate::gate::Route;

use super::block::Block;
use super::pass::HeldUnits;
use super::throttler::Throttler;
use super::turn::{Phase, Turn};

/// Why a thread would wait for ever: units that stay in flight for as long as it waits.
#[derive(Debug)]
pub(crate) struct Deadlock {
    pub limit: String,
    pub units: u64,
    pub available: u64,
    /// The ids of those that hold them, as far as they are known.
    pub by: Vec<String>,
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

impl Throttler {
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
