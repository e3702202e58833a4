//! When the requests that wait will go, as far as it is known: what a younger one must leave as it is (promise I4).
//!
//! Batch schedulers call this *conservative backfilling*: in the order of the queue, each waiting request reserves its
//! units for the earliest instant at which it can go beside everything before it. A younger request may go first
//! if it leaves every reservation as it is.
//!
//! No instant in a plan moves with the clock. What is in flight counts as answered at the *last event* (an arrival, an
//! answer, an expiry, a new table), not now, so that between two events a plan stays the same. It was not answered
//! before now, so each start is the earliest that it can be, or before that: a plan may ask a younger request to wait
//! until the next event, and never lets one through that would delay an older one.

use crate::clock::Nanos;
use crate::limit::{Slope, Window};

use super::profile::Profile;
use super::route::{Charge, Index};

/// An instant that never comes.
pub(super) const NEVER: Nanos = Nanos::MAX;

/// Reservations by limit. Kept between uses for its allocations.
#[derive(Debug, Default)]
pub(super) struct Plan {
    by_limit: Vec<Profile>,
    /// The limits of which anything is reserved.
    reserved: Vec<Index>,
    /// By limit: the units of all waiting requests that were added, whenever they go. Apart from the profiles, which only
    /// those have that are planned for.
    added: Vec<u64>,
    /// The limits of which any are.
    touched: Vec<Index>,
    /// The last event.
    event: Nanos,
}

impl Plan {
    pub fn begin(&mut self, limits: usize, event: Nanos) {
        for limit in self.reserved.drain(..) {
            self.by_limit[limit as usize].clear();
        }
        self.by_limit.resize_with(limits, Profile::default);
        for limit in self.touched.drain(..) {
            self.added[limit as usize] = 0;
        }
        self.added.resize(limits, 0);
        self.event = event;
    }

    /// The earliest instant from `from` on at which a request fits beside what is used and what is reserved, for as
    /// long as it holds its units if it is answered at once; [`NEVER`] where a limit is smaller than that.
    pub fn earliest<'a>(
        &self,
        charges: &[Charge],
        units: u64,
        from: Nanos,
        limit_of: impl Fn(Index) -> &'a Window,
    ) -> Nanos {
        let (mut start, mut agreed) = (from, 0);
        for charge in charges.iter().cycle() {
            if agreed == charges.len() || start == NEVER {
                break;
            }
            let before = start;
            let profile = &self.by_limit[charge.limit as usize];
            start = profile.earliest(charge.weight * units, before, self.event, limit_of(charge.limit));
            agreed = if start == before { agreed + 1 } else { 1 };
        }
        start
    }

    /// Sets units aside from `start` on. `head`: the request is the next one of its route.
    pub fn reserve<'a>(
        &mut self,
        charges: &[Charge],
        units: u64,
        start: Nanos,
        head: bool,
        limit_of: impl Fn(Index) -> &'a Window,
    ) {
        self.add(charges, units);
        for charge in charges.iter().filter(|charge| start != NEVER && charge.weight > 0) {
            let limit = limit_of(charge.limit);
            let held_until = if head { NEVER } else { limit.frees_at(start) };
            let profile = &mut self.by_limit[charge.limit as usize];
            if profile.is_clear() {
                self.reserved.push(charge.limit);
            }
            profile.reserve(start, held_until, charge.weight * units, self.event, limit);
        }
    }

    /// A request has gone at `now`: what it takes is used.
    pub fn follow<'a>(&mut self, now: Nanos, charges: &[Charge], limit_of: impl Fn(Index) -> &'a Window) {
        self.event = now;
        for charge in charges {
            self.by_limit[charge.limit as usize].follow(now, limit_of(charge.limit));
        }
    }

    /// Notes the units of a request whose start is not planned.
    pub fn add(&mut self, charges: &[Charge], units: u64) {
        for charge in charges {
            let added = &mut self.added[charge.limit as usize];
            if *added == 0 {
                self.touched.push(charge.limit);
            }
            *added = added.saturating_add(charge.weight * units);
        }
    }

    /// How many units of a limit, and none of a part of it, the waiting requests take that were added.
    pub fn added_beyond(&self, limit: Index, part: Index) -> u64 {
        self.added[limit as usize].saturating_sub(self.added[part as usize])
    }

    /// The last event.
    pub fn event(&self) -> Nanos {
        self.event
    }

    /// Whether units taken now leave every reservation as it is, however long anything is in flight: what is, and
    /// these units, count as held for good.
    pub fn leaves_whole(&self, wanted: Charge, limit: &Window) -> bool {
        self.by_limit[wanted.limit as usize].leaves_whole(wanted.weight, limit)
    }

    /// When units fit beside what is in the window, with everything in flight and every waiting request's units held for
    /// good; [`NEVER`] where they do not.
    pub fn fits_beside_all(&self, wanted: Charge, limit: &Window) -> Nanos {
        if wanted.weight == 0 {
            return limit.paused_until().unwrap_or(0);
        }
        let added = self.added[wanted.limit as usize];
        let held = added.saturating_add(wanted.weight).saturating_add(limit.in_flight());
        limit.limit().checked_sub(held).map_or(NEVER, |room| limit.window_down_to(room))
    }
}

/// When `units` more will have been let through a limit, each as early as it can be: what is used comes free first,
/// and then, window after window, what was let through in between.
pub(super) fn after_units(units: u64, now: Nanos, limit: &Window) -> Nanos {
    if units == 0 {
        return limit.paused_until().unwrap_or(0).max(now);
    }
    if limit.limit() == 0 {
        return NEVER;
    }
    if let Some(slope) = limit.slope(now) {
        let level = slope.level.saturating_add(slope.amount(units));
        return Slope { level, ..slope }
            .down_to(slope.amount(limit.limit()))
            .max(limit.paused_until().unwrap_or(0))
            .max(now);
    }
    let rounds = units.saturating_sub(1) / limit.limit();
    let rest = units - rounds * limit.limit();
    let at = limit.used_down_to(limit.limit() - rest, now).max(now);
    limit.frees_after(at, rounds)
}
