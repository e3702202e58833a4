//! Which requests go now: one walk over those that wait, in the order of the queue.
//!
//! Each request either goes now, or reserves what it wants of its limits for the earliest instant at which it can go
//! (see [`plan`](super::plan)), and those after it must leave that reservation as it is. Only the next request of a
//! route can go; of those behind it the oldest are planned for as well.
//!
//! A plan is for a bounded number of requests. What the others want counts as held from now on and for good, which is
//! coarse, costs next to nothing, and delays nobody who is older.
//!
//! A wake-up is always the instant of an expiry, of a quota's boundary, of a deadline, or, with a patience, at which a request
//! has risen to the highest class; and later than now: each is visited once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::clock::Nanos;
use crate::error::Error;
use crate::limit::Window;

use super::enter::{Decided, Gate};
use super::full::Full;
use super::plan::{NEVER, Plan};
use super::queue::{Order, Place, Rank};
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
    /// The next request of each route, with its units; the oldest last.
    heads: Vec<(Place, u64)>,
    /// Those that come behind one that was visited.
    followers: BinaryHeap<Reverse<Follower>>,
    planned_heads: usize,
    planned_behind: usize,
}

/// A request behind one that was visited in this walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Follower {
    place: Place,
    units: u64,
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
    fn begin(&mut self, limits: usize, event: Nanos, heads: impl Iterator<Item = (Place, u64)>) {
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
            Some(&(place, units)) if follower.is_none_or(|follower| place < follower.place) => {
                self.heads.pop();
                Some(Follower { place, units, after: None })
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
    /// It is planned for, fits beside what is used, and would take what an older request has reserved.
    reserved: bool,
    /// When it will go, where that was asked to know whether it may go now.
    start: Option<Nanos>,
    /// When it can go, as far as the clock alone decides, whatever is in flight; [`NEVER`] where it does not.
    again: Nanos,
}

/// What becomes of the next request of a route.
enum Verdict {
    Goes,
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
        let deadline = self.queues.first_deadline().map(|(at, _)| at);
        self.wake.into_iter().chain(deadline).chain(self.queues.next_rise()).min()
    }

    /// Lets everybody through who may pass at `now`, oldest first, and turns away those whose time is up.
    pub fn advance(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) {
        self.changed |= self.queues.rise(now);
        loop {
            // Of those whose time is up now, one may go as another no longer stands before it: they are gone through in turn.
            if !self.stands(now) || self.queues.several_give_up(now) {
                self.let_through(now, decided);
            }
            if !self.turn_away(now, decided) {
                break;
            }
        }
    }

    /// Whether nobody can pass who could not when the queue was last gone through: nothing has changed but the time, and it
    /// is not the instant yet that was named then. What the clock on the wall shows may have changed, too.
    fn stands(&self, now: Nanos) -> bool {
        !self.changed && self.wake.is_none_or(|at| now < at) && !self.waits_for_wall_time()
    }

    /// Turns away requests that have waited for as long as they may; whether later ones may have waited for that.
    fn turn_away(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) -> bool {
        let mut others = false;
        while let Some((at, place)) = self.queues.first_deadline().filter(|&(at, _)| at <= now) {
            others |= !self.queues.is_last(place);
            self.refuse(now, at, place, decided);
        }
        others && !self.queues.is_empty()
    }

    /// Turns away a request that could wait until `at`.
    fn refuse(&mut self, now: Nanos, at: Nanos, place: Place, decided: &mut Vec<Decided<W>>) {
        let Some(waiter) = self.remove(place) else { return };
        let route = self.limits[place.route as usize].route.clone();
        let id = route.as_ref().map_or(&self.limits[place.route as usize].id, |route| &route.id).to_string();
        let full = route.map_or_else(Full::default, |route| {
            self.remember_refused(&route, waiter.units);
            self.count_turned_away(&route, at <= waiter.since);
            self.expire(now, &route);
            self.full(now, &route, waiter.units)
        });
        let error = Error::Timeout {
            id,
            timeout: Duration::from_nanos(at - waiter.since).as_secs_f64(),
            full_limit: full.limit,
            retry_after: full.wait.map(|wait| wait.as_secs_f64()),
        };
        decided.push(Decided { outcome: Err(error), waiter });
    }

    fn let_through(&mut self, now: Nanos, decided: &mut Vec<Decided<W>>) {
        let (mut wake, mut reserved) = (NEVER, false);
        self.walk(now, Order::LAST, decided, |gate, walk, index, units| {
            let planned = walk.plans_heads();
            let Some(route) = &gate.limits[index as usize].route else { return Verdict::Waits(None) };
            let Err(refusal) = gate.may_go(walk, now, route, units) else { return Verdict::Goes };
            if refusal.again > now {
                wake = wake.min(refusal.again);
            }
            // A reservation that hangs on requests in flight comes later with the next expiry.
            reserved =
                reserved || if planned { refusal.reserved } else { gate.fits_by_now(now, index, units) };
            Verdict::Waits(refusal.start)
        });
        if reserved {
            wake = self.next_expiry(now).map_or(wake, |at| at.min(wake));
        }
        self.wake = Some(wake).filter(|&at| at != NEVER);
    }

    /// Makes a plan for all requests that wait and go before one of this rank that comes now, with nobody going: what that
    /// one must leave whole. [`Gate::advance`] must have been called for `now`: nobody is left who gives up.
    pub(super) fn plan_before(&mut self, now: Nanos, rank: Rank) {
        let last = self.queues.before(rank, now);
        self.walk(now, last, &mut Vec::new(), |_, _, _, _| Verdict::Waits(None));
    }

    /// Visits the requests that wait in the order of the queue, down to `last`. `visit` says what becomes of the next one of a route; what a
    /// request is planned for takes has left the windows before.
    fn walk(
        &mut self,
        now: Nanos,
        last: Order,
        decided: &mut Vec<Decided<W>>,
        mut visit: impl FnMut(&mut Self, &Walk, Index, u64) -> Verdict,
    ) {
        let event = self.last_event(now);
        let some_give_up = self.queues.first_deadline().is_some_and(|(at, _)| at <= now);
        let mut walk = std::mem::take(&mut self.walk);
        walk.begin(self.limits.len(), event, self.queues.heads_with_units());
        while let Some(Follower { place, units, after }) = walk.next() {
            if place.order > last {
                break;
            }
            let gives_up = if some_give_up { self.gives_up(now, place) } else { None };
            // When it can go, nobody knows: until a limit has grown, it holds up nobody but those behind it.
            if gives_up.is_none() && self.was_lowered && self.is_above(place.route, units) {
                continue;
            }
            let mut known = None;
            if after.is_none() {
                if walk.plans_heads() {
                    self.all_windows(place.route, |window, _| {
                        window.expire(now);
                        true
                    });
                }
                match visit(self, &walk, place.route, units) {
                    Verdict::Goes => {
                        self.grant(now, place, decided);
                        if let Some(route) = &self.limits[place.route as usize].route {
                            walk.plan.follow(now, &route.charges, |index| self.window(index));
                        }
                        walk.followers.extend(self.follower(self.queues.first_after(place), None));
                        continue;
                    }
                    Verdict::Waits(start) => known = start,
                }
            } else if last == Order::LAST && !walk.has_heads() {
                // Nobody can go any more. Where one asks who comes after `last`, it could: all before it are planned for.
                break;
            }
            // It does not go now, and never will: nothing is planned for it, and nobody waits for it.
            if let Some(at) = gives_up {
                walk.followers.extend(self.follower(self.queues.first_after(place), after));
                self.refuse(now, at, place, decided);
                continue;
            }
            // Every waiter of a busy queue has a route: a new table hands back those that lost theirs.
            let Some(route) = &self.limits[place.route as usize].route else { continue };
            if let Some(start) = self.reserve(&mut walk, now, route, units, after, known) {
                let next = self.queues.first_after(place).filter(|_| walk.plans_behind());
                walk.followers.extend(self.follower(next, Some(start)));
            }
        }
        self.walk = walk;
    }

    /// When a waiting request gives up, if that is not after `now`.
    fn gives_up(&self, now: Nanos, place: Place) -> Option<Nanos> {
        self.queues.get(place)?.deadline.filter(|&at| at <= now)
    }

    fn follower(&self, place: Option<Place>, after: Option<Nanos>) -> Option<Reverse<Follower>> {
        let place = place?;
        Some(Reverse(Follower { place, units: self.queues.get(place)?.units, after }))
    }

    /// A waiting request takes its units, and waits no longer.
    fn grant(&mut self, now: Nanos, place: Place, decided: &mut Vec<Decided<W>>) {
        let Some(route) = self.limits[place.route as usize].route.clone() else { return };
        if let Some(waiter) = self.remove(place) {
            self.expire(now, &route);
            self.charge(&route, waiter.units, Window::take);
            decided.push(Decided { outcome: Ok(route), waiter });
        }
    }

    /// Whether a request takes more of a limit than may be used of it.
    pub(super) fn is_above(&self, index: Index, units: u64) -> bool {
        let above = |charge: &Charge| charge.weight * units > self.window(charge.limit).limit();
        self.limits[index as usize].route.as_ref().is_some_and(|route| route.charges.iter().any(above))
    }

    /// Whether `is` true of all the windows that a route takes from, each with the route's weight. The last limit comes
    /// first: those that a request is linked to are full more often than its own.
    fn all_windows(&mut self, index: Index, mut is: impl FnMut(&mut Window, u64) -> bool) -> bool {
        let mut nth = self.limits[index as usize].route.as_ref().map_or(0, |route| route.charges.len());
        while let Some(before) = nth.checked_sub(1)
            && let Some(route) = &self.limits[index as usize].route
        {
            let Charge { limit, weight, .. } = route.charges[before];
            if !is(&mut self.limits[limit as usize].window, weight) {
                return false;
            }
            nth = before;
        }
        true
    }

    /// Whether a request fits beside what is used, whatever others have reserved.
    fn fits_by_now(&mut self, now: Nanos, index: Index, units: u64) -> bool {
        self.all_windows(index, |window, weight| {
            window.expire(now);
            window.fits(weight * units)
        })
    }

    /// When anything last changed that a plan hangs on. Where that was an expiry, all of them up to now are noticed;
    /// where it was anything else, it is now, and they can wait until somebody asks for what is used.
    fn last_event(&mut self, now: Nanos) -> Nanos {
        let Self { limits, waited, event, .. } = self;
        if std::mem::take(&mut self.changed) {
            *event = now;
        } else {
            for limit in waited.limits() {
                let window = &mut limits[limit as usize].window;
                window.expire(now);
                *event = window.expired_at().max(*event);
            }
        }
        *event
    }

    /// Whether it is known when units come free of all that goes: with [`Hold::Start`], where nobody waits for what others
    /// hold until they end.
    pub(super) fn is_exact(&self) -> bool {
        self.options.hold == Hold::Start && self.concurrent.iter().all(|&index| self.waited.count(index) == 0)
    }

    /// From when on a plan lets requests start. Where it is exact, it begins now. Otherwise it begins at
    /// the last event: a start that moved on with the clock would fit in front of a reservation now, and not a little
    /// later.
    fn plans_from(&self, now: Nanos) -> Nanos {
        if self.is_exact() { now } else { self.event }
    }

    /// Whether the next request of a route may go now. What has left the windows of a request that is planned for must have
    /// been noticed.
    pub(super) fn may_go(&self, walk: &Walk, now: Nanos, route: &Route, units: u64) -> Result<(), Refusal> {
        let wanted = |charge: &Charge| Charge { weight: charge.weight * units, ..*charge };
        if !walk.plans_heads() {
            let mut again = 0;
            for charge in route.charges.iter().rev() {
                again = walk.plan.fits_beside_all(wanted(charge), self.window(charge.limit)).max(again);
                if again == NEVER {
                    break;
                }
            }
            if again > now && self.has_reserve_for(route) {
                let is_free = |charge| walk.plan.fits_beside_all(charge, self.window(charge.limit)) <= now;
                let is_whole = |charge| is_free(charge) || self.is_kept_for(now, &walk.plan, route, charge);
                let fits_at = self.fits_at(route, units).unwrap_or(NEVER);
                if fits_at <= now && route.charges.iter().map(wanted).all(is_whole) {
                    return Ok(());
                }
                again = if fits_at > now { again.min(fits_at) } else { again };
            }
            return if again <= now { Ok(()) } else { Err(Refusal { reserved: false, start: None, again }) };
        }
        let windows = || route.charges.iter().map(|charge| (charge, self.window(charge.limit)));
        let fits = windows().all(|(charge, window)| window.fits(charge.weight * units));
        if self.is_exact() {
            let start = walk.plan.earliest(&route.charges, units, now, |index| self.window(index));
            let refusal = Refusal { reserved: false, start: Some(start), again: start };
            return if fits && start <= now { Ok(()) } else { Err(refusal) };
        }
        let leaves_whole = |(charge, window)| {
            let wanted = wanted(charge);
            walk.plan.leaves_whole(wanted, window) || self.is_kept_for(now, &walk.plan, route, wanted)
        };
        if fits && windows().all(leaves_whole) {
            return Ok(());
        }
        let again = self.fits_at(route, units).unwrap_or(NEVER);
        Err(Refusal { reserved: fits, start: None, again })
    }

    /// When a request fits, as far as the clock alone decides, whatever is in flight; `None` where it does not.
    fn fits_at(&self, route: &Route, units: u64) -> Option<Nanos> {
        let mut at = 0;
        for charge in &route.charges {
            let (window, wanted) = (self.window(charge.limit), charge.weight * units);
            if wanted == 0 {
                at = at.max(window.paused_until().unwrap_or(0));
                continue;
            }
            let room = window.limit().checked_sub(wanted)?.checked_sub(window.in_flight())?;
            at = at.max(window.window_down_to(room));
        }
        Some(at)
    }

    /// The next instant at which anything expires that waiting requests want.
    fn next_expiry(&self, now: Nanos) -> Option<Nanos> {
        self.waited.limits().filter_map(|limit| self.window(limit).next_change(now)).min()
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
