//! A throttler whose limits are a part of what several processes share: what it tells the thread that takes part for it,
//! and what that thread does to the gate.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::clock::{Nanos, boottime};
use crate::error::Error;
use crate::gate::{Gate, Index, Options};
use crate::limit::{RateLimit, Scope};

use super::effects::Effects;
use super::event::EventKind;
use super::shared::Shared;
use super::throttler::Throttler;
use super::turn::Turn;

/// Who takes part in a shared budget for a throttler. Called under the throttler's lock: none of these may wait.
pub(crate) trait Sharer: fmt::Debug + Send + Sync {
    /// A request waits that this process may not have units enough for.
    fn wanted(&self);

    /// Its number in the store; `None` while it is not a member there.
    fn member(&self) -> Option<u64>;

    /// The last handle of the throttler is gone, and this is all that it knew.
    fn ended(&self, last: Gate<Arc<Turn>>, now: Nanos);
}

/// A throttler's part in a shared budget.
#[derive(Debug)]
pub(super) struct Sharing {
    sharer: Arc<dyn Sharer>,
    /// Whether [`Sharer::wanted`] is to be called.
    listens: bool,
    /// By the clock that goes on while the machine sleeps: when nothing may pass any more; `Nanos::MAX` for never.
    lease_end: Nanos,
    /// Why nothing passes any more, for good.
    closed: bool,
}

/// A pause that another process was told of.
#[derive(Debug)]
pub(crate) struct NewPause {
    pub id: String,
    /// For how long from now on.
    pub left: Nanos,
    pub reason: String,
}

/// The pauses of a scope that other processes were told of.
#[derive(Debug, Default)]
pub(crate) struct NewPauses {
    /// That of all of its limits, those that come into a table later among them: for how long from now on, and why.
    pub of_scope: Option<(Scope, Nanos, String)>,
    /// Those of the limits of this table.
    pub limits: Vec<NewPause>,
}

impl NewPauses {
    pub fn is_empty(&self) -> bool {
        self.of_scope.is_none() && self.limits.is_empty()
    }
}

/// What another process was told that a limit is.
#[derive(Debug)]
pub(crate) struct NewLimit {
    pub id: String,
    pub limit: u64,
    /// How long ago.
    pub age: Nanos,
}

impl Sharing {
    /// See [`Sharer::member`].
    pub fn member(&self) -> Option<u64> {
        self.sharer.member()
    }

    /// The others must hear at once of what the exchange has said.
    pub fn tell_others(&self) {
        self.sharer.wanted();
    }

    pub fn wanted(&mut self) {
        if std::mem::take(&mut self.listens) {
            self.sharer.wanted();
        }
    }
}

impl Shared {
    /// Nothing may pass once the lease has ended. To be asked before anything passes.
    #[inline]
    pub fn check_lease(&mut self) {
        if let Some(sharing) = &self.sharing
            && sharing.lease_end != Nanos::MAX
            && boottime() >= sharing.lease_end
        {
            self.end_lease();
        }
    }

    #[cold]
    fn end_lease(&mut self) {
        self.gate.allow_nothing();
        if let Some(sharing) = &mut self.sharing {
            sharing.lease_end = Nanos::MAX;
            sharing.listens = true;
        }
    }

    /// Whether the throttler was closed.
    pub fn check_open(&self) -> Result<(), Error> {
        match &self.sharing {
            Some(Sharing { closed: true, .. }) => Err(Error::Closed),
            _ => Ok(()),
        }
    }

    /// Some request may have to wait for units of others.
    pub fn tell_wanted(&mut self) {
        if let Some(sharing) = &mut self.sharing
            && (self.gate.has_waiters() || self.gate.has_refused())
        {
            sharing.wanted();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(sharing) = self.sharing.take() {
            let now = self.now();
            let gate = std::mem::replace(&mut self.gate, Gate::empty(Options::default()));
            sharing.sharer.ended(gate, now);
        }
    }
}

impl Throttler {
    /// From now on only what is allowed may be used of any limit, and that is nothing until somebody allows it. The clocks of
    /// those who share may be so far apart.
    pub(crate) fn share(&self, sharer: Arc<dyn Sharer>, clocks_apart: Nanos) {
        self.locked(|shared, now, effects| {
            shared.gate.share(now, clocks_apart);
            shared.sharing = Some(Sharing { sharer, listens: true, lease_end: Nanos::MAX, closed: false });
            shared.advance(now, effects);
        });
    }

    /// Whether the limits are shared with other processes.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.lock().sharing.is_some()
    }

    /// Runs `f` on the gate, under the lock; `f` says whether that changed anything that others may wait for. It may set
    /// the end of the lease, an instant of [`boottime`] after which nothing passes; `Nanos::MAX` for no end. What it
    /// allows to a throttler that was closed meanwhile is not for use.
    pub(crate) fn in_gate<T>(
        &self,
        f: impl FnOnce(&mut Gate<Arc<Turn>>, Nanos, &mut Nanos) -> (T, bool),
    ) -> T {
        let (result, changed) = self.locked(|shared, now, effects| {
            let mut unshared = Nanos::MAX;
            let lease = shared.sharing.as_mut().map_or(&mut unshared, |sharing| &mut sharing.lease_end);
            let (result, changed) = f(&mut shared.gate, now, lease);
            if shared.check_open().is_err() {
                shared.gate.allow_nothing();
            }
            // Another process of the same budget may have a smaller limit.
            let changed = shared.settle_unknown(now, effects) || changed;
            if changed {
                shared.advance(now, effects);
            }
            (result, changed)
        });
        if changed {
            // A limit may have shrunk under the blocks around those who wait.
            self.check_nested();
        }
        result
    }

