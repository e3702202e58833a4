//! When the requests that wait will go, as far as it is known: what a younger one must leave whole (promise I4).
//!
//! Batch schedulers call this *conservative backfilling*: in the order of arrival, each waiting request reserves its
//! units for the earliest instant at which it can go beside everything before it. A younger request may go first
//! if it leaves every reservation as it is.

use std::cell::Cell;

use crate::clock::Nanos;
use crate::limit::Window;

use super::route::{Charge, Index};
use super::table::Hold;

/// An instant in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub at: Nanos,
    /// The instant hangs on requests in flight. It is the earliest that it can be, and moves on with the clock for as
    /// long as they stay in flight.
    pub moves: bool,
}

/// Why a request may not go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// When the clock alone may change that; `None` where something else must happen first.
    pub again: Option<Nanos>,
    /// It will not go before this instant, whatever happens to requests in flight. 0 where nothing is known.
    pub not_before: Nanos,
}

/// Units of one limit, set aside for a waiting request.
#[derive(Clone, Copy, Debug)]
struct Reservation {
    start: Moment,
    /// When the units come free if the request is answered at once.
    end: Moment,
    units: u64,
    /// The request is the next one of its route. With [`Hold::Response`] nobody knows how long it will be in flight,
    /// so its units count as held for good.
    head: bool,
}

/// Reservations by limit. Kept between uses for its allocations.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    by_limit: Vec<Vec<Reservation>>,
    touched: Vec<Index>,
    /// How much time must pass until a moment that moves overtakes one that it was compared with: until then, the
    /// plan would come out the same.
    holds_for: Cell<Option<Nanos>>,
}

impl Plan {
    pub fn clear(&mut self, limits: usize) {
        for limit in self.touched.drain(..) {
            self.by_limit[limit as usize].clear();
        }
        self.by_limit.resize_with(limits, Vec::new);
        self.holds_for.set(None);
    }

