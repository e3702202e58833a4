//! The gate: limits, what is used of them, who waits, and who goes next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Nanos, WallNanos};
use crate::error::Error;
use crate::limit::{RateLimit, Window};

use super::plan::{Moment, Plan, Refusal};
use super::queue::{Place, Queues, Waiter};
use super::route::{Charge, Index, Route};
use super::table::{Hold, Options};

/// So many waiting requests beyond the next one of each route get a reservation that younger requests must leave
/// whole. Every waiter keeps its place behind the older ones of its route in any case; the bound keeps the cost of
/// letting one request pass others independent of how many wait.
const PLAN_AHEAD: usize = 32;

#[derive(Debug)]
pub(super) struct Limit {
    pub(super) id: Arc<str>,
    pub(super) window: Window,
    /// Requests in the queues that take from this limit.
    pub(super) waiting: usize,
    /// What a request for this limit's id takes; `None` once the table no longer has it. What it holds is kept: it
    /// counts again should the id come back.
    pub(super) route: Option<Arc<Route>>,
}

/// What became of a request that waited: let through on a route, its units in flight, or refused.
#[derive(Debug)]
pub(crate) struct Decided<W> {
    pub outcome: Result<Arc<Route>, Error>,
    pub waiter: Waiter<W>,
}

/// A route that nobody may pass for now, and how far its waiters are in the plan.
#[derive(Debug)]
pub(super) struct Closed {
    /// The next of its waiters to plan for; `None` after the last.
    next: Option<Place>,
    /// Its latest waiter in the plan; `None` before the first.
    last: Option<Moment>,
    not_before: Nanos,
}

/// What one look at the queues needs; kept for its allocations.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) heads: BinaryHeap<Reverse<Place>>,
    pub(super) closed: Vec<Closed>,
    pub(super) plan: Plan,
    pub(super) ahead: usize,
    /// What the plan has refused, by limit: whoever comes later and wants no less of that limit is refused for the
    /// same reason, without being asked again.
    pub(super) refused: Vec<(Charge, Refusal)>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Gate<W> {
    pub(super) options: Options,
    pub(super) limits: Vec<Limit>,
    /// Which of them must know wall time.
    pub(super) quotas: Vec<Index>,
    pub(super) by_id: HashMap<Arc<str>, Index>,
    pub(super) version: u32,
    pub(super) queues: Queues<W>,
    pub(super) wake: Option<Nanos>,
    pub(super) scratch: Scratch,
}

impl<W> Gate<W> {
    pub fn new(table: &[RateLimit], options: Options) -> Result<Self, Error> {
        options.check()?;
        let mut gate = Self {
            options,
            limits: Vec::new(),
            quotas: Vec::new(),
            by_id: HashMap::new(),
            version: 0,
            queues: Queues::new(),
            wake: None,
            scratch: Scratch::default(),
        };
        gate.set_table(0, table)?;
        Ok(gate)
    }

    // ---- time

    /// The instant now. Where there are quotas they hear what the clock on the wall shows: they are right only for the
    /// instant that this was last called for.
    #[inline]
    pub fn now(&mut self, clock: &Clock) -> Nanos {
        let now = clock.now();
        if !self.quotas.is_empty() {
            self.observe(now, clock.wall());
        }
        now
    }

    /// The clock on the wall shows `wall` at `now`.
    pub fn observe(&mut self, now: Nanos, wall: WallNanos) {
        for &index in &self.quotas {
            self.limits[index as usize].window.observe(now, wall);
        }
    }

    /// Whether anybody waits for a quota, whose boundary comes earlier or later should the clock on the wall step.
    pub fn waits_for_wall_time(&self) -> bool {
        self.quotas.iter().any(|&index| self.limits[index as usize].waiting > 0)
    }

    // ---- entering and leaving

    /// Enters at once if nobody waits and the request fits.
    #[inline]
    pub fn try_enter(&mut self, clock: &Clock, route: &Route, units: u64) -> bool {
        if !self.queues.is_empty() {
            return false;
        }
        match self.options.hold {
            Hold::Response => {
                // What fits beside all that was used when the clock was last read, fits now. Where it does, the clock
                // need not be read (a tenth of the whole pass) until the request leaves.
                let may = self.has_room(route, units) || self.fits_now(clock, route, units);
                if may {
                    self.charge(route, units, Window::take);
                }
                may
            }
            Hold::Start => {
                let now = self.now(clock);
                self.try_acquire(now, route, units)
            }
        }
    }

    /// Charges for good, with nothing to leave, if nobody waits and the request fits.
    pub fn try_acquire(&mut self, now: Nanos, route: &Route, units: u64) -> bool {
        let may = self.queues.is_empty() && self.fits(now, route, units);
        if may {
            self.charge(route, units, |window, units| window.stamp(now, units));
        }
        may
    }

