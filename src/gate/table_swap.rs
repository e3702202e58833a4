//! A new table takes the place of the old one; and lookups: which limits there are, and what a request for an id takes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use smallvec::SmallVec;

use crate::clock::Nanos;
use crate::error::{Error, closest};
use crate::limit::{RateLimit, Shape, Span, Window};

use super::counts::LimitCounts;
use super::enter::{Decided, Gate, LimitState};
use super::listening::Heard;
use super::queue::{Place, Rank};
use super::route::{Charge, Index, Route};
use super::table::{self, Below, Hold, Row};

impl<W> Gate<W> {
    /// Replaces the table: whole, or not at all. What is used of ids that stay, stays used. Requests that wait for
    /// an id that is gone, or no longer fit what they wait for, are refused. [`Gate::now`] and then [`Gate::advance`]
    /// must follow.
    pub fn set_table(&mut self, now: Nanos, table: &[RateLimit]) -> Result<Vec<Decided<W>>, Error> {
        let rows = table::check(table, &self.options)?;
        self.version += 1;
        self.changed = true;
        self.keep_counts();
        // Those that went with the table before this one are no longer named by anybody but who waits or is in flight.
        let mut unused = self.unused(now, &rows);
        self.limits.iter_mut().for_each(|limit| limit.route = None);
        let indices: Vec<Index> = rows.iter().map(|row| self.index_of(row, &mut unused)).collect();
        for (row, &index) in rows.iter().zip(&indices) {
            let (shape, clock) = (self.shape_of(row), self.server_clock);
            let limit = &mut self.limits[index as usize];
            limit.server_window = match row.shape.span {
                Span::Fixed { interval, .. } => Some(interval),
                _ => None,
            };
            let window = &mut limit.window;
            window.expire(now);
            window.reshape(now, shape);
            window.counts_by(row.shape.span);
            clock.into_iter().for_each(|clock| window.learn(now, clock));
        }
        // Those of lower classes come last in the table, and are made first: the others know them.
        let mut below: Vec<Vec<(Rank, Arc<Route>)>> = vec![Vec::new(); rows.len()];
        for (at, (row, &index)) in rows.iter().zip(&indices).enumerate().rev() {
            let charge = |&(at, weight): &(usize, u64)| {
                let limit = indices[at];
                let held = self.options.hold == Hold::Response || self.window(limit).is_concurrent();
                Charge { limit, weight, held }
            };
            let owner = row.below.map_or(index, |below| indices[below.base]);
            let mut charges: SmallVec<[Charge; 4]> = row.takes.iter().map(charge).collect();
            if self.limits[owner as usize].stops_without_units
                && charges.iter().all(|charge| charge.limit != owner)
            {
                charges.push(Charge { limit: owner, weight: 0, held: false });
            }
            let is_timed = charges.iter().any(|charge| self.window(charge.limit).needs_entering());
            let limit = &mut self.limits[index as usize];
            if std::mem::replace(&mut limit.published, row.limit) != row.limit {
                limit.heard.limit = None;
            }
            limit.scope = row.scope;
            limit.base = row.below.map(|_| owner);
            limit.is_companion = row.below.is_some_and(|below| below.is_limit);
            let id = self.limits[owner as usize].id.clone();
            let mut own = std::mem::take(&mut below[at]);
            own.sort_by_key(|&(rank, _)| std::cmp::Reverse(rank));
            let route = Arc::new(Route {
                id,
                index,
                version: self.version,
                is_held: charges.iter().any(|charge| charge.held),
                is_timed,
                rank: row.rank,
                below: own,
                first: None,
                charges,
                passed: AtomicU64::new(0),
            });
            if let Some(Below { base, priority, .. }) = row.below {
                below[base].push((Rank::of(priority)?, route.clone()));
            }
            self.limits[index as usize].route = Some(route);
        }
        // What is shared with others goes back to them with the limit.
        for limit in self.limits.iter_mut().filter(|limit| limit.route.is_none()) {
            limit.window.allow(self.allowed_at_first);
        }
        self.measure_room(&rows, &indices);
        self.has_reserves = rows.iter().any(|row| row.below.is_some());
        self.quotas = self.those(Window::is_quota);
        self.concurrent = self.those(Window::is_concurrent);
        self.queues.resize(self.limits.len());
        self.queues.set_highest(rows.iter().map(|row| row.rank).min().unwrap_or(Rank::ORDINARY));
        self.waited.resize(self.limits.len());
        self.follow_all(now);
        self.move_waiters();
        Ok(self.refuse_hopeless())
    }

    /// The limits of which something is true.
    pub(super) fn those(&self, is: impl Fn(&Window) -> bool) -> Vec<Index> {
        (0..).zip(&self.limits).filter(|(_, limit)| is(&limit.window)).map(|(at, _)| at).collect()
    }

