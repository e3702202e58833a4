//! What a budget that processes share asks the gate, and takes from it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::clock::{Nanos, nanos};
use crate::error::Error;
use crate::limit::{Kind, RateLimit, Scope, Settled, Window, part_told};

use super::enter::{Decided, Gate};
use super::listening::Left;
use super::queue::Place;
use super::reserve::companions;
use super::route::{Index, Route};

/// One limit, as a shared budget sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Demand {
    /// Units in the window and in flight.
    pub used: u64,
    /// Units that waiting requests take, in all.
    pub waiting: u64,
    /// The most that the next one of any route takes.
    pub need: u64,
    /// Units in flight of blocks that nobody knows of: any request that waits may be within them.
    pub unknown: u64,
}

/// The next request of a route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NextWaiting {
    /// Its number; another one for each request.
    pub number: u64,
    /// `None` if it goes before all.
    pub priority: Option<i16>,
    pub since: Nanos,
    /// What the process must have for it to pass: (limit, units).
    pub needs: Vec<(Index, u64)>,
}

impl<W> Gate<W> {
    /// What is used of some limits, and waited for, at `now`. In the order of `limits`.
    pub fn demand(&mut self, now: Nanos, limits: &[Index]) -> Vec<Demand> {
        let mut demand: Vec<Demand> = Vec::with_capacity(limits.len());
        for &limit in limits {
            let window = &mut self.limits[limit as usize].window;
            window.expire(now);
            let used = window.used();
            let refused = self.limits[limit as usize].refused;
            let unknown = self.limits[limit as usize].unknown();
            demand.push(Demand { used, waiting: refused, need: refused, unknown });
        }
        if self.queues.is_empty() {
            return demand;
        }
        let mut position = vec![usize::MAX; self.limits.len()];
        (0..).zip(limits).for_each(|(at, &limit)| position[limit as usize] = at);
        for (head, units) in self.queues.heads_with_units() {
            let Some(route) = &self.limits[head.route as usize].route else { continue };
            for charge in &route.charges {
                let Some(demand) = demand.get_mut(position[charge.limit as usize]) else { continue };
                let all = charge.weight.saturating_mul(self.queues.units_of(head.route));
                demand.waiting = demand.waiting.saturating_add(all);
                demand.need = demand.need.max(charge.weight.saturating_mul(units));
            }
        }
        for (at, &limit) in limits.iter().enumerate().filter(|_| self.has_reserves) {
            let waiting = self.waiting_beside_companions(limit, |limit| {
                Some(demand.get(position[limit as usize])?.waiting)
            });
            demand[at].waiting =
                waiting.unwrap_or(demand[at].waiting).max(self.limits[limit as usize].refused);
        }
        demand
    }

    /// A request was turned away, or heard that it would have to wait. It matters where a budget is shared.
    pub fn remember_refused(&mut self, route: &Route, units: u64) {
        if self.allowed_at_first > 0 {
            return;
        }
        self.has_refused = true;
        for charge in &route.charges {
            let refused = &mut self.limits[charge.limit as usize].refused;
            *refused = charge.weight.saturating_mul(units).max(*refused);
        }
    }

    /// Whether a request was turned away since [`Gate::forget_refused`]: who tries again would like to pass.
    pub fn has_refused(&self) -> bool {
        self.has_refused
    }

    /// What was turned away is known now to those who share the budget.
    pub fn forget_refused(&mut self) {
        if std::mem::take(&mut self.has_refused) {
            self.limits.iter_mut().for_each(|limit| limit.refused = 0);
        }
    }

    /// The next request of each route that somebody waits for, oldest first, and no more than `most` of them.
    ///
    /// It may be within a block that nobody knows of. So it must not wait for those blocks: the process needs what they hold
    /// and what the request takes.
    pub fn next_waiting(&self, most: usize) -> Vec<NextWaiting> {
        let next = |head| {
            let waiter = self.queues.get(head)?;
            let route = self.limits[head.route as usize].route.as_ref()?;
            let needs = route.charges.iter();
            let needs = needs.map(|charge| {
                let takes = charge.weight.saturating_mul(waiter.units);
                let waits_for_blocks = charge.held && takes > 0;
                let held = if waits_for_blocks { self.limits[charge.limit as usize].unknown() } else { 0 };
                (charge.limit, takes.saturating_add(held))
            });
            Some(NextWaiting {
                number: head.order.number(),
                priority: head.order.priority(),
                since: waiter.since,
                needs: needs.collect(),
            })
        };
        self.queues.heads().take(most).filter_map(next).collect()
    }

