//! Reserves: the part of a limit that requests of lower classes cannot touch.
//!
//! A reserve is a second pool for those below it. A limit of 6000 units with 600 for priority 1 has a *companion* of 5400: a
//! request of a lower priority takes from both, one of priority 1 or more from the limit alone. So all that is true of limits
//! is true of reserves: of each kind, in the plan, in a budget that processes share. A window that opens with a request has a
//! companion that rolls: it opens with other requests, and its units must not fall into one window of the limit twice.
//!
//! Requests for an id that differ in what they take have routes, and queues, of their own. The entry in the gate of such a
//! route and that of the companion of the same id and class are one.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Nanos;
use crate::error::Error;
use crate::limit::{Kind, PRIORITIES, RateLimit, Shape, Window};

use super::enter::{Gate, LimitState};
use super::plan::Plan;
use super::queue::{Place, Rank};
use super::route::{Charge, Index, Route};
use super::table::{Below, Row, scope_of};

/// What the entry of an id for requests below a priority is called.
pub(crate) fn id_below(id: &str, priority: i16) -> String {
    format!("{id} below priority {priority}")
}

/// The limit that requests below a priority take from as well, if a limit has a reserve for that priority.
fn companion(limit: &RateLimit, priority: i16) -> Option<RateLimit> {
    limit.reserve.get(&priority)?;
    let kept: u64 = limit.reserve.range(priority..).map(|(_, &units)| units).sum();
    let kind = if limit.kind == Kind::First { Kind::Rolling } else { limit.kind };
    let own = RateLimit::new(id_below(&limit.id, priority), limit.limit - kept, limit.interval);
    Some(own.kind(kind).scope(limit.scope))
}

/// The companions of a limit.
pub(super) fn companions(limit: &RateLimit) -> impl Iterator<Item = RateLimit> {
    limit.reserve.keys().filter_map(|&priority| companion(limit, priority))
}

pub(super) fn check(limit: &RateLimit) -> Result<(), Error> {
    let mut left = limit.limit;
    for (&priority, &units) in &limit.reserve {
        let what = format_args!("a reserve of {:?}", limit.id).to_string();
        if !PRIORITIES.contains(&priority) || priority == *PRIORITIES.start() {
            return Err(Error::invalid(what, "for a priority from -999 to 1000", priority));
        }
        if limit.kind == Kind::Route {
            return Err(Error::invalid(what, "of a limit that has units of its own", units));
        }
        if units == 0 || units >= left {
            let must = format_args!("1 unit or more, and all of them less than its limit of {}", limit.limit);
            return Err(Error::invalid(what, must.to_string(), units));
        }
        left -= units;
    }
    Ok(())
}

/// Adds to the rows of a table those for requests below the priorities that its limits have reserves for.
pub(super) fn add_rows(table: &[&RateLimit], rows: &mut Vec<Row>, shape: impl Fn(&RateLimit) -> Shape) {
    if table.iter().all(|limit| limit.reserve.is_empty()) {
        return;
    }
    let mut places = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let taken = row.takes.iter().map(|&(taken, _)| taken).chain([at]);
        let priorities: BTreeSet<i16> =
            taken.flat_map(|taken| table[taken].reserve.keys().copied()).collect();
        for priority in priorities {
            places.insert((at, priority), rows.len() + places.len());
        }
    }
    let mut in_order: Vec<_> = places.iter().map(|(&key, &place)| (place, key)).collect();
    in_order.sort_unstable();
    for (_, (base, priority)) in in_order {
        let own = companion(table[base], priority);
        let mut takes = rows[base].takes.clone();
        for &(taken, weight) in &rows[base].takes {
            let kept =
                table[taken].reserve.range(priority..).map(|(&from, _)| (places[&(taken, from)], weight));
            takes.extend(kept);
        }
        let own = own.unwrap_or_else(|| RateLimit::route(id_below(&table[base].id, priority)));
        let row = Row {
            limit: own.limit,
            shape: shape(&own),
            takes,
            rank: rows[base].rank,
            scope: scope_of(&own),
            below: Some(Below { base, priority, is_limit: own.kind != Kind::Route }),
            id: own.id,
        };
        rows.push(row);
    }
}

impl Route {
    /// The route of requests of a class for the same id.
    pub fn of_rank(self: &std::sync::Arc<Self>, rank: Rank) -> &std::sync::Arc<Self> {
        self.below.iter().find(|&&(from, _)| from < rank).map_or(self, |(_, route)| route)
    }
}

impl<W> Gate<W> {
    /// What becomes of a limit becomes of its companions.
    pub(super) fn each_companion(&mut self, route: &Route, mut f: impl FnMut(&mut Window, &Window)) {
        for (_, below) in &route.below {
            let (base, own) = (route.index as usize, below.index as usize);
            if !self.limits[own].is_companion {
                continue;
            }
            if let Ok([base, own]) = self.limits.get_disjoint_mut([base, own]) {
                f(&mut own.window, &base.window);
            }
        }
    }