    /// Joins the queue. [`Gate::advance`] must follow, unless others of the same route wait already.
    pub fn join(&mut self, route: &Route, waiter: Waiter<W>) -> Place {
        route.charges.iter().for_each(|charge| self.limits[charge.limit as usize].waiting += 1);
        self.queues.push(route.index, waiter)
    }

    /// Returns to the queue, to the old place of that number. [`Gate::advance`] must follow.
    pub fn rejoin(&mut self, number: u64, route: &Route, waiter: Waiter<W>) -> Place {
        route.charges.iter().for_each(|charge| self.limits[charge.limit as usize].waiting += 1);
        let place = Place { number, route: route.index };
        self.queues.insert(place, waiter);
        place
    }

    /// Whether requests wait for this route.
    pub fn waits_for(&self, route: &Route) -> bool {
        self.queues.len_of(route.index) > 0
    }

    /// Takes a waiting request out of the queue. [`Gate::advance`] should follow: younger ones may have waited for it.
    pub fn remove(&mut self, place: Place) -> Option<Waiter<W>> {
        let waiter = self.queues.remove(place)?;
        if let Some(route) = self.limits[place.route as usize].route.clone() {
            route.charges.iter().for_each(|charge| self.limits[charge.limit as usize].waiting -= 1);
        }
        Some(waiter)
    }

    /// A request that was granted begins: its block runs from now on.
    pub fn begin(&mut self, now: Nanos, route: &Route, units: u64) {
        if self.options.hold == Hold::Start {
            self.charge(route, units, |window, units| window.settle(now, units));
        }
    }

    /// A request's block has ended. With [`Hold::Start`] that changes nothing.
    #[inline]
    pub fn leave(&mut self, now: Nanos, route: &Route, units: u64) {
        if self.options.hold == Hold::Response {
            self.charge(route, units, |window, units| {
                window.expire(now);
                window.settle(now, units);
            });
        }
    }

    /// A granted request will not begin: as if it had never been let through.
    pub fn give_back(&mut self, route: &Route, units: u64) {
        self.charge(route, units, Window::give_back);
    }

    /// The route that a place in the queue is for.
    pub fn route_at(&self, place: Place) -> Option<Arc<Route>> {
        self.limits[place.route as usize].route.clone()
    }

    /// Everything in flight moves into the window, as if it had just been answered.
    #[cfg(feature = "python")]
    pub fn settle_all(&mut self, now: Nanos) {
        self.limits.iter_mut().for_each(|limit| limit.window.settle_all(now));
    }

    /// Everything in flight moves into the window, and nobody waits any more. The queues come back.
    #[cfg(feature = "python")]
    pub fn forget_others(&mut self, now: Nanos) -> Vec<Waiter<W>> {
        self.settle_all(now);
        self.limits.iter_mut().for_each(|limit| limit.waiting = 0);
        let places: Vec<Place> = self
            .queues
            .busy()
            .iter()
            .flat_map(|&index| self.queues.places(index))
            .map(|(place, _)| place)
            .collect();
        self.wake = None;
        places.into_iter().filter_map(|place| self.queues.remove(place)).collect()
    }

    #[inline]
    fn charge(&mut self, route: &Route, units: u64, mut how: impl FnMut(&mut Window, u64)) {
        for charge in &route.charges {
            how(&mut self.limits[charge.limit as usize].window, charge.weight * units);
        }
    }

    /// Whether a request fits beside everything not known to have left.
    #[inline]
    fn has_room(&self, route: &Route, units: u64) -> bool {
        route
            .charges
            .iter()
            .all(|charge| self.limits[charge.limit as usize].window.fits(charge.weight * units))
    }

    #[inline]
    fn fits_now(&mut self, clock: &Clock, route: &Route, units: u64) -> bool {
        let now = self.now(clock);
        self.fits(now, route, units)
    }

    #[inline]
    pub(super) fn fits(&mut self, now: Nanos, route: &Route, units: u64) -> bool {
        route.charges.iter().all(|charge| {
            let window = &mut self.limits[charge.limit as usize].window;
            window.expire(now);
            window.fits(charge.weight * units)
        })
    }

    // ---- who goes next

    #[inline]
    pub fn has_waiters(&self) -> bool {
        !self.queues.is_empty()
    }

    /// When [`Gate::advance`] must be called again if nothing happens before; `None`: only when something happens.
    pub fn wake_at(&self) -> Option<Nanos> {
        self.wake
    }

    /// Lets everybody through who may pass at `now`, oldest first, and turns away those whose time is up.
    pub fn advance(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) {
        loop {
            self.let_through(now, decided);
            if !self.turn_away(now, decided) {
                break;
            }
        }
        let deadline = self.queues.first_deadline().map(|(at, _)| at);
        self.wake = self.wake.into_iter().chain(deadline).min();
    }

