//! The gate's state (limits, what is used of them, the queue), and how requests enter, join the queue and leave.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::{Clock, Nanos, WallNanos, nanos};
use crate::error::Error;
use crate::limit::{RateLimit, Scope, ServerClock, Window};

use super::advance::Walk;
use super::counts::LimitCounts;
use super::listening::Heard;
use super::queue::{Order, Place, Queues, Rank, Waiter};
use super::route::{Index, Route};
use super::table::{Hold, Options};
use super::waited::Waited;

#[derive(Debug)]
pub(super) struct LimitState {
    pub(super) id: Arc<str>,
    pub(super) window: Window,
    /// What the table says, for all bots together.
    pub(super) published: u64,
    pub(super) heard: Heard,
    /// How long the windows are, where they are those of the exchange's clock.
    pub(super) server_window: Option<Nanos>,
    /// Whose requests it counts; `None` if it counts none.
    pub(super) scope: Option<Scope>,
    /// A pause of this limit stops the requests for its id, also if they take nothing of it.
    pub(super) stops_without_units: bool,
    /// Whose requests these are, where they are those below a priority alone: see [`reserve`](super::reserve).
    pub(super) base: Option<Index>,
    /// Whether it is what is left of a limit by a reserve.
    pub(super) is_companion: bool,
    /// The most units that one request is known to take.
    pub(super) heaviest: u64,
    /// The most times its weights that a request for this limit's id was known to take, whatever the table.
    pub(super) most_units: u64,
    /// The most units of any request that was turned away lately, where the limit is shared.
    pub(super) refused: u64,
    /// So many units may be in flight before others might have to wait for an answer.
    pub(super) roomy: u64,
    /// When it last became another one, no more units than this were in flight in blocks that nobody knows of.
    pub(super) unknown: u64,
    /// What a request for this limit's id takes; `None` once the table no longer has it. What it holds is kept: it
    /// counts again should the id come back.
    pub(super) route: Option<Arc<Route>>,
    pub(super) counts: LimitCounts,
}

/// What became of a request that waited: let through on a route, its units in flight, or refused.
#[derive(Debug)]
pub(crate) struct Decided<W> {
    pub outcome: Result<Arc<Route>, Error>,
    pub waiter: Waiter<W>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Gate<W> {
    pub(super) options: Options,
    pub(super) limits: Vec<LimitState>,
    /// Which of them must know wall time.
    pub(super) quotas: Vec<Index>,
    /// Which of them hold units until requests end, whatever the [`Hold`].
    pub(super) concurrent: Vec<Index>,
    /// What is known of the clock of the exchange.
    pub(super) server_clock: Option<ServerClock>,
    pub(super) by_id: HashMap<Arc<str>, Index>,
    pub(super) version: u32,
    pub(super) queues: Queues<W>,
    pub(super) waited: Waited,
    /// When a waiting request can next pass by the clock alone, as far as was known when the queue was last gone through.
    pub(super) wake: Option<Nanos>,
    /// Whether anything but the time has changed since the queue was last gone through.
    pub(super) changed: bool,
    /// When anything that the plan hangs on last changed: an arrival, an answer, an expiry, a new table.
    pub(super) event: Nanos,
    /// Kept for its allocations.
    pub(super) walk: Walk,
    /// What may be used of a limit that is new in the table.
    pub(super) allowed_at_first: u64,
    /// Whether less may be used of any limit than the table says, or was at some time.
    pub(super) was_lowered: bool,
    /// Whether any limit of the table has a reserve.
    pub(super) has_reserves: bool,
    /// Whether other processes take from the same limits.
    pub(super) is_shared: bool,
    /// How far their clocks of the wall may be apart.
    pub(super) clocks_apart: Nanos,
    /// Whether any limit has refused units.
    pub(super) has_refused: bool,
    /// Until when everything is paused, and why: limits that are new in the table as well.
    pub(super) paused_until: Nanos,
    pub(super) paused_for: Arc<str>,
    /// The same of the limits of one scope.
    pub(super) paused_scopes: Vec<(Scope, Nanos, Arc<str>)>,
    /// Who waits at another place since the last table.
    pub(super) moved: Vec<(Place, Place)>,
}

impl<W> Gate<W> {
    pub fn new(table: &[RateLimit], options: Options) -> Result<Self, Error> {
        options.check()?;
        let mut gate = Self::empty(options);
        gate.set_table(0, table)?;
        Ok(gate)
    }

