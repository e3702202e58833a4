//! The gate: limits, what is used of them, who waits, and who goes next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Nanos, WallNanos};
use crate::error::{Error, closest};
use crate::limit::{RateLimit, Window};

use super::plan::{self, Moment, Plan, Refusal};
use super::queue::{Place, Queues, Waiter};
use super::route::{Charge, Index, Route};
use super::table::{self, Hold, Options, Row};
use super::usage::Usage;

/// So many waiting requests beyond the next one of each route get a reservation that younger requests must leave
/// whole. Every waiter keeps its place behind the older ones of its route in any case; the bound keeps the cost of
/// letting one request pass others independent of how many wait.
const PLAN_AHEAD: usize = 32;

#[derive(Debug)]
struct Limit {
    id: Arc<str>,
    window: Window,
    /// Requests in the queues that take from this limit.
    waiting: usize,
    /// What a request for this limit's id takes; `None` once the table no longer has it. What it holds is kept: it
    /// counts again should the id come back.
    route: Option<Arc<Route>>,
}

/// What became of a request that waited: let through on a route, its units in flight, or refused.
#[derive(Debug)]
pub(crate) struct Decided<W> {
    pub outcome: Result<Arc<Route>, Error>,
    pub waiter: Waiter<W>,
}

/// Units in the window of a limit.
#[cfg(feature = "python")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    /// The limit's id.
    pub id: Arc<str>,
    /// When they began to count down: one interval later they leave.
    pub stamp: Nanos,
    pub units: u64,
}

/// A route that nobody may pass for now, and how far its waiters are in the plan.
#[derive(Debug)]
struct Closed {
    /// The next of its waiters to plan for; `None` after the last.
    next: Option<Place>,
    /// Its latest waiter in the plan; `None` before the first.
    last: Option<Moment>,
    not_before: Nanos,
}