    /// Other processes were told to pause these limits. Those that the table does not have are left out.
    pub(crate) fn hear_pauses(&self, NewPauses { of_scope, limits: pauses }: &NewPauses) {
        self.locked(|shared, now, effects| {
            let mut without_units = false;
            if let Some((scope, left, reason)) = of_scope {
                shared.gate.pause_new(*scope, now.saturating_add(*left), &reason.as_str().into());
            }
            // A pause of all limits is one event for the others, too.
            let paused: HashSet<&str> = pauses.iter().map(|pause| pause.id.as_str()).collect();
            let all = pauses.len() > 1 && shared.gate.routes().all(|route| paused.contains(route.id()));
            if let Some(first) = pauses.iter().min_by_key(|pause| pause.left).filter(|_| all) {
                let until = now.saturating_add(first.left);
                shared.note_pause(None, now, until, &first.reason.as_str().into());
            }
            for NewPause { id, left, reason } in pauses {
                let Ok(route) = shared.gate.lookup(id).cloned() else { continue };
                let (until, reason) = (now.saturating_add(*left), reason.as_str().into());
                let (later, moves) = shared.gate.pause_for(Some(&route), until, &reason);
                without_units |= moves;
                if later && !all {
                    shared.note_pause(Some(route.id.clone()), now, until, &reason);
                }
            }
            if without_units {
                let table = shared.table.clone();
                // It is the table that is in force.
                let set = shared.set_table(now, table, effects);
                debug_assert!(set.is_ok(), "{set:?}");
            }
            shared.advance(now, effects);
        });
    }

    /// Other processes were told that these limits are others. Those that the table does not have are left out.
    pub(crate) fn hear_limits(&self, limits: &[NewLimit]) {
        self.locked(|shared, now, effects| {
            for NewLimit { id, limit, age } in limits {
                let Ok(route) = shared.gate.lookup(id).cloned() else { continue };
                if let Some(limit) = shared.gate.learn_limit(now, &route, *limit, *age) {
                    shared.happened(Some(route.id.clone()), now, EventKind::LimitChanged { limit });
                }
            }
            shared.settle_unknown(now, effects);
            shared.advance(now, effects);
        });
        self.check_nested();
    }

    /// Whether [`Sharer::wanted`] is called when requests wait.
    pub(crate) fn listen(&self, listens: bool) {
        if let Some(sharing) = &mut self.shared.lock().sharing {
            sharing.listens = listens;
        }
    }

    /// In the child of a fork: what is used and allowed is the parent's.
    pub(crate) fn hold_nothing(&self) {
        let mut shared = self.shared.lock();
        shared.gate.forget_used();
        shared.gate.allow_nothing();
        if let Some(sharing) = &mut shared.sharing {
            (sharing.listens, sharing.lease_end) = (true, Nanos::MAX);
        }
    }

    /// How often the table changed.
    pub(crate) fn table_version(&self) -> u32 {
        self.shared.lock().gate.version()
    }

    /// The limits of the current table, with where they stand in the gate, and how often the table changed.
    pub(crate) fn shared_limits(&self) -> (u32, Vec<(Index, RateLimit, Nanos)>) {
        let shared = self.shared.lock();
        (shared.gate.version(), shared.gate.shared_limits(&shared.table))
    }

    /// Lets nothing pass any more. Those who wait are refused, or left waiting.
    pub(crate) fn close_shared(&self, refuse: bool) {
        self.locked(|shared, now, effects: &mut Effects| {
            let Some(sharing) = &mut shared.sharing else { return };
            sharing.closed = true;
            shared.gate.allow_nothing();
            if refuse {
                let refused = shared.gate.refuse_all(&Error::Closed);
                shared.announce(now, refused.into_iter(), effects);
            }
            shared.advance(now, effects);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl Sharer for Nobody {
        fn wanted(&self) {}

        fn member(&self) -> Option<u64> {
            None
        }

        fn ended(&self, _last: Gate<Arc<Turn>>, _now: Nanos) {}
    }

    #[test]
    fn nothing_passes_once_the_lease_has_ended_however_it_enters() {
        let table = [RateLimit::new("a", 10_000, Duration::from_secs(10))];
        let enters: [fn(&Throttler, &crate::gate::Route) -> bool; 3] = [
            |throttler, route| throttler.enter_at_once(route, 1).is_some(),
            |throttler, route| throttler.enter_block(route, 1).is_some(),
            |throttler, route| throttler.charge_at_once(route, 1),
        ];
        for enter in enters {
            for (end, passes) in [(Nanos::MAX, true), (0, false)] {
                let throttler = Throttler::new(&table, Options::default()).expect("a fine table");
                throttler.share(Arc::new(Nobody), 0);
                let route = throttler.lookup("a").expect("known");
                throttler.in_gate(|gate, _, lease_end| {
                    *lease_end = end;
                    ((), gate.allow_of(route.index, 10_000))
                });
                assert_eq!(enter(&throttler, &route), passes, "with a lease until {end}");
            }
        }
    }
}
