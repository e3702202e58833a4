//! What requests within the blocks of others must know: whether the clock alone will let them through.

use crate::clock::Nanos;
use crate::limit::Window;

use super::enter::{Gate, LimitState};
use super::queue::Place;
use super::route::{Charge, Index, Route};
use super::table::Row;

/// How many units of a limit may be in flight before others might have to wait for an answer: a sixteenth, so that the
/// heaviest request fits beside them many times over.
///
/// Of what a process has of a shared limit, a 64th. Should the others have that many in flight each, of what was left to
/// them, then 300 processes still leave room for the heaviest request: 63/64 to the power of 300 is more than 1/256.
///
/// None, where the limit has room for few requests: as many may well be sent at once, and wait for something that one
/// of them does within its block. Who uses such a limit does not mind another 300 ns a request.
fn roomy(limit: u64, heaviest: u64, is_shared: bool) -> u64 {
    const FEW: u64 = 256;
    match limit / FEW < heaviest.max(1) {
        true => 0,
        false if is_shared => limit / 64,
        false => limit / 16,
    }
}

impl LimitState {
    /// To be called after the limit or the weights of its requests have changed.
    pub(super) fn measure_room(&mut self, is_shared: bool) {
        self.unknown = self.unknown();
        let is_concurrent = self.window.is_concurrent();
        self.roomy = if is_concurrent { 0 } else { roomy(self.window.limit(), self.heaviest, is_shared) };
    }

    /// No more units than this are in flight in blocks that nobody knows of, as they were not tight when they were entered.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown.max(self.roomy).min(self.window.in_flight())
    }

    /// Whether units that may be in flight in blocks that nobody knows of leave no room for the heaviest request. They do
    /// where they entered, so the limit has shrunk since, or a heavier request has come. The part of a shared limit that a
    /// process has may shrink, and grows again for who waits: see [`Gate::next_waiting`].
    fn is_crowded(&self, is_shared: bool) -> bool {
        let limit = if is_shared { self.window.told_limit() } else { self.window.limit() };
        let unknown = self.unknown();
        unknown > 0 && !self.window.is_concurrent() && unknown.saturating_add(self.heaviest) > limit
    }
}

/// A route, and how many times its weights a block took.
type Taken<'a> = (&'a Route, u64);

fn taken_of(blocks: &[Taken<'_>], limit: Index) -> u64 {
    let of = |&(route, units): &Taken<'_>| {
        let charge = route.charges.iter().find(|charge| charge.limit == limit);
        charge.map_or(0, |charge| charge.weight.saturating_mul(units))
    };
    blocks.iter().map(of).fold(0, u64::saturating_add)
}

impl<W> Gate<W> {
    /// Whether a request that has just entered leaves so much in flight that another one might wait for an answer and
    /// not for the clock.
    ///
    /// Where this was false for each request in flight, the heaviest request of the table fits beside all of them, for as
    /// long as no limit shrinks.
    #[inline]
    pub fn is_tight(&self, route: &Route) -> bool {
        route.is_held
            && route.charges.iter().any(|charge| {
                let limit = &self.limits[charge.limit as usize];
                limit.window.in_flight() > limit.roomy
            })
    }

    /// Whether a limit has shrunk so far that others may have to wait for requests that were not tight when they entered. To
    /// be asked when one has.
    pub fn is_crowded(&self) -> bool {
        self.limits.iter().any(|limit| limit.is_crowded(self.is_shared))
    }

    /// Everything in flight counts as just answered, but for what concurrent limits hold: nothing but the end of its request
    /// ends that.
    pub fn settle_in_flight(&mut self, now: Nanos) {
        self.changed = true;
        for limit in self.limits.iter_mut().filter(|limit| !limit.window.is_concurrent()) {
            limit.window.settle_all(now);
            limit.unknown = 0;
        }
    }

    /// What a block took before [`Gate::settle_in_flight`] is in flight again, whether there is room or not.
    pub fn take_settled_again(&mut self, route: &Route, units: u64) {
        self.charge_settled(route, units, false, Window::take);
    }

    /// A request ends, or will not begin, that took its units before [`Gate::settle_in_flight`].
    pub fn give_back_unsettled(&mut self, route: &Route, units: u64) {
        self.charge_settled(route, units, true, Window::give_back);
    }

    fn charge_settled(&mut self, route: &Route, units: u64, concurrent: bool, how: fn(&mut Window, u64)) {
        self.changed = true;
        for charge in route.charges.iter().filter(|charge| charge.held) {
            let window = &mut self.limits[charge.limit as usize].window;
            if window.is_concurrent() == concurrent {
                how(window, charge.weight * units);
            }
        }
    }