    fn shape_of(&self, row: &Row) -> Shape {
        let Shape { limit, span } = row.shape;
        Shape { limit, span: if self.is_shared { span.shared(self.clocks_apart) } else { span } }
    }

    fn index_of(&mut self, row: &Row, unused: &mut Vec<Index>) -> Index {
        if let Some(&index) = self.by_id.get(row.id.as_str()) {
            return index;
        }
        let id: Arc<str> = row.id.as_str().into();
        let mut window = Window::new(self.shape_of(row));
        window.allow(self.allowed_at_first);
        let (paused_until, paused_for) = self.pause_of_new(row.scope);
        window.pause(paused_until);
        let limit = LimitState {
            id: id.clone(),
            window,
            published: row.limit,
            heard: Heard { reason: paused_for, ..Heard::default() },
            server_window: None,
            scope: row.scope,
            stops_without_units: false,
            base: None,
            is_companion: false,
            heaviest: 0,
            most_units: 1,
            refused: 0,
            roomy: 0,
            unknown: 0,
            route: None,
            counts: LimitCounts::default(),
        };
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
        let Self { limits, waited, .. } = self;
        let idle = |(at, limit): (Index, &mut LimitState)| {
            let idle = limit.route.is_none() && waited.count(at) == 0 && limit.window.is_unused(now);
            (idle && !kept.contains(&*limit.id)).then_some(at)
        };
        (0..).zip(limits).filter_map(idle).collect()
    }

    fn refuse_hopeless(&mut self) -> Vec<Decided<W>> {
        let mut hopeless = Vec::new();
        for index in self.queues.routes() {
            for (place, waiter) in self.queues.places(index) {
                let verdict = match &self.limits[index as usize].route {
                    Some(route) => self.check_units(route, waiter.units),
                    None => {
                        let base = self.limits[index as usize].base.unwrap_or(index);
                        Err(self.unknown(&self.limits[base as usize].id))
                    }
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
        self.waited.clear();
        for index in self.queues.routes() {
            let Some(route) = &self.limits[index as usize].route else { continue };
            self.waited.add(&route.charges, self.queues.len_of(index));
        }
        refused
    }

    /// Who waits at another place since the table was set.
    pub fn take_moved(&mut self) -> Vec<(Place, Place)> {
        std::mem::take(&mut self.moved)
    }

    /// The route of an id.
    pub fn lookup(&self, id: &str) -> Result<&Arc<Route>, Error> {
        self.route_of(id).ok_or_else(|| self.unknown(id))
    }

    /// Whether the table has an id.
    pub fn has(&self, id: &str) -> bool {
        self.route_of(id).is_some()
    }

    /// Whether requests wait that have named an id.
    pub fn is_named(&self, id: &str) -> bool {
        self.route_of(id).is_some_and(|route| {
            let entries = route.below.iter().map(|(_, below)| below.index).chain([route.index]);
            entries.into_iter().any(|index| self.queues.len_of(index) > 0)
        })
    }

    fn route_of(&self, id: &str) -> Option<&Arc<Route>> {
        let limit = self.by_id.get(id).map(|&index| &self.limits[index as usize])?;
        limit.route.as_ref().filter(|_| limit.base.is_none())
    }

    fn unknown(&self, id: &str) -> Error {
        let of_users = |limit: &&LimitState| limit.route.is_some() && limit.base.is_none();
        let ids = self.limits.iter().filter(of_users).map(|limit| &*limit.id);
        Error::UnknownLimit { id: id.to_owned(), closest: closest(id, ids) }
    }

    /// How often the table was replaced.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Whether a route still says what the table says.
    #[inline]
    pub fn is_current(&self, route: &Route) -> bool {
        route.version == self.version
    }

    /// The routes of the whole table, in its order of first appearance.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.limits.iter().filter(|limit| limit.base.is_none()).filter_map(|limit| limit.route.as_ref())
    }

    /// Checks that a request for `units` times a route's weights could ever pass.
    pub fn check_units(&self, route: &Route, units: u64) -> Result<(), Error> {
        if units == 0 {
            return Err(Error::invalid("units", "1 or more", units));
        }
        for charge in &route.charges {
            let limit = &self.limits[charge.limit as usize];
            let (wanted, available) = (charge.weight.saturating_mul(units), limit.window.nominal());
            if wanted > available {
                let kept_for = self.kept_for(charge.limit);
                let (id, limit) = (route.id.to_string(), self.named(limit).to_owned());
                return Err(Error::NeverPasses {
                    id,
                    limit,
                    units: wanted,
                    available,
                    times: units,
                    kept_for,
                });
            }
        }
        Ok(())
    }
}
