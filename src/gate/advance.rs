//! Which requests go now: one walk over those that wait, in the order of the queue.
//!
//! Each request either goes now, or reserves what it wants of its limits for the earliest instant at which it can go
//! (see [`plan`](super::plan)), and those after it must leave that reservation as it is. Only the next request of a
//! route can go; of those behind it the oldest are planned for as well.
//!
//! A plan is for a bounded number of requests. What the others want counts as held from now on and for good, which is
//! coarse, costs next to nothing, and delays nobody who is older.
//!
//! A wake-up is always the instant of an expiry, of a quota's boundary or of a deadline, and later than now: each is
//! visited once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Nanos;
use crate::error::Error;
use crate::limit::Window;

use super::enter::{Decided, Gate, LimitState};
use super::full::Full;
use super::plan::{NEVER, Plan};
use super::queue::Place;
use super::route::{Charge, Index, Route};
use super::table::Hold;

/// The next requests of so many routes are planned for,
pub(super) const HEADS: usize = 64;
/// and so many of those behind them, all routes together.
pub(super) const BEHIND: usize = 32;

/// What one walk over the queue needs.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) plan: Plan,
    /// How many are planned for: the next ones of routes, and those behind them.
    pub(super) plans_for: (usize, usize),
    /// The next request of each route.
    heads: Vec<Place>,
    /// Those that come behind one that was visited.
    followers: BinaryHeap<Reverse<Follower>>,
    planned_heads: usize,
    planned_behind: usize,
}

/// A request behind one that was visited in this walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Follower {
    place: Place,
    /// When the one before it will go; `None` if that has gone, and this one is the next of its route.
    after: Option<Nanos>,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            plan: Plan::default(),
            plans_for: (HEADS, BEHIND),
            heads: Vec::new(),
            followers: BinaryHeap::new(),
            planned_heads: 0,
            planned_behind: 0,
        }
    }
}

impl Walk {
    fn begin(&mut self, limits: usize, event: Nanos, heads: impl Iterator<Item = Place>) {
        self.plan.begin(limits, event);
        self.heads.clear();
        self.heads.extend(heads);
        self.heads.reverse();
        self.followers.clear();
        (self.planned_heads, self.planned_behind) = (0, 0);
    }

    /// The oldest request that was not visited yet.
    fn next(&mut self) -> Option<Follower> {
        let follower = self.followers.peek().map(|&Reverse(follower)| follower);
        match self.heads.last() {
            Some(&head) if follower.is_none_or(|follower| head < follower.place) => {
                self.heads.pop();
                Some(Follower { place: head, after: None })
            }
            _ => {
                self.followers.pop();
                follower
            }
        }
    }

    /// Whether any request that is not visited yet may be the next of its route.
    fn has_heads(&self) -> bool {
        !self.heads.is_empty() || self.followers.iter().any(|Reverse(follower)| follower.after.is_none())
    }

    /// Whether there is room in the plan for the next request of another route.
    pub(super) fn plans_heads(&self) -> bool {
        self.planned_heads < self.plans_for.0
    }

    fn plans_behind(&self) -> bool {
        self.planned_behind < self.plans_for.1
    }
}

/// Why a request does not go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// It fits beside what is used, and would take what an older request has reserved.
    reserved: bool,
    /// When it will go, where that was asked to know whether it may go now.
    start: Option<Nanos>,
}

/// What became of the next request of a route.
enum Visit {
    Gone,
    /// And when it will go, where that is known.
    Waits(Option<Nanos>),
}

impl<W> Gate<W> {
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

    /// Turns away requests that have waited for as long as they may; whether later ones may have waited for that.
    fn turn_away(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) -> bool {
        let mut others = false;
        while let Some((at, place)) = self.queues.first_deadline().filter(|&(at, _)| at <= now) {
            others |= !self.queues.is_last(place);
            let Some(waiter) = self.remove(place) else { break };
            let limit = &self.limits[place.route as usize];
            let full =
                limit.route.as_ref().map_or_else(Full::default, |route| self.full(now, route, waiter.units));
            if let Some(route) = self.limits[place.route as usize].route.clone() {
                self.remember_refused(&route, waiter.units);
            }
            let limit = &self.limits[place.route as usize];
            let error = Error::Timeout {
                id: limit.id.to_string(),
                timeout: Duration::from_nanos(at - waiter.since).as_secs_f64(),
                full_limit: full.limit,
                retry_after: full.wait.map(|wait| wait.as_secs_f64()),
            };
            decided.push(Decided { outcome: Err(error), waiter });
        }
        others && !self.queues.is_empty()
    }