    /// How long a request waits for each class that it rises by; `None`: it keeps its own.
    pub fn patience(&self) -> Option<Nanos> {
        self.options.patience.map(nanos)
    }

    /// What is left of the pause of a limit, and why; `None` if it is not paused.
    pub fn pause_of(&self, limit: Index, now: Nanos) -> Option<(Nanos, Arc<str>)> {
        let limit = &self.limits[limit as usize];
        let left = limit.window.paused_until()?.checked_sub(now).filter(|&left| left > 0)?;
        Some((left, limit.heard.reason.clone()))
    }

    /// The same of a pause of all limits of a scope, those that come into the table later among them.
    pub fn pause_of_scope(&self, scope: Scope, now: Nanos) -> Option<(Nanos, Arc<str>)> {
        let (until, reason) = self.pause_of_new(Some(scope));
        Some((until.checked_sub(now).filter(|&left| left > 0)?, reason))
    }

    /// What the exchange has told that a limit is, for all, and how long ago; `None` if the table holds.
    pub fn told_of(&self, limit: Index, now: Nanos) -> Option<(u64, Nanos)> {
        let own = &self.limits[limit as usize];
        // Of a companion it is told with the limit that it belongs to.
        let limit = own.base.map_or(own, |base| &self.limits[base as usize]);
        let (told, at) = limit.heard.limit.filter(|_| limit.window.is_told())?;
        Some((part_told(told, limit.published, own.published), now.saturating_sub(at)))
    }

    /// What was last heard of how much of a limit is left, and when units of others were last found.
    pub fn left_of(&self, limit: Index) -> Option<(Left, Option<Nanos>)> {
        let heard = &self.limits[limit as usize].heard;
        Some((heard.left?, heard.found_at))
    }

    /// Whether the process's member knows that an answer was heard which the others have yet to hear of.
    pub fn know_news(&mut self, limit: Index, is_known: bool) {
        self.limits[limit as usize].heard.is_known = is_known;
    }

    /// All who share a limit have found what others used of it until `heard`, and allow so much less: this process counts it no
    /// more. Whether that changes anything; [`Gate::advance`] must follow then.
    pub fn settle_others(&mut self, now: Nanos, limit: Index, heard: Nanos) -> bool {
        let state = &mut self.limits[limit as usize];
        if state.heard.left.is_none_or(|left| left.at > heard) || !state.window.forget_others(now) {
            return false;
        }
        self.changed = true;
        true
    }

    /// See [`Window::counted_since`](crate::limit::Window::counted_since); and how much of it the exchange may not have counted
    /// by `since`: what is in flight, or was answered later.
    pub fn counted_since(
        &mut self,
        limit: Index,
        now: Nanos,
        since: Nanos,
        began: Option<Nanos>,
    ) -> (u64, u64) {
        let window = &mut self.limits[limit as usize].window;
        let units = window.counted_since(now, since, began);
        let later = window.came_since(now, Some(since)).saturating_add(window.in_flight());
        (units, later.min(units))
    }

    /// Another process was told so long ago that a limit is so large. What holds here from now on, if that changed.
    /// [`Gate::advance`] must follow.
    pub fn learn_limit(&mut self, now: Nanos, route: &Route, limit: u64, age: Nanos) -> Option<u64> {
        let seen = self.tell_limit(now, route, limit, now.saturating_sub(age));
        self.changed = true;
        self.each_companion(route, |own, base| own.follow(now, base));
        seen
    }

    /// What is in the window of a limit, oldest first.
    pub fn settled(&self, limit: Index) -> Vec<Settled> {
        self.window(limit).settled()
    }

    /// Takes the oldest units out of the window of a limit: somebody else counts them from now on.
    pub fn hand_over(&mut self, limit: Index, units: u64) {
        self.changed = true;
        self.limits[limit as usize].window.hand_over(units);
    }

