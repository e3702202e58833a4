//! When the requests that wait will go, as far as it is known: what a younger one must leave as it is (promise I4).
//!
//! Batch schedulers call this *conservative backfilling*: in the order of arrival, each waiting request reserves its
//! units for the earliest instant at which it can go beside everything before it. A younger request may go first
//! if it leaves every reservation as it is.
//!
//! No instant in a plan moves with the clock. What is in flight counts as answered at the *last event* (an arrival, an
//! answer, an expiry, a new table), not now, so that between two events a plan stays the same. It was not answered
//! before now, so each start is the earliest that it can be, or before that: a plan may ask a younger request to wait
//! until the next event, and never lets one through that would delay an older one.

use crate::clock::Nanos;
use crate::limit::Window;

use super::route::{Charge, Index};

/// An instant that never comes.
pub(super) const NEVER: Nanos = Nanos::MAX;

/// Units of one limit, set aside for a waiting request from `start` on.
#[derive(Clone, Copy, Debug)]
struct Reservation {
    start: Nanos,
    /// Until then they count as held where nobody knows how long requests are in flight: for good, if the request is
    /// the next one of its route.
    held_until: Nanos,
    units: u64,
    /// What is reserved at `start`, this reservation's units included, beside what is in the window then.
    load: u64,
}

/// From `at` until the next step, so many units are reserved.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: Nanos,
    level: u64,
}

/// What is reserved of one limit.
#[derive(Debug, Default)]
struct Profile {
    /// With every request answered at once. Sorted by time; before the first step nothing is reserved.
    steps: Vec<Step>,
    reservations: Vec<Reservation>,
    /// The largest load of any reservation.
    heaviest: u64,
    /// The units of all waiting requests that were added, whenever they go.
    total: u64,
}

impl Profile {
    fn clear(&mut self) {
        self.steps.clear();
        self.reservations.clear();
        (self.heaviest, self.total) = (0, 0);
    }

    /// The earliest instant from `from` on at which units fit, for as long as they stay if the request is answered at
    /// once. One sweep over the steps: the start only ever moves on.
    fn earliest(&self, units: u64, from: Nanos, event: Nanos, limit: &Window) -> Nanos {
        let Some(room) = limit.limit().checked_sub(units) else { return NEVER };
        let mut next = self.steps.partition_point(|step| step.at <= from);
        let mut level = next.checked_sub(1).map_or(0, |at| self.steps[at].level);
        let (mut start, mut at) = (from, from);
        loop {
            #[cfg(test)]
            SWEEPS.with(|sweeps| sweeps.set(sweeps.get() + 1));
            // What is used only falls: from `free` on the units fit, until the next step.
            let free = room.checked_sub(level).map_or(NEVER, |room| used_down_to(room, event, limit).max(at));
            let Some(&step) = self.steps.get(next) else { return if free > at { free } else { start } };
            if free < step.at {
                if free > at {
                    start = free;
                }
                if step.at >= limit.frees_at(start) {
                    return start;
                }
            } else {
                start = step.at;
            }
            (at, level) = (step.at, step.level);
            next += 1;
        }
    }

    fn reserve(&mut self, start: Nanos, end: Nanos, units: u64) {
        let (first, last) = (self.step_at(start), self.step_at(end));
        for step in &mut self.steps[first..last] {
            step.level = step.level.saturating_add(units);
        }
    }

    /// The step at `at`; a new one where there is none.
    fn step_at(&mut self, at: Nanos) -> usize {
        let next = self.steps.partition_point(|step| step.at < at);
        if self.steps.get(next).is_none_or(|step| step.at != at) {
            let level = next.checked_sub(1).map_or(0, |before| self.steps[before].level);
            self.steps.insert(next, Step { at, level });
        }
        next
    }

    /// Keeps the loads of all reservations, so that a younger request need not go through them.
    fn load(&mut self, start: Nanos, held_until: Nanos, units: u64, limit: &Window) {
        let mut load = limit.in_window_at(start).saturating_add(units);
        for other in &mut self.reservations {
            if other.start <= start && start < other.held_until {
                load = load.saturating_add(other.units);
            }
            if start <= other.start && other.start < held_until {
                other.load = other.load.saturating_add(units);
                self.heaviest = self.heaviest.max(other.load);
            }
        }
        self.heaviest = self.heaviest.max(load);
        self.reservations.push(Reservation { start, held_until, units, load });
    }
}

/// Reservations by limit. Kept between uses for its allocations.
#[derive(Debug, Default)]
pub(super) struct Plan {
    by_limit: Vec<Profile>,
    touched: Vec<Index>,
    /// The last event.
    event: Nanos,
}

impl Plan {
    pub fn begin(&mut self, limits: usize, event: Nanos) {
        for limit in self.touched.drain(..) {
            self.by_limit[limit as usize].clear();
        }
        self.by_limit.resize_with(limits, Profile::default);
        self.event = event;
    }

    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    fn profile(&mut self, limit: Index) -> &mut Profile {
        let profile = &mut self.by_limit[limit as usize];
        if profile.total == 0 {
            self.touched.push(limit);
        }
        profile
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
        for charge in charges.iter().filter(|_| start != NEVER) {
            let limit = limit_of(charge.limit);
            let (units, end) = (charge.weight * units, limit.frees_at(start));
            let profile = &mut self.by_limit[charge.limit as usize];
            profile.reserve(start, end, units);
            profile.load(start, if head { NEVER } else { end }, units, limit);
        }
    }

    /// Notes the units of a request whose start is not planned.
    pub fn add(&mut self, charges: &[Charge], units: u64) {
        for charge in charges {
            let profile = self.profile(charge.limit);
            profile.total = profile.total.saturating_add(charge.weight * units);
        }
    }

    /// Whether units taken now leave every reservation as it is, however long anything is in flight: what is, and
    /// these units, count as held for good.
    pub fn leaves_whole(&self, wanted: Charge, limit: &Window) -> bool {
        let profile = &self.by_limit[wanted.limit as usize];
        let held = limit.in_flight().saturating_add(wanted.weight);
        profile.reservations.is_empty() || profile.heaviest.saturating_add(held) <= limit.limit()
    }

    /// When units fit beside what is in the window, with everything in flight and every waiting request's units held for
    /// good; [`NEVER`] where they do not.
    pub fn fits_beside_all(&self, wanted: Charge, limit: &Window) -> Nanos {
        let held = self.by_limit[wanted.limit as usize].total.saturating_add(wanted.weight);
        let room = limit.limit().checked_sub(held.saturating_add(limit.in_flight()));
        room.map_or(NEVER, |room| limit.window_down_to(room))
    }
}

/// When at most `room` units of a limit are used, if whatever is in flight is answered at `event`.
fn used_down_to(room: u64, event: Nanos, limit: &Window) -> Nanos {
    match room.checked_sub(limit.in_flight()) {
        Some(window) => limit.window_down_to(window),
        None => limit.frees_at(event),
    }
}

/// When `units` more will have been let through a limit, each as early as it can be: what is used comes free first,
/// and then, window after window, what was let through in between.
pub(super) fn after_units(units: u64, now: Nanos, limit: &Window) -> Nanos {
    let rounds = units.saturating_sub(1) / limit.limit();
    let rest = units - rounds * limit.limit();
    let at = used_down_to(limit.limit() - rest, now, limit).max(now);
    limit.frees_after(at, rounds)
}

#[cfg(test)]
thread_local! {
    static SWEEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many steps of profiles this thread has gone through.
#[cfg(test)]
pub(super) fn sweeps() -> u64 {
    SWEEPS.get()
}
