//! Why a request cannot pass now: the limit that has no room for it, and for how long.

use std::time::Duration;

use crate::clock::Nanos;

use super::enter::{Gate, LimitState};
use super::route::Route;

/// What keeps a request from passing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Full {
    /// The limit without room; of several, the one that has room last. `None` where each has room, and only older
    /// requests are in the way.
    pub limit: Option<String>,
    /// How long it takes at least until that limit has room; `None` while that hangs on requests in flight.
    pub wait: Option<Duration>,
}

impl<W> Gate<W> {
    /// What keeps a request for a route from passing at `now`.
    pub(super) fn full(&self, now: Nanos, route: &Route, units: u64) -> Full {
        let mut found: Option<(&str, Nanos)> = None;
        for charge in &route.charges {
            let limit = &self.limits[charge.limit as usize];
            let (window, units) = (&limit.window, charge.weight.saturating_mul(units));
            if window.fits(units) {
                continue;
            }
            if units == 0 {
                let at = window.paused_until().unwrap_or(now);
                if found.is_none_or(|(_, latest)| at > latest) {
                    found = Some((self.named(limit), at));
                }
                continue;
            }
            let room =
                window.limit().checked_sub(units).and_then(|room| room.checked_sub(window.in_flight()));
            let Some(room) = room else {
                return Full { limit: Some(self.named(limit).to_string()), wait: None };
            };
            let at = window.window_down_to(room);
            if found.is_none_or(|(_, latest)| at > latest) {
                found = Some((self.named(limit), at));
            }
        }
        found.map_or_else(Full::default, |(id, at)| Full {
            limit: Some(id.to_owned()),
            wait: Some(Duration::from_nanos(at.saturating_sub(now))),
        })
    }

    /// The id that a user knows of a limit: what a reserve leaves of it has none of its own.
    pub(super) fn named<'a>(&'a self, limit: &'a LimitState) -> &'a str {
        limit.base.map_or(&limit.id, |base| &self.limits[base as usize].id)
    }
}