/// What one look at the queues needs; kept for its allocations.
#[derive(Debug, Default)]
struct Scratch {
    heads: BinaryHeap<Reverse<Place>>,
    closed: Vec<Closed>,
    plan: Plan,
    ahead: usize,
    /// What the plan has refused, by limit: whoever comes later and wants no less of that limit is refused for the
    /// same reason, without being asked again.
    refused: Vec<(Charge, Refusal)>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Gate<W> {
    options: Options,
    limits: Vec<Limit>,
    /// Which of them must know wall time.
    quotas: Vec<Index>,
    by_id: HashMap<Arc<str>, Index>,
    version: u32,
    queues: Queues<W>,
    wake: Option<Nanos>,
    scratch: Scratch,
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

    // ---- the table

    /// Replaces the table: whole, or not at all. What is used of ids that stay, stays used. Requests that wait for
    /// an id that is gone, or no longer fit what they wait for, are refused. [`Gate::now`] and then [`Gate::advance`]
    /// must follow.
    pub fn set_table(&mut self, now: Nanos, table: &[RateLimit]) -> Result<Vec<Decided<W>>, Error> {
        let rows = table::check(table, &self.options)?;
        self.version += 1;
        // Those that went with the table before this one are no longer named by anybody but who waits or is in flight.
        let mut unused = self.unused(now, &rows);
        self.limits.iter_mut().for_each(|limit| limit.route = None);
        let indices: Vec<Index> = rows.iter().map(|row| self.index_of(row, &mut unused)).collect();
        for (row, &index) in rows.iter().zip(&indices) {
            let charge = |&(at, weight): &(usize, u64)| Charge { limit: indices[at], weight };
            let limit = &mut self.limits[index as usize];
            limit.window.expire(now);
            limit.window.reshape(now, row.shape);
            limit.route = Some(Arc::new(Route {
                id: limit.id.clone(),
                index,
                version: self.version,
                hold: self.options.hold,
                charges: row.takes.iter().map(charge).collect(),
            }));
        }
        self.quotas =
            (0..).zip(&self.limits).filter(|(_, limit)| limit.window.is_quota()).map(|(at, _)| at).collect();
        self.queues.resize(self.limits.len());
        Ok(self.refuse_hopeless())
    }

    fn index_of(&mut self, row: &Row, unused: &mut Vec<Index>) -> Index {
        if let Some(&index) = self.by_id.get(row.id.as_str()) {
            return index;
        }
        let id: Arc<str> = row.id.as_str().into();
        let limit = Limit { id: id.clone(), window: Window::new(row.shape), waiting: 0, route: None };
        let index = match unused.pop() {
            Some(index) => {
                let old = std::mem::replace(&mut self.limits[index as usize], limit);
                self.by_id.remove(&old.id);
                index
            }
            None => {
                self.limits.push(limit);
                Index::try_from(self.limits.len() - 1).expect("fewer than 4 billion limits")
            }
        };
        self.by_id.insert(id, index);
        index
    }

    /// Limits that the tables before left behind, and that hold nothing any more.
    fn unused(&mut self, now: Nanos, rows: &[table::Row]) -> Vec<Index> {
        let kept: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let idle = |(at, limit): (usize, &mut Limit)| {
            limit.window.expire(now);
            let idle = limit.route.is_none() && limit.window.used() == 0 && limit.waiting == 0;
            (idle && !kept.contains(&*limit.id)).then_some(at as Index)
        };
        self.limits.iter_mut().enumerate().filter_map(idle).collect()
    }

    fn refuse_hopeless(&mut self) -> Vec<Decided<W>> {
        let mut hopeless = Vec::new();
        for &index in self.queues.busy() {
            for (place, waiter) in self.queues.places(index) {
                let verdict = match &self.limits[index as usize].route {
                    Some(route) => self.check_units(route, waiter.units),
                    None => Err(self.unknown(&self.limits[index as usize].id)),
                };
                hopeless.extend(verdict.err().map(|error| (place, error)));
            }
        }
        let refused = hopeless
            .into_iter()
            .filter_map(|(place, error)| {
                Some(Decided { outcome: Err(error), waiter: self.queues.remove(place)? })
            })
            .collect();
        // Weights and links may have changed under those who stay: count anew.
        self.limits.iter_mut().for_each(|limit| limit.waiting = 0);
        for &index in self.queues.busy() {
            let Some(route) = self.limits[index as usize].route.clone() else { continue };
            let count = self.queues.len_of(index);
            route.charges.iter().for_each(|charge| self.limits[charge.limit as usize].waiting += count);
        }
        refused
    }

    /// The route of an id.
    pub fn lookup(&self, id: &str) -> Result<&Arc<Route>, Error> {
        let index = self.by_id.get(id);
        index.and_then(|&index| self.limits[index as usize].route.as_ref()).ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: &str) -> Error {
        let ids = self.limits.iter().filter(|limit| limit.route.is_some()).map(|limit| &*limit.id);
        Error::UnknownLimit { id: id.to_owned(), closest: closest(id, ids) }
    }

    /// Whether a route still says what the table says.
    #[inline]
    pub fn is_current(&self, route: &Route) -> bool {
        route.version == self.version
    }

    /// The routes of the whole table, in its order of first appearance.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.limits.iter().filter_map(|limit| limit.route.as_ref())
    }