    /// From now on other processes take from the same limits, whose clocks of the wall may be so far apart: see
    /// [`Span::shared`]. [`Gate::advance`] must follow.
    pub fn share(&mut self, now: Nanos, clocks_apart: Nanos) {
        (self.is_shared, self.clocks_apart) = (true, clocks_apart);
        for limit in &mut self.limits {
            limit.window.expire(now);
            limit.window.share(now, clocks_apart);
        }
        self.quotas = self.those(Window::is_quota);
        self.allow_nothing();
    }

    /// Nothing may be used of any limit from now on, nor of one that comes with a new table, until it is allowed.
    /// [`Gate::advance`] must follow.
    pub fn allow_nothing(&mut self) {
        self.was_lowered = true;
        self.changed = true;
        self.allowed_at_first = 0;
        for limit in &mut self.limits {
            limit.window.allow(0);
            limit.measure_room(self.is_shared);
        }
    }

    /// The limits of the table as they count here, where each stands, and how long a unit stays at the least.
    pub fn shared_limits(&self, table: &[RateLimit]) -> Vec<(Index, RateLimit, Nanos)> {
        let of = |limit: &RateLimit| {
            let index = *self.by_id.get(limit.id.as_str())?;
            let window = self.window(index);
            let mut limit = limit.clone();
            if let Kind::Quota(_) = limit.kind
                && !window.is_quota()
            {
                limit.kind = Kind::Rolling;
            }
            Some((index, limit, window.interval()))
        };
        // Of equal ids, the last one stands.
        let mut seen = HashSet::new();
        let mut limits: Vec<_> =
            table.iter().rev().filter(|limit| seen.insert(limit.id.as_str())).filter_map(of).collect();
        limits.reverse();
        limits.retain(|(_, limit, _)| limit.kind != Kind::Route);
        // What lower classes may use is shared as the limit is.
        let companions: Vec<RateLimit> = limits.iter().flat_map(|(_, limit, _)| companions(limit)).collect();
        limits.extend(companions.iter().filter_map(of));
        limits
    }

    /// When units of a limit next come free, or could, were those in flight answered now; `None` where none is used.
    pub fn next_free(&self, limit: Index, now: Nanos) -> Option<Nanos> {
        let window = self.window(limit);
        if window.used() == 0 {
            return None;
        }
        Some(window.next_expiry(now).unwrap_or_else(|| window.first_frees_at(now)))
    }

    /// How much of a limit the table lets this process use: its share of it.
    pub fn nominal(&self, limit: Index) -> u64 {
        self.window(limit).nominal()
    }

    /// Refuses all that wait. [`Gate::advance`] must follow.
    pub fn refuse_all(&mut self, error: &Error) -> Vec<Decided<W>> {
        let places: Vec<Place> = self.waiters().map(|(place, _)| place).collect();
        let refuse = |place| Some(Decided { outcome: Err(error.clone()), waiter: self.remove(place)? });
        places.into_iter().filter_map(refuse).collect()
    }

    /// Allows so many units of a limit: see [`Gate::allow`]. Whether that changes anything; [`Gate::advance`] must follow
    /// then.
    pub fn allow_of(&mut self, limit: Index, units: u64) -> bool {
        self.was_lowered = true;
        let state = &mut self.limits[limit as usize];
        if state.window.allowed() == units {
            return false;
        }
        self.changed = true;
        state.window.allow(units);
        state.measure_room(self.is_shared);
        true
    }

    /// In place of what the table says, a rolling limit is so large at most and its interval so long at least, until the
    /// next table: another process of the same budget has it in its table.
    pub fn tighten(&mut self, now: Nanos, limit: Index, units: u64, interval: Nanos) {
        self.was_lowered = true;
        self.changed = true;
        let state = &mut self.limits[limit as usize];
        state.window.tighten(now, units, interval);
        state.measure_room(self.is_shared);
    }

    /// Nothing is in flight or in any window: it is another process's, of which this one is a copy.
    pub fn forget_used(&mut self) {
        self.changed = true;
        for limit in &mut self.limits {
            limit.window.forget_used();
        }
    }
}