    /// Sets units aside from `start` on.
    pub fn reserve<'a>(
        &mut self,
        charges: &[Charge],
        units: u64,
        start: Moment,
        head: bool,
        limit_of: impl Fn(Index) -> &'a Window,
    ) {
        for charge in charges {
            if self.by_limit[charge.limit as usize].is_empty() {
                self.touched.push(charge.limit);
            }
            let end = self.end_of(start, limit_of(charge.limit));
            let reservations = &mut self.by_limit[charge.limit as usize];
            reservations.push(Reservation { start, end, units: charge.weight * units, head });
        }
    }

    /// When units that a request takes from `start` on come free, if it is answered at once.
    fn end_of(&self, start: Moment, limit: &Window) -> Moment {
        let at = limit.frees_at(start.at);
        if start.moves && limit.is_quota() {
            // The end stays where it is until the start moves past it.
            self.note(at.saturating_sub(start.at));
        }
        Moment { at, moves: start.moves && !limit.is_quota() }
    }

    /// The earliest instant from `from` on at which a request fits beside what is used and what is reserved, for as
    /// long as it will hold its units. Units in flight count as leaving at the earliest instant that they can:
    /// as if they were stamped now.
    pub fn earliest<'a>(
        &self,
        charges: &[Charge],
        units: u64,
        from: Moment,
        now: Nanos,
        limit_of: impl Fn(Index) -> &'a Window,
    ) -> Moment {
        let mut start = from;
        loop {
            let before = start;
            for charge in charges {
                start = self.earliest_for(
                    charge.limit,
                    charge.weight * units,
                    start,
                    now,
                    limit_of(charge.limit),
                );
            }
            if start == before {
                return start;
            }
        }
    }

    fn earliest_for(&self, index: Index, units: u64, from: Moment, now: Nanos, limit: &Window) -> Moment {
        let reservations = &self.by_limit[index as usize];
        let mut start = from;
        loop {
            // What is used only ever falls, and what is reserved rises only where a reservation starts: it is enough
            // to look at the start and at those instants.
            let end = self.end_of(start, limit);
            let rises = reservations.iter().map(|reservation| reservation.start);
            let in_the_way = std::iter::once(start)
                .chain(rises.filter(|&rise| !self.by(rise, start) && !self.by(end, rise)))
                .filter_map(|at| self.free_after(reservations, at, units, now, limit))
                .reduce(|a, b| if self.by(a, b) { b } else { a });
            match in_the_way {
                Some(free) => start = free,
                None => return start,
            }
        }
    }

    /// `None` where `units` fit at `at`; otherwise the next instant at which they might.
    fn free_after(
        &self,
        reservations: &[Reservation],
        at: Moment,
        units: u64,
        now: Nanos,
        limit: &Window,
    ) -> Option<Moment> {
        let holding = reservations.iter().filter(|reservation| self.holds(reservation, at));
        let reserved = holding.clone().map(|other| other.units).fold(units, u64::saturating_add);
        let used_down = limit.limit().checked_sub(reserved).map(|room| used_down_to(room, now, limit));
        if limit.is_quota() && limit.in_flight() > 0 {
            // What is in flight comes free at the next boundary if it is answered before that.
            self.note(limit.frees_at(now).saturating_sub(now));
        }
        if used_down.is_some_and(|down| self.by(down, at)) {
            return None;
        }
        let reserved_down = holding.map(|reservation| reservation.end);
        used_down.into_iter().chain(reserved_down).reduce(|a, b| if self.by(a, b) { a } else { b })
    }

    /// Whether a request may take what it wants of one limit now, beside every reservation of it.
    ///
    /// With [`Hold::Response`] this must be right however long anything is in flight, so what is in flight, and the
    /// request itself, count as held for good.
    pub fn leaves_whole(
        &self,
        hold: Hold,
        wanted: Charge,
        now: Nanos,
        limit: &Window,
    ) -> Result<(), Refusal> {
        let reservations = &self.by_limit[wanted.limit as usize];
        if hold == Hold::Start {
            let from = Moment { at: now, moves: false };
            let start = self.earliest_for(wanted.limit, wanted.weight, from, now, limit);
            let refusal = Refusal { again: Some(start.at), not_before: start.at };
            return if start.at <= now { Ok(()) } else { Err(refusal) };
        }
        for &Reservation { start, .. } in reservations {
            let reserved = reservations
                .iter()
                .filter(|other| self.holds(other, start) || (other.head && self.by(other.start, start)))
                .map(|other| other.units)
                .fold(wanted.weight, u64::saturating_add);
            if start.moves {
                let next = limit.next_expiry(start.at);
                next.map(|at| self.by(start, Moment { at, moves: false }));
            }
            let used = limit.in_window_at(start.at) + limit.in_flight();
            if used.saturating_add(reserved) > limit.limit() {
                let again = self.holds_for.get().map(|span| now.saturating_add(span));
                // While nothing is in flight here, no answer can make room before that reservation is taken up.
                let not_before = if limit.in_flight() == 0 { start.at } else { 0 };
                return Err(Refusal { again, not_before });
            }
        }
        Ok(())
    }

    fn holds(&self, reservation: &Reservation, at: Moment) -> bool {
        self.by(reservation.start, at) && !self.by(reservation.end, at)
    }

    /// Whether `a` comes no later than `b`; notes how long that is sure to stay so.
    fn by(&self, a: Moment, b: Moment) -> bool {
        if a.moves != b.moves {
            let (moving, fixed) = if a.moves { (a.at, b.at) } else { (b.at, a.at) };
            if let Some(span) = fixed.checked_sub(moving) {
                self.note(span);
            }
        }
        a.at <= b.at
    }

    /// Notes that the plan would come out the same until so much time has passed, or less.
    fn note(&self, span: Nanos) {
        let span = span.max(1);
        self.holds_for.set(Some(self.holds_for.get().map_or(span, |known| known.min(span))));
    }
}

/// When at most `room` units of a limit are used, if whatever is in flight is answered at once.
fn used_down_to(room: u64, now: Nanos, limit: &Window) -> Moment {
    match room.checked_sub(limit.in_flight()) {
        Some(window) => Moment { at: limit.window_down_to(window), moves: false },
        None => Moment { at: limit.frees_at(now), moves: !limit.is_quota() },
    }
}

/// When `units` more will have been let through a limit, each as early as it can be: what is used comes free first,
/// and then, window after window, what was let through in between.
pub(crate) fn after_units(units: u64, now: Nanos, limit: &Window) -> Nanos {
    let rounds = units.saturating_sub(1) / limit.limit();
    let rest = units - rounds * limit.limit();
    let at = used_down_to(limit.limit() - rest, now, limit).at.max(now);
    limit.frees_after(at, rounds)
}