    /// Checks that a request for `units` times a route's weights could ever pass.
    pub fn check_units(&self, route: &Route, units: u64) -> Result<(), Error> {
        if units == 0 {
            return Err(Error::invalid("units", "1 or more", units));
        }
        for charge in &route.charges {
            let limit = &self.limits[charge.limit as usize];
            let (wanted, available) = (charge.weight.saturating_mul(units), limit.window.limit());
            if wanted > available {
                let (id, limit) = (route.id.to_string(), limit.id.to_string());
                return Err(Error::NeverPasses { id, limit, units: wanted, available, times: units });
            }
        }
        Ok(())
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
    fn fits(&mut self, now: Nanos, route: &Route, units: u64) -> bool {
        route.charges.iter().all(|charge| {
            let window = &mut self.limits[charge.limit as usize].window;
            window.expire(now);
            window.fits(charge.weight * units)
        })
    }

    // ---- the log

    /// What is in the rolling windows since they were last rewritten: (id, stamp, units), by limit, oldest first. Limits
    /// that the table no longer has are left out, and so are quotas, which keep a count alone.
    #[cfg(feature = "python")]
    pub fn log(&mut self, now: Nanos) -> Vec<LogEntry> {
        let mut log = Vec::new();
        for limit in self.limits.iter_mut().filter(|limit| limit.route.is_some()) {
            let Window::Rolling(rolling) = &mut limit.window else { continue };
            rolling.expire(now);
            let entry = |(stamp, units)| LogEntry { id: limit.id.clone(), stamp, units };
            log.extend(rolling.stamps().map(entry));
        }
        log
    }

    /// Makes the rolling windows hold what the log says and nothing else; what is in flight stays so. Unknown ids are left
    /// out, and nothing counts from later than `now`. [`Gate::advance`] must follow.
    #[cfg(feature = "python")]
    pub fn rewrite_log(&mut self, now: Nanos, mut log: Vec<LogEntry>) {
        log.sort_by_key(|entry| entry.stamp);
        for limit in &mut self.limits {
            let own = log.iter().filter(|entry| entry.id == limit.id);
            if let Window::Rolling(rolling) = &mut limit.window {
                rolling.rewrite(now, own.map(|entry| (entry.stamp.min(now), entry.units)));
            }
        }
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
    fn may_go(
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
    fn plan_older(&self, scratch: &mut Scratch, now: Nanos, place: Place) {
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

    // ---- questions

    /// How long a request that came now would wait: 0 only if it could pass at once. Requests in flight count as
    /// answered at once, so that it may be longer; exact where one limit decides and the units start to leave at
    /// the start.
    ///
    /// [`Gate::advance`] must have been called for `now`.
    pub fn wait_time(&mut self, now: Nanos, route: &Route, units: u64) -> Nanos {
        let mut scratch = std::mem::take(&mut self.scratch);
        let last = Place { number: u64::MAX, route: route.index };
        let blocked = self.queues.len_of(route.index) > 0
            || (self.may_go(&mut scratch, now, last, route, units)).is_err();
        let wait = if blocked { self.estimate(&mut scratch, now, last, route, units) } else { 0 };
        self.scratch = scratch;
        wait
    }

    fn estimate(&self, scratch: &mut Scratch, now: Nanos, last: Place, route: &Route, units: u64) -> Nanos {
        let limit_of = |index: Index| &self.limits[index as usize].window;
        self.plan_older(scratch, now, last);
        let from = Moment { at: now, moves: false };
        let mut at = scratch.plan.earliest(&route.charges, units, from, now, limit_of).at;
        // The plan looks a bounded number of waiters ahead. However many wait, they go before this one where they
        // are of its own route or wait for the same full limit.
        for charge in &route.charges {
            let window = limit_of(charge.limit);
            let ahead: u64 = (self.queues.busy().iter())
                .filter_map(|&other| self.units_ahead(other, charge.limit, route.index))
                .fold(charge.weight * units, u64::saturating_add);
            at = at.max(plan::after_units(ahead, now, window));
        }
        if at > now {
            return at - now;
        }
        // It fits, but a reservation that hangs on requests in flight is in its way.
        let shortest = route.charges.iter().map(|charge| limit_of(charge.limit).frees_at(now) - now).min();
        self.wake.filter(|&wake| wake > now).map(|wake| wake - now).or(shortest).unwrap_or(1)
    }

    /// How many units of `limit` the waiters of `other` take before a newcomer to `own`.
    fn units_ahead(&self, other: Index, limit: Index, own: Index) -> Option<u64> {
        let route = self.limits[other as usize].route.as_ref()?;
        let charge = route.charges.iter().find(|charge| charge.limit == limit)?;
        let head = self.queues.get(self.queues.head(other)?)?;
        let full = !self.limits[limit as usize].window.fits(charge.weight * head.units);
        (other == own || full).then(|| charge.weight.saturating_mul(self.queues.units_of(other)))
    }

    /// The usage of one limit.
    pub fn usage(&mut self, now: Nanos, route: &Route) -> Usage {
        let limit = &mut self.limits[route.index as usize];
        limit.window.expire(now);
        let window = &limit.window;
        let resets_at = match window.next_expiry(now) {
            Some(at) => at,
            None if window.in_flight() > 0 => window.frees_at(now),
            None => now,
        };
        Usage {
            id: limit.id.to_string(),
            limit: window.limit(),
            used: window.used(),
            in_flight: window.in_flight(),
            waiting: limit.waiting,
            interval: Duration::from_nanos(window.interval()),
            resets_in: Duration::from_nanos(resets_at - now),
        }
    }
}