    /// Every companion hears what its limit has heard, as the table may be another one.
    pub(super) fn follow_all(&mut self, now: Nanos) {
        let routes: Vec<_> = self.routes().filter(|route| !route.below.is_empty()).cloned().collect();
        for route in routes {
            self.each_companion(&route, |own, base| own.follow(now, base));
        }
    }

    /// Whether a request takes no more of a limit than is kept for its class, beside what others of such classes have used
    /// and, being before it, wait for: so it is in nobody's way, also if lower ones are before it. Those get no more than their
    /// companion leaves them, and the limit always has room for that.
    pub(super) fn is_kept_for(&self, now: Nanos, plan: &Plan, route: &Route, wanted: Charge) -> bool {
        self.kept_from(route, wanted.limit).any(|part| {
            let (all, of_lower) = (self.window(wanted.limit), self.window(part));
            let beyond = all.beyond(of_lower, now, plan.event());
            let waited_for = plan.added_beyond(wanted.limit, part);
            let taken = beyond.saturating_add(waited_for).saturating_add(wanted.weight);
            taken <= all.limit().saturating_sub(of_lower.limit())
        })
    }

    /// The companions of a limit that a route does not take from: what is beside them is kept for its class.
    fn kept_from(&self, route: &Route, limit: Index) -> impl Iterator<Item = Index> {
        let base = self.limits[limit as usize].base.filter(|_| self.has_reserves).unwrap_or(limit);
        let base = self.limits[base as usize].route.iter().filter(|_| self.has_reserves);
        let entries = base.flat_map(|base| base.below.iter().map(|(_, below)| below.index));
        let is_taken = |part| route.charges.iter().any(|charge| charge.limit == part);
        entries.filter(move |&part| self.limits[part as usize].is_companion && !is_taken(part))
    }

    /// How many units of a limit requests wait for, but for those that a companion does not let through by now: others can
    /// use these, or they are kept. `waiting`: how many are waited for at all. `None` where it has no companion.
    pub(super) fn waiting_beside_companions(
        &self,
        limit: Index,
        waiting: impl Fn(Index) -> Option<u64>,
    ) -> Option<u64> {
        let base = self.limits[limit as usize].base.unwrap_or(limit);
        let below = &self.limits[base as usize].route.as_ref()?.below;
        let companions = below.iter().map(|(_, below)| below.index);
        let companions = companions.filter(|&index| self.limits[index as usize].is_companion);
        // The lowest class has the smallest one, which is a part of all others.
        let (mut part, mut let_through) = (0, None);
        for index in companions.chain([base]) {
            let (all, window) = (waiting(index)?, self.window(index));
            let more = all.saturating_sub(part).saturating_add(let_through.unwrap_or(0));
            if index == limit {
                return let_through.map(|_| more);
            }
            (part, let_through) = (all, Some(more.min(window.limit().saturating_sub(window.used()))));
        }
        None
    }

    /// Whether anything is kept for a class of requests.
    pub(super) fn has_reserve_for(&self, route: &Route) -> bool {
        let is_kept = |charge: &Charge| self.kept_from(route, charge.limit).next().is_some();
        self.has_reserves && route.charges.iter().any(is_kept)
    }

    /// For which priority, and higher ones, that is kept which a companion leaves alone; `None` of any other limit.
    pub(super) fn kept_for(&self, companion: Index) -> Option<i16> {
        let base = self.limits[companion as usize].base?;
        let below = &self.limits[base as usize].route.as_ref()?.below;
        below.iter().find(|(_, below)| below.index == companion).map(|&(rank, _)| rank.priority())
    }

    /// What is free of a limit, and kept for others than the lowest class.
    pub(super) fn reserved(&self, now: Nanos, route: &Route) -> u64 {
        let all = &self.limits[route.index as usize].window;
        let free = all.limit().saturating_sub(all.used());
        let companions = route.below.iter().map(|(_, below)| &self.limits[below.index as usize]);
        let kept = companions.filter(|limit| limit.is_companion).map(|LimitState { window, .. }| {
            all.limit().saturating_sub(window.limit()).saturating_sub(all.beyond(window, now, now))
        });
        kept.max().unwrap_or(0).min(free)
    }

    /// Has those who wait do so for what the new table says that their class takes.
    pub(super) fn move_waiters(&mut self) {
        let mut moved = Vec::new();
        for index in self.queues.routes() {
            let base = self.limits[index as usize].base.unwrap_or(index);
            let Some(route) = &self.limits[base as usize].route else { continue };
            for (place, waiter) in self.queues.places(index) {
                let to = route.of_rank(place.order.rank()).index;
                if to != index {
                    let name = self.queues.name(place, waiter);
                    moved.push((name, Place { route: to, ..name }));
                }
            }
        }
        for &(from, to) in &moved {
            if let Some(waiter) = self.queues.remove(from) {
                self.queues.insert(to, waiter);
            }
        }
        self.moved = moved;
    }
}
