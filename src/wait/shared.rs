//! What all clones of a throttler share, under its lock: the gate, those who wait at it, and the table.

use std::sync::{Arc, Weak};

use crate::clock::{Clock, Nanos};
use crate::error::Error;
use crate::gate::{Decided, Gate};
use crate::limit::RateLimit;

use super::block::Block;
use super::deadlock::Threads;
use super::effects::Effects;
use super::epoch::Epoch;
use super::events::Events;
use super::leases::Leases;
use super::nested::Nested;
use super::pass::HeldUnits;
use super::sharing::Sharing;
use super::turn::{Phase, Turn};
use super::wake_groups::WakeGroups;

/// See the [module](self). Its methods are where their subject is: `grants.rs`, `polling.rs`.
#[derive(Debug)]
pub(super) struct Shared {
    pub clock: Clock,
    pub gate: Gate<Arc<Turn>>,
    pub groups: WakeGroups,
    pub leases: Leases,
    /// Nobody can come for a grant before this instant: the thread that moves a manual clock is busy with it until then.
    pub claimable: Nanos,
    /// The current table.
    pub table: Vec<RateLimit>,
    /// How often everything in flight was settled at once: see `epoch.rs`.
    pub epoch: Epoch,
    /// The blocks that requests may be within.
    pub blocks: Vec<Weak<Block>>,
    /// The waits within such blocks.
    pub nested: Vec<Weak<Nested>>,
    pub threads: Threads,
    /// The tokio runtimes in which requests wait.
    #[cfg(feature = "tokio")]
    pub runtimes: super::tokio::Runtimes,
    /// The part that this takes in a budget of several processes.
    pub sharing: Option<Sharing>,
    /// `None` until somebody listens.
    pub events: Option<Box<Events>>,
    /// When the first pause ends, if somebody is to be told; [`Nanos::MAX`] if not.
    pub resumes_at: Nanos,
    /// Kept for its allocation.
    pub decided: Vec<Decided<Arc<Turn>>>,
}

impl Shared {
    pub fn new(clock: Clock, gate: Gate<Arc<Turn>>, table: Vec<RateLimit>) -> Self {
        Self {
            clock,
            gate,
            groups: WakeGroups::default(),
            leases: Leases::default(),
            claimable: 0,
            table,
            epoch: Epoch::default(),
            blocks: Vec::new(),
            nested: Vec::new(),
            threads: Threads::default(),
            #[cfg(feature = "tokio")]
            runtimes: Vec::new(),
            sharing: None,
            events: None,
            resumes_at: Nanos::MAX,
            decided: Vec::new(),
        }
    }

    #[inline]
    pub fn now(&mut self) -> Nanos {
        self.check_lease();
        self.gate.now(&self.clock)
    }

    /// Replaces the table, whole or not at all.
    pub fn set_table(
        &mut self,
        now: Nanos,
        table: Vec<RateLimit>,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let refused = self.gate.set_table(now, &table)?;
        self.table = table;
        for (from, to) in self.gate.take_moved() {
            let Some(turn) = self.gate.waiter(to).map(|waiter| waiter.tag.clone()) else { continue };
            *turn.phase.lock() = Phase::Waiting(to);
            self.groups.join(to, &turn);
            self.groups.leave(from, &turn, effects);
        }
        self.settle_unknown(now, effects);
        self.announce(now, refused.into_iter(), effects);
        // A quota that is new does not know yet what the clock on the wall shows.
        let now = self.now();
        self.advance(now, effects);
        if let Some(sharing) = &mut self.sharing {
            sharing.wanted();
        }
        Ok(())
    }

    /// To be called after a limit may have shrunk, or requests may be heavier than before. A request within a block that
    /// nobody knows of, because it was not tight when it was entered, must not wait for that block: should there be such
    /// blocks in the way, everything in flight counts as answered now. The blocks that are known are in flight again at once.
    /// Whether it was so.
    pub fn settle_unknown(&mut self, now: Nanos, effects: &mut Effects) -> bool {
        let is_crowded = self.threads != Threads::None && self.gate.is_crowded();
        if is_crowded {
            self.epoch = self.epoch.after_settling();
            self.gate.settle_in_flight(now);
            effects.hold_again(self.blocks.iter().filter_map(Weak::upgrade));
        }
        is_crowded
    }

    /// Brings what a request is about to take up to the current table, and checks that it could ever pass.
    pub fn refresh(&self, held: &mut HeldUnits) -> Result<(), Error> {
        if !self.gate.is_current(&held.route) {
            held.route = self.gate.lookup(held.route.id())?.of_rank(held.rank).clone();
        }
        self.check_open()?;
        self.gate.check_units(&held.route, held.units)
    }
}

/// Adds it, and forgets those that nobody keeps any more before it takes more room.
pub(super) fn remember<T>(all: &mut Vec<Weak<T>>, new: &Arc<T>) {
    if all.len() == all.capacity() {
        all.retain(|other| other.strong_count() > 0);
    }
    all.push(Arc::downgrade(new));
}