    /// Learns from a new table how heavy its requests are.
    pub(super) fn measure_room(&mut self, rows: &[Row], indices: &[Index]) {
        for &index in indices {
            self.limits[index as usize].heaviest = 0;
        }
        for (row, &index) in rows.iter().zip(indices) {
            let units = self.limits[index as usize].most_units;
            for &(at, weight) in &row.takes {
                let limit = &mut self.limits[indices[at] as usize];
                limit.heaviest = limit.heaviest.max(weight.saturating_mul(units));
            }
        }
        let is_shared = self.is_shared;
        indices.iter().for_each(|&index| self.limits[index as usize].measure_room(is_shared));
    }

    /// Requests for a route may come with so many times its weights. Whether none was that heavy before: then
    /// [`Gate::is_crowded`] may be another.
    pub fn expect_units(&mut self, route: &Route, units: u64) -> bool {
        let most_units = &mut self.limits[route.index as usize].most_units;
        *most_units = units.max(*most_units);
        let mut is_new = false;
        for charge in &route.charges {
            let limit = &mut self.limits[charge.limit as usize];
            let weight = charge.weight.saturating_mul(units);
            if weight > limit.heaviest {
                limit.heaviest = weight;
                limit.measure_room(self.is_shared);
                is_new = true;
            }
        }
        is_new
    }

    /// Whether a waiting request cannot pass by the clock alone: units in flight keep it, or an older one that it may
    /// have to wait for, from passing.
    pub fn hangs_on_answers(&self, place: Place) -> bool {
        if self.is_exact() {
            return false;
        }
        let place = self.queues.stands_at(place);
        let Some(own) = &self.limits[place.route as usize].route else { return false };
        let mut limits: Vec<Index> = own.charges.iter().map(|charge| charge.limit).collect();
        let mut routes: Vec<Index> = self.queues.routes().collect();
        // Who waits for one of these limits may hold up who waits for another one of his.
        while let Some((at, route)) = routes.iter().enumerate().find_map(|(at, &index)| {
            let route = self.limits[index as usize].route.as_ref()?;
            let shares = route.charges.iter().any(|charge| limits.contains(&charge.limit));
            let is_older = self.queues.head(index).is_some_and(|head| head <= place);
            (shares && is_older).then_some((at, route))
        }) {
            let older = self.queues.places(routes.swap_remove(at)).take_while(|&(other, _)| other <= place);
            let units = older.map(|(_, waiter)| waiter.units).max().unwrap_or(0);
            let full = |charge: &Charge| {
                if !charge.held {
                    return false;
                }
                let window = &self.limits[charge.limit as usize].window;
                window.in_flight().saturating_add(charge.weight.saturating_mul(units)) > window.limit()
            };
            if route.charges.iter().any(full) {
                return true;
            }
            limits.extend(route.charges.iter().map(|charge| charge.limit));
        }
        false
    }

    /// A waiting request goes before everybody but those who did so before. [`Gate::advance`] should follow.
    pub fn go_first(&mut self, place: Place) -> Option<Place> {
        self.changed = true;
        let waiter = self.queues.remove(place)?;
        Some(self.queues.push_first(place, waiter))
    }

    /// The first limit in which a waiting request does not fit beside all that is in flight but what `ending` hold:
    /// (its id, how many units that are, how many there are at all).
    pub fn full_without(&self, place: Place, ending: &[Taken<'_>]) -> Option<(String, u64, u64)> {
        self.first_full(place, |limit, in_flight| in_flight.saturating_sub(taken_of(ending, limit)))
    }

    /// The same beside what `staying` hold, of all that is in flight.
    pub fn full_beside(&self, place: Place, staying: &[Taken<'_>]) -> Option<(String, u64, u64)> {
        self.first_full(place, |limit, in_flight| in_flight.min(taken_of(staying, limit)))
    }

    fn first_full(&self, place: Place, stays: impl Fn(Index, u64) -> u64) -> Option<(String, u64, u64)> {
        let route = self.limits[place.route as usize].route.as_ref()?;
        let units = self.queues.get(place)?.units;
        route.charges.iter().find_map(|charge| {
            let limit = &self.limits[charge.limit as usize];
            let window = &limit.window;
            let staying = stays(charge.limit, window.in_flight());
            let wanted = charge.weight.saturating_mul(units);
            // What may be used of a limit can grow again, up to what the table says.
            let full = staying.saturating_add(wanted) > window.nominal();
            full.then(|| (self.named(limit).to_owned(), staying, window.nominal()))
        })
    }

    /// What a block took counts as in flight again, whether there is room or not.
    pub fn take_again(&mut self, route: &Route, units: u64) {
        self.changed = true;
        self.charge_held(route, units, Window::take);
    }
}