    fn let_through(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) {
        self.wake = None;
        let mut reserved = false;
        self.walk(now, |gate, walk, next, route, units| {
            let Err(refusal) = gate.may_go(walk, now, route, units) else {
                gate.charge(route, units, Window::take);
                if let Some(waiter) = gate.remove(next) {
                    decided.push(Decided { outcome: Ok(route.clone()), waiter });
                }
                return Visit::Gone;
            };
            // A reservation that hangs on requests in flight comes later with the next expiry.
            reserved |= refusal.reserved;
            let again = refusal.start.or_else(|| gate.fits_at(walk, route, units));
            gate.wake = gate.wake.into_iter().chain(again.filter(|&at| at > now && at != NEVER)).min();
            Visit::Waits(refusal.start)
        });
        if reserved {
            self.wake = self.wake.into_iter().chain(self.next_expiry(now)).min();
        }
    }

    /// Makes a plan for all requests that wait, with nobody going: what a request that comes now must leave whole.
    pub(super) fn plan_all(&mut self, now: Nanos) {
        self.walk(now, |_, _, _, _, _| Visit::Waits(None));
    }

    /// Visits the requests that wait in the order of the queue. `visit` lets the next one of a route go, and takes it out
    /// of the queue, or says when it will go if it knows.
    fn walk(
        &mut self,
        now: Nanos,
        mut visit: impl FnMut(&mut Self, &Walk, Place, &Arc<Route>, u64) -> Visit,
    ) {
        let event = self.last_event(now);
        let mut walk = std::mem::take(&mut self.walk);
        walk.begin(self.limits.len(), event, self.queues.heads());
        while let Some(Follower { place, after }) = walk.next() {
            // Every waiter of a busy queue has a route: a new table hands back those that lost theirs.
            let (Some(route), Some(waiter)) =
                (self.limits[place.route as usize].route.clone(), self.queues.get(place))
            else {
                continue;
            };
            let (units, mut known) = (waiter.units, None);
            // When it can go, nobody knows: until a limit has grown, it holds up nobody but those behind it.
            let is_above = |charge: &Charge| charge.weight * units > self.window(charge.limit).limit();
            if self.was_lowered && route.charges.iter().any(is_above) {
                continue;
            }
            if after.is_none() {
                match visit(self, &walk, place, &route, units) {
                    Visit::Gone => {
                        walk.plan.follow(now, &route.charges, |index| self.window(index));
                        let follower = self.queues.head(place.route);
                        walk.followers.extend(follower.map(|place| Reverse(Follower { place, after: None })));
                        continue;
                    }
                    Visit::Waits(start) => known = start,
                }
            } else if !walk.has_heads() {
                break;
            }
            if let Some(start) = self.reserve(&mut walk, now, &route, units, after, known) {
                let follower = self.queues.first_after(place).filter(|_| walk.plans_behind());
                let after = Some(start);
                walk.followers.extend(follower.map(|place| Reverse(Follower { place, after })));
            }
        }
        self.walk = walk;
    }

    /// When anything last changed that a plan hangs on. Every expiry up to now has been noticed after that.
    fn last_event(&mut self, now: Nanos) -> Nanos {
        let Self { limits, queues, event, .. } = self;
        for index in queues.routes() {
            let charge = |limits: &[LimitState], nth: usize| {
                limits[index as usize].route.as_ref().and_then(|route| route.charges.get(nth)).copied()
            };
            let mut nth = 0;
            while let Some(Charge { limit, .. }) = charge(limits, nth) {
                let window = &mut limits[limit as usize].window;
                window.expire(now);
                *event = window.expired_at().max(*event);
                nth += 1;
            }
        }
        if std::mem::take(&mut self.changed) {
            self.event = now;
        }
        self.event
    }