    /// Turns away whoever has waited for as long as it may; whether there were any.
    fn turn_away(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) -> bool {
        let before = decided.len();
        while let Some((at, place)) = self.queues.first_deadline().filter(|&(at, _)| at <= now) {
            let Some(waiter) = self.remove(place) else { break };
            let id = self.limits[place.route as usize].id.to_string();
            let timeout = Duration::from_nanos(at - waiter.since).as_secs_f64();
            decided.push(Decided { outcome: Err(Error::Timeout { id, timeout }), waiter });
        }
        decided.len() > before
    }

    fn let_through(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) {
        self.wake = None;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.heads.clear();
        scratch.closed.clear();
        scratch.refused.clear();
        scratch.plan.clear(self.limits.len());
        scratch.ahead = 0;
        let heads = self.queues.busy().iter().filter_map(|&route| self.queues.head(route));
        scratch.heads.extend(heads.map(Reverse));
        while let Some(Reverse(place)) = scratch.heads.pop() {
            // Every waiter of a busy queue has a route: a new table hands back those that lost theirs.
            let (Some(route), Some(waiter)) =
                (self.limits[place.route as usize].route.clone(), self.queues.get(place))
            else {
                continue;
            };
            let units = waiter.units;
            match self.may_go(&mut scratch, now, place, &route, units) {
                Ok(()) => {
                    self.charge(&route, units, Window::take);
                    if let Some(waiter) = self.remove(place) {
                        decided.push(Decided { outcome: Ok(route), waiter });
                    }
                    scratch.heads.extend(self.queues.head(place.route).map(Reverse));
                }
                Err(Refusal { again, not_before }) => {
                    self.wake = self.wake.into_iter().chain(again).min();
                    scratch.closed.push(Closed { next: Some(place), last: None, not_before });
                }
            }
        }
        self.scratch = scratch;
    }

    /// Whether the oldest waiter of a route may go now.
    pub(super) fn may_go(
        &mut self,
        scratch: &mut Scratch,
        now: Nanos,
        place: Place,
        route: &Route,
        units: u64,
    ) -> Result<(), Refusal> {
        if !self.fits(now, route, units) {
            return Err(Refusal { again: self.room_at(route, units), not_before: 0 });
        }
        let own = self.queues.len_of(place.route);
        let shares = route.charges.iter().any(|charge| self.limits[charge.limit as usize].waiting > own);
        if scratch.closed.is_empty() || !shares {
            return Ok(());
        }
        let wanted =
            || route.charges.iter().map(|charge| Charge { weight: charge.weight * units, ..*charge });
        let like = |&(refused, _): &&(Charge, Refusal)| {
            wanted().any(|charge| charge.limit == refused.limit && charge.weight >= refused.weight)
        };
        if let Some(&(_, refusal)) = scratch.refused.iter().find(like) {
            return Err(refusal);
        }
        self.plan_older(scratch, now, place);
        let limit_of = |index: Index| &self.limits[index as usize].window;
        // One limit after the other: what a refusal hangs on serves for those who come later.
        for charge in wanted() {
            let verdict = scratch.plan.leaves_whole(self.options.hold, charge, now, limit_of(charge.limit));
            if let Err(refusal) = verdict {
                scratch.refused.push((charge, refusal));
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// When a request that does not fit now will; `None` while that hangs on requests in flight.
    fn room_at(&self, route: &Route, units: u64) -> Option<Nanos> {
        let mut at = 0;
        for charge in &route.charges {
            let window = &self.limits[charge.limit as usize].window;
            let room = window.limit().checked_sub(charge.weight * units)?.checked_sub(window.in_flight())?;
            at = at.max(window.window_down_to(room));
        }
        Some(at)
    }

    /// Brings the plan up to everybody who came before `place`: the next one of each closed route in any case, and
    /// of those behind them the oldest.
    pub(super) fn plan_older(&self, scratch: &mut Scratch, now: Nanos, place: Place) {
        let limit_of = |index: Index| &self.limits[index as usize].window;
        let Scratch { closed, plan, ahead, .. } = scratch;
        loop {
            let room = *ahead < PLAN_AHEAD;
            let oldest = closed
                .iter_mut()
                .filter(|closed| closed.last.is_none() || room)
                .filter_map(|closed| Some((closed.next.filter(|&next| next < place)?, closed)))
                .min_by_key(|&(next, _)| next);
            let Some((next, closed)) = oldest else { return };
            closed.next = self.queues.first_after(next);
            let (Some(route), Some(waiter)) =
                (&self.limits[next.route as usize].route, self.queues.get(next))
            else {
                continue;
            };
            let head = closed.last.is_none();
            let first = Moment { at: closed.not_before.max(now), moves: closed.not_before <= now };
            let from = closed.last.unwrap_or(first);
            let start = plan.earliest(&route.charges, waiter.units, from, now, limit_of);
            plan.reserve(&route.charges, waiter.units, start, head, limit_of);
            *ahead += usize::from(!head);
            closed.last = Some(start);
        }
    }
}