    /// Without any limit.
    pub fn empty(options: Options) -> Self {
        Self {
            options,
            limits: Vec::new(),
            quotas: Vec::new(),
            concurrent: Vec::new(),
            server_clock: None,
            has_reserves: false,
            is_shared: false,
            clocks_apart: 0,
            by_id: HashMap::new(),
            version: 0,
            queues: Queues::new(options.patience.map(nanos)),
            waited: Waited::default(),
            wake: None,
            changed: false,
            event: 0,
            walk: Walk::default(),
            allowed_at_first: u64::MAX,
            was_lowered: false,
            has_refused: false,
            paused_until: 0,
            paused_for: Arc::default(),
            paused_scopes: Vec::new(),
            moved: Vec::new(),
        }
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

    /// The clock of the exchange showed `shown` at `now`, give or take `uncertainty`. Whether anything is new, and
    /// [`Gate::advance`] must follow.
    pub fn observe_server(&mut self, now: Nanos, shown: WallNanos, uncertainty: Nanos) -> bool {
        let observed = ServerClock::observed(now, shown, uncertainty);
        let clock = self.server_clock.map_or(observed, |before| observed.after(before));
        let is_new = self.server_clock.replace(clock) != Some(clock);
        if is_new {
            self.changed = true;
            self.limits.iter_mut().for_each(|limit| limit.window.learn(now, clock));
        }
        is_new
    }

    /// Whether anybody waits for a quota, whose boundary comes earlier or later should the clock on the wall step.
    pub fn waits_for_wall_time(&self) -> bool {
        self.quotas.iter().any(|&index| self.waited.count(index) > 0)
    }

    // ---- entering and leaving

    /// Enters at once if the request fits and nobody waits for what it takes.
    #[inline]
    pub fn try_enter(&mut self, clock: &Clock, route: &Route, units: u64) -> bool {
        if self.is_waited_for(route) {
            return false;
        }
        match self.options.hold {
            Hold::Response => {
                // What fits beside all that was used when the clock was last read, fits now. Where it does, the clock
                // need not be read (a tenth of the whole pass) until the request leaves.
                let may =
                    (self.has_room(route, units) && !route.is_timed) || self.fits_now(clock, route, units);
                if may {
                    self.charge(route, units, Window::take);
                    route.count_pass();
                }
                may
            }
            Hold::Start => {
                let now = self.now(clock);
                let may = self.fits(now, route, units);
                if may {
                    self.start(now, route, units);
                    route.count_pass();
                }
                may
            }
        }
    }

    /// A request enters that is counted when it starts.
    #[inline]
    fn start(&mut self, now: Nanos, route: &Route, units: u64) {
        for charge in &route.charges {
            let (window, units) = (&mut self.limits[charge.limit as usize].window, charge.weight * units);
            if charge.held { window.take(units) } else { window.stamp(now, units) }
        }
    }

    /// Charges for good, with nothing to leave, if the request fits and nobody waits for what it takes.
    #[inline]
    pub fn try_acquire(&mut self, now: Nanos, route: &Route, units: u64) -> bool {
        let may = !self.is_waited_for(route) && self.fits(now, route, units);
        if may {
            self.charge(route, units, |window, units| window.stamp(now, units));
            route.count_pass();
        }
        may
    }

    /// Joins the queue. [`Gate::advance`] must follow, unless others of the same route wait already and go before it.
    pub fn join(&mut self, route: &Route, rank: Rank, waiter: Waiter<W>) -> Place {
        self.changed = true;
        self.waited.add(&route.charges, 1);
        self.queues.push(route.index, rank, waiter)
    }

    /// Returns to the queue, to its old place in the order. [`Gate::advance`] must follow.
    pub fn rejoin(&mut self, order: Order, route: &Route, waiter: Waiter<W>) -> Place {
        self.changed = true;
        self.waited.add(&route.charges, 1);
        let place = Place { order, route: route.index };
        self.queues.insert(place, waiter);
        place
    }

    /// Whether requests wait for any limit that a route takes from. Those that do not, never touch each other.
    #[inline]
    pub fn is_waited_for(&self, route: &Route) -> bool {
        !self.queues.is_empty() && route.charges.iter().any(|charge| self.waited.count(charge.limit) > 0)
    }

    /// Whether requests wait for this route that go before one that comes at `now`, and that one changes nothing for others.
    pub fn waits_before(&self, now: Nanos, route: &Route, rank: Rank) -> bool {
        let is_before = |head: Place| head.order <= self.queues.before(rank, now);
        self.queues.head(route.index).is_some_and(is_before) && !self.queues.moves_others(rank, now)
    }

    /// Takes a waiting request out of the queue. [`Gate::advance`] should follow: younger ones may have waited for it.
    pub fn remove(&mut self, place: Place) -> Option<Waiter<W>> {
        let waiter = self.queues.remove(place)?;
        self.changed = true;
        if let Some(route) = &self.limits[place.route as usize].route {
            self.waited.remove(&route.charges);
        }
        Some(waiter)
    }

    /// A request that was granted begins: its block runs from now on. Whether [`Gate::advance`] should follow.
    pub fn begin(&mut self, now: Nanos, route: &Route, units: u64) -> bool {
        if self.options.hold == Hold::Response {
            return false;
        }
        self.changed = true;
        for charge in route.charges.iter().filter(|charge| !charge.held) {
            self.limits[charge.limit as usize].window.settle(now, charge.weight * units);
        }
        self.is_waited_for(route)
    }

    /// A request's block has ended. With [`Hold::Start`] that changes nothing but what is counted while in flight.
    #[inline]
    pub fn leave(&mut self, now: Nanos, route: &Route, units: u64) {
        if route.is_held {
            self.changed = true;
            self.charge_held(route, units, |window, units| {
                window.expire(now);
                window.settle(now, units);
            });
        }
    }

    /// A granted request will not begin: as if it had never been let through.
    pub fn give_back(&mut self, route: &Route, units: u64) {
        self.changed = true;
        self.charge(route, units, Window::give_back);
    }

    /// What a request holds while its block runs is counted elsewhere.
    pub fn give_back_held(&mut self, route: &Route, units: u64) {
        self.changed = true;
        self.charge_held(route, units, Window::give_back);
    }

    /// All waiting requests by name, in no order.
    pub fn waiters(&self) -> impl Iterator<Item = (Place, &Waiter<W>)> {
        let named = |(place, waiter)| (self.queues.name(place, waiter), waiter);
        self.queues.routes().flat_map(|index| self.queues.places(index)).map(named)
    }

    /// Who waits at a place.
    pub fn waiter(&self, place: Place) -> Option<&Waiter<W>> {
        self.queues.get(place)
    }

    /// The route that a place in the queue is for.
    pub fn route_at(&self, place: Place) -> Option<Arc<Route>> {
        self.limits[place.route as usize].route.clone()
    }

    /// Everything in flight moves into the window, and nobody waits any more. The queues come back.
    pub fn forget_others(&mut self, now: Nanos) -> Vec<Waiter<W>> {
        self.changed = true;
        self.limits.iter_mut().for_each(|limit| limit.window.settle_all(now));
        self.forget_counts();
        self.waited.clear();
        let places: Vec<Place> = self.waiters().map(|(place, _)| place).collect();
        self.wake = None;
        places.into_iter().filter_map(|place| self.queues.remove(place)).collect()
    }

    #[inline]
    pub(super) fn charge(&mut self, route: &Route, units: u64, mut how: impl FnMut(&mut Window, u64)) {
        for charge in &route.charges {
            how(&mut self.limits[charge.limit as usize].window, charge.weight * units);
        }
    }

    /// The same for what a request holds while its block runs.
    #[inline]
    pub(super) fn charge_held(&mut self, route: &Route, units: u64, mut how: impl FnMut(&mut Window, u64)) {
        for charge in route.charges.iter().filter(|charge| charge.held) {
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

    /// Drops what has left the windows of a route.
    #[inline]
    pub(super) fn expire(&mut self, now: Nanos, route: &Route) {
        for charge in &route.charges {
            self.limits[charge.limit as usize].window.expire(now);
        }
    }
}