    /// Whether it is known when units come free of all that goes: with [`Hold::Start`], where nobody waits for what others
    /// hold until they end.
    pub(super) fn is_exact(&self) -> bool {
        self.options.hold == Hold::Start
            && self.concurrent.iter().all(|&index| self.limits[index as usize].waiting == 0)
    }

    /// From when on a plan lets requests start. Where it is exact, it begins now. Otherwise it begins at
    /// the last event: a start that moved on with the clock would fit in front of a reservation now, and not a little
    /// later.
    fn plans_from(&self, now: Nanos) -> Nanos {
        if self.is_exact() { now } else { self.event }
    }

    /// Whether the next request of a route may go now.
    pub(super) fn may_go(&self, walk: &Walk, now: Nanos, route: &Route, units: u64) -> Result<(), Refusal> {
        let windows = || route.charges.iter().map(|charge| (charge, self.window(charge.limit)));
        let fits = windows().all(|(charge, window)| window.fits(charge.weight * units));
        if walk.plans_heads() && self.is_exact() {
            let start = walk.plan.earliest(&route.charges, units, now, |index| self.window(index));
            let refusal = Refusal { reserved: false, start: Some(start) };
            return if fits && start <= now { Ok(()) } else { Err(refusal) };
        }
        let wanted = |charge: &Charge| Charge { weight: charge.weight * units, ..*charge };
        let leaves_whole = |(charge, window): (&Charge, &Window)| {
            if walk.plans_heads() {
                walk.plan.leaves_whole(wanted(charge), window)
            } else {
                walk.plan.fits_beside_all(wanted(charge), window) <= now
            }
        };
        let goes = fits && (walk.plan.is_empty() || windows().all(leaves_whole));
        if goes { Ok(()) } else { Err(Refusal { reserved: fits, start: None }) }
    }

    /// When a request that does not go now can, as far as the clock alone decides, whatever is in flight; `None` where it
    /// does not.
    fn fits_at(&self, walk: &Walk, route: &Route, units: u64) -> Option<Nanos> {
        let mut at = 0;
        for charge in &route.charges {
            let (window, wanted) = (self.window(charge.limit), charge.weight * units);
            at = at.max(if walk.plans_heads() {
                window.window_down_to(window.limit().checked_sub(wanted)?.checked_sub(window.in_flight())?)
            } else {
                walk.plan.fits_beside_all(Charge { weight: wanted, ..*charge }, window)
            });
        }
        Some(at)
    }

    /// The next instant at which anything expires that waiting requests want.
    fn next_expiry(&self, now: Nanos) -> Option<Nanos> {
        let routes = self.queues.routes().filter_map(|index| self.limits[index as usize].route.as_ref());
        let limits = routes.flat_map(|route| &route.charges).map(|charge| charge.limit);
        limits.filter_map(|limit| self.window(limit).next_change(now)).min()
    }

    /// Reserves what a request wants. When it will go, if those behind it are to be planned for as well.
    fn reserve(
        &self,
        walk: &mut Walk,
        now: Nanos,
        route: &Route,
        units: u64,
        after: Option<Nanos>,
        known: Option<Nanos>,
    ) -> Option<Nanos> {
        let head = after.is_none();
        if head && !walk.plans_heads() {
            walk.plan.add(&route.charges, units);
            return None;
        }
        let limit_of = |index: Index| self.window(index);
        let from = after.unwrap_or_else(|| self.plans_from(now));
        let start = known.unwrap_or_else(|| walk.plan.earliest(&route.charges, units, from, limit_of));
        walk.plan.reserve(&route.charges, units, start, head, limit_of);
        *(if head { &mut walk.planned_heads } else { &mut walk.planned_behind }) += 1;
        Some(start).filter(|&start| start != NEVER)
    }

    pub(super) fn window(&self, limit: Index) -> &Window {
        &self.limits[limit as usize].window
    }
}
