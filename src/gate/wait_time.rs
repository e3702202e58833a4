//! How long a request that came now would wait.

use crate::clock::Nanos;

use super::enter::Gate;
use super::plan::{self, NEVER, Plan};
use super::queue::{Order, Place, Rank};
use super::route::Route;

impl<W> Gate<W> {
    /// How long a request that came now would wait: 0 only if it could pass at once. Requests in flight count as
    /// answered at once, so that it may be longer; exact where one limit decides and the units start to leave at
    /// the start. [`NEVER`] while so little may be used of a limit that the request does not fit into it.
    ///
    /// [`Gate::advance`] must have been called for `now`.
    pub fn wait_time(&mut self, now: Nanos, route: &Route, units: u64, rank: Rank) -> Nanos {
        self.expire(now, route);
        let highest = self.queues.raise(rank);
        // It would be an arrival, and one that waits: both change the plan of the others.
        let (changed, event) = (std::mem::replace(&mut self.changed, true), self.event);
        self.waited.add(&route.charges, 1);
        self.plan_before(now, rank);
        let walk = std::mem::take(&mut self.walk);
        let blocked = self.waits_before(now, route, rank) || self.may_go(&walk, now, route, units).is_err();
        let wait = if blocked { self.estimate(&walk.plan, now, route, units, rank) } else { 0 };
        self.walk = walk;
        self.waited.remove(&route.charges);
        (self.changed, self.event) = (changed, event);
        self.queues.lower(highest);
        wait
    }

    fn estimate(&self, plan: &Plan, now: Nanos, route: &Route, units: u64, rank: Rank) -> Nanos {
        let mut at = plan.earliest(&route.charges, units, now, |index| self.window(index));
        // The plan knows a bounded number of waiters. However many wait, they go before this one where they are of its
        // own route or wait for the same full limit.
        let mut ahead: Vec<u64> = route.charges.iter().map(|charge| charge.weight * units).collect();
        let last = self.queues.before(rank, now);
        for (head, units) in self.queues.heads_with_units().take_while(|(head, _)| head.order <= last) {
            if self.was_lowered && head.route == route.index && self.is_above(head.route, units) {
                // Nobody knows when the one before it can go.
                return NEVER;
            }
            self.add_units_ahead(head, units, route, last, &mut ahead);
        }
        for (charge, &ahead) in route.charges.iter().zip(&ahead) {
            at = at.max(plan::after_units(ahead, now, self.window(charge.limit)));
        }
        if at > now {
            return if at == NEVER { NEVER } else { at - now };
        }
        // It fits, but a reservation that hangs on requests in flight is in its way.
        let shortest =
            route.charges.iter().map(|charge| self.window(charge.limit).first_frees_at(now) - now).min();
        // At once, where that is as soon as a request in flight ends.
        self.wake.filter(|&wake| wake > now).map(|wake| wake - now).or(shortest).unwrap_or(1).max(1)
    }

    /// Adds the units of each limit that the waiters of a route take up to an order to `own`. `head` is the next one, which
    /// takes so many `units`.
    fn add_units_ahead(&self, head: Place, units: u64, own: &Route, last: Order, ahead: &mut [u64]) {
        let Some(route) = &self.limits[head.route as usize].route else { return };
        for charge in &route.charges {
            let full = || !self.window(charge.limit).fits(charge.weight * units);
            if let Some(at) = own.charges.iter().position(|other| other.limit == charge.limit)
                && (head.route == own.index || full())
            {
                let units = charge.weight.saturating_mul(self.queues.units_before(head.route, last));
                ahead[at] = ahead[at].saturating_add(units);
            }
        }
    }
}
