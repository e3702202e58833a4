//! How much of a limit is used.

use std::time::Duration;

use crate::clock::Nanos;

use super::enter::Gate;
use super::route::Route;

/// The state of one limit at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The limit's id.
    pub id: String,
    /// Units that fit in a window: this bot's share of the limit.
    pub limit: u64,
    /// Units used up: in the window or in flight. More than the limit only where others used more, or the limit was lowered.
    pub used: u64,
    /// Of these, the units of requests that have entered and not yet left.
    pub in_flight: u64,
    /// Requests that wait to pass this limit, and those that wait under its id.
    pub waiting: usize,
    /// The length of the window, margin included.
    pub interval: Duration,
    /// Until the next units come free: 0 where nothing is used, and the shortest it can take, one interval, where
    /// everything used is still in flight.
    pub resets_in: Duration,
    /// Of the units used, those that others have used, as the exchange said, and those that are kept for them.
    pub foreign: u64,
    /// For how long nothing passes, whatever is used: 0 if this is not paused.
    pub paused: Duration,
    /// Why it is paused; empty if it is not, or nobody said why.
    pub pause_reason: String,
    /// Units that are free, and kept for requests of a higher priority than the lowest.
    pub reserved: u64,
}

impl<W> Gate<W> {
    /// The usage of one limit.
    pub fn usage(&mut self, now: Nanos, route: &Route) -> Usage {
        let takes_none = route.charges.iter().all(|charge| charge.limit != route.index);
        let below: usize = route.below.iter().map(|(_, below)| self.queues.len_of(below.index)).sum();
        let waiting = if takes_none { self.queues.len_of(route.index) + below } else { 0 };
        let waiting = waiting + self.waited.count(route.index);
        for (_, below) in &route.below {
            self.limits[below.index as usize].window.expire(now);
        }
        self.limits[route.index as usize].window.expire(now);
        let reserved = self.reserved(now, route);
        let limit = &self.limits[route.index as usize];
        let window = &limit.window;
        let resets_at = match window.next_expiry(now) {
            Some(at) => at,
            None if window.in_flight() > 0 => window.first_frees_at(now),
            None => now,
        };
        let foreign = window.others(now);
        Usage {
            id: limit.id.to_string(),
            limit: window.limit(),
            used: window.own().saturating_add(foreign),
            in_flight: window.in_flight(),
            waiting,
            interval: Duration::from_nanos(window.interval()),
            resets_in: Duration::from_nanos(resets_at - now),
            foreign,
            paused: Duration::from_nanos(window.paused_until().map_or(0, |until| until - now)),
            pause_reason: window.paused_until().map_or_else(String::new, |_| limit.heard.reason.to_string()),
            reserved,
        }
    }
}
