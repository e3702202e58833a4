//! When the requests that wait will go, as far as it is known: what a younger one must leave whole (promise I4).
//!
//! Batch schedulers call this *conservative backfilling*: in the order of arrival, each waiting request reserves its
//! units for the earliest instant at which it can go beside everything before it. A younger request may go first
//! if it leaves every reservation as it is.

use crate::clock::Nanos;
use crate::limit::Rolling;

use super::route::{Charge, Index};
use super::table::Hold;

/// An instant in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub at: Nanos,
    /// The instant depends on requests in flight: it is the earliest that it can be, and moves on with the clock
    /// for as long as they stay in flight.
    pub floats: bool,
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
    start: Start,
    /// When the units come free if the request is answered at once.
    end: Nanos,
    units: u64,
    /// The request is the next one of its route. With [`Hold::Response`] nobody knows how long it will be in flight,
    /// so its units count as held for good.
    head: bool,
}

impl Reservation {
    fn holds_at(&self, at: Nanos) -> bool {
        self.start.at <= at && at < self.end
    }
}

/// Reservations by limit. Kept between uses for its allocations.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    by_limit: Vec<Vec<Reservation>>,
    touched: Vec<Index>,
}

impl Plan {
    pub fn clear(&mut self, limits: usize) {
        for limit in self.touched.drain(..) {
            self.by_limit[limit as usize].clear();
        }
        self.by_limit.resize_with(limits, Vec::new);
    }

    /// Sets units aside from `start` on.
    pub fn reserve<'a>(
        &mut self,
        charges: &[Charge],
        units: u64,
        start: Start,
        head: bool,
        limit_of: impl Fn(Index) -> &'a Rolling,
    ) {
        for charge in charges {
            let reservations = &mut self.by_limit[charge.limit as usize];
            if reservations.is_empty() {
                self.touched.push(charge.limit);
            }
            let end = start.at.saturating_add(limit_of(charge.limit).interval());
            reservations.push(Reservation { start, end, units: charge.weight * units, head });
        }
    }

    /// The earliest instant from `from` on at which a request fits beside what is used and what is reserved, for as
    /// long as it will hold its units. Units in flight count as leaving at the earliest instant that they can:
    /// one interval from now.
    pub fn earliest<'a>(
        &self,
        charges: &[Charge],
        units: u64,
        from: Start,
        now: Nanos,
        limit_of: impl Fn(Index) -> &'a Rolling,
    ) -> Start {
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

    fn earliest_for(&self, index: Index, units: u64, from: Start, now: Nanos, limit: &Rolling) -> Start {
        let reservations = &self.by_limit[index as usize];
        let mut start = from;
        loop {
            // What is used only ever falls, and what is reserved rises only where a reservation starts: it is enough
            // to look at the start and at those instants.
            let end = start.at.saturating_add(limit.interval());
            let starts = reservations.iter().map(|reservation| reservation.start.at);
            let in_the_way = std::iter::once(start.at)
                .chain(starts.filter(|&at| start.at < at && at < end))
                .filter_map(|at| self.free_after(reservations, at, units, now, limit))
                .max_by_key(|free| free.at);
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
        at: Nanos,
        units: u64,
        now: Nanos,
        limit: &Rolling,
    ) -> Option<Start> {
        let holding = reservations.iter().filter(|reservation| reservation.holds_at(at));
        let reserved: u64 = holding.clone().map(|reservation| reservation.units).sum();
        let for_used = limit.limit().checked_sub(reserved.saturating_add(units));
        let used_down = for_used.map(|room| used_down_to(room, now, limit));
        if used_down.is_some_and(|down| down.at <= at) {
            return None;
        }
        let reserved_down =
            holding.map(|reservation| Start { at: reservation.end, floats: reservation.start.floats });
        used_down.into_iter().chain(reserved_down).min_by_key(|start| start.at)
    }

    /// Whether a request may go now beside every reservation.
    ///
    /// With [`Hold::Response`] this must be right however long anything is in flight, so what is in flight, and the
    /// request itself, count as held for good.
    pub fn leaves_whole<'a>(
        &self,
        hold: Hold,
        charges: &[Charge],
        units: u64,
        now: Nanos,
        limit_of: impl Fn(Index) -> &'a Rolling,
    ) -> Result<(), Refusal> {
        if hold == Hold::Start {
            let start = self.earliest(charges, units, Start { at: now, floats: false }, now, limit_of);
            let refusal = Refusal { again: Some(start.at), not_before: start.at };
            return if start.at <= now { Ok(()) } else { Err(refusal) };
        }
        let mut refusal: Option<Refusal> = None;
        for charge in charges {
            let limit = limit_of(charge.limit);
            let reservations = &self.by_limit[charge.limit as usize];
            for Reservation { start, .. } in reservations {
                let reserved = reservations
                    .iter()
                    .filter(|other| other.holds_at(start.at) || (other.head && other.start.at <= start.at))
                    .map(|other| other.units)
                    .fold(charge.weight * units, u64::saturating_add);
                let used = limit.in_window_at(start.at) + limit.in_flight();
                if used.saturating_add(reserved) <= limit.limit() {
                    continue;
                }
                let refusal = refusal.get_or_insert(Refusal { again: None, not_before: 0 });
                // A start that moves on with the clock leaves more and more of the window behind.
                let next = limit.next_expiry(start.at).filter(|_| start.floats);
                let next = next.map(|expiry| now + (expiry - start.at));
                refusal.again = refusal.again.into_iter().chain(next).min();
                if limit.in_flight() == 0 {
                    // No answer can make room here before that reservation is taken up.
                    refusal.not_before = refusal.not_before.max(start.at);
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// When at most `room` units of a limit are used, if whatever is in flight is answered at once.
fn used_down_to(room: u64, now: Nanos, limit: &Rolling) -> Start {
    match room.checked_sub(limit.in_flight()) {
        Some(window) => Start { at: limit.window_down_to(window), floats: false },
        None => Start { at: now.saturating_add(limit.interval()), floats: true },
    }
}

/// When `units` more will have been let through a limit, each as early as it can be: what is used comes free first,
/// and then, interval after interval, what was let through in between.
pub(crate) fn after_units(units: u64, now: Nanos, limit: &Rolling) -> Nanos {
    let rounds = units.saturating_sub(1) / limit.limit();
    let rest = units - rounds * limit.limit();
    let at = used_down_to(limit.limit() - rest, now, limit).at.max(now);
    at.saturating_add(limit.interval().saturating_mul(rounds))
}
