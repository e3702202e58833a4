//! Costs that are known only afterwards: units that count from now on, and units that turned out not to be used.
//!
//! [`Gate::correct`] corrects a limit, whosever units these are; [`Gate::correct_held`] what the block of one request holds.
//! [`Gate::advance`] must follow each of these.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::clock::Nanos;
use crate::error::Error;
use crate::limit::Window;

use super::enter::Gate;
use super::route::{Charge, Index, Route};

/// The most that is worth counting: sums of it do not overflow.
const MOST: u64 = crate::MAX_LIMIT;

/// What was corrected of a block.
#[derive(Debug)]
pub(crate) struct Corrected {
    /// How many units were counted (positive) or given back (negative): of the limit that was named, or how many times the
    /// weights of the request.
    pub units: i64,
    /// The route by which the block holds the rest, one time its weights; `None` where it holds as much as before.
    pub route: Option<Arc<Route>>,
}

impl<W> Gate<W> {
    /// Counts units of which it turned out afterwards that they were used (positive) or not (negative). Those that are used
    /// count from now on. Of those that are not, the oldest in the window go first, and then those in flight: the newest may
    /// be those of another request, which would then be missing for longer than this one's would have counted. How many
    /// were counted or given back. [`Gate::now`] must have been called for `now`.
    pub fn correct(&mut self, now: Nanos, route: &Route, units: i64) -> i64 {
        self.changed = true;
        // Whose units these are is not known: most are of the lower classes.
        self.each_companion(route, |own, _| {
            correct(own, now, units);
        });
        correct(&mut self.limits[route.index as usize].window, now, units)
    }

    /// The same for what the block of one request holds: `units` times the weights of its route. `id`: of this limit alone;
    /// `None`: so many times the weights, of all its limits.
    ///
    /// Units that were used count from now on. Those that were not are given back of what the block holds in flight
    /// (`in_flight`: whether it does), and of no other request: all of them from all limits, or as many as there are. What
    /// counts since the block began ([`Hold::Start`](super::Hold::Start)) is not the block's any more: it stays.
    pub fn correct_held(
        &mut self,
        now: Nanos,
        (route, units): (&Arc<Route>, u64),
        id: Option<&str>,
        by: i64,
        in_flight: bool,
    ) -> Result<Corrected, Error> {
        let of = id.map(|id| self.limit_of(route, id)).transpose()?;
        self.changed = true;
        if let Ok(more) = u64::try_from(by) {
            let units = self.count_more(now, route, of, more)?;
            return Ok(Corrected { units, route: None });
        }
        let less = self.give_back_part(now, (route, units), of, by.unsigned_abs(), in_flight);
        let (units, route) = less.map_or((0, None), |(units, route)| (units, Some(route)));
        Ok(Corrected { units: -i64::try_from(units).unwrap_or(i64::MAX), route })
    }

    /// The limit of an id that a request takes from.
    fn limit_of(&self, route: &Arc<Route>, id: &str) -> Result<Index, Error> {
        let index = self.lookup(id)?.index;
        let taken = || route.first().charges.iter().filter(|charge| charge.weight > 0);
        if taken().any(|charge| self.owner(charge) == index) {
            return Ok(index);
        }
        let taken = taken().map(|charge| &self.limits[charge.limit as usize]);
        let ids: Vec<&str> = taken.filter(|limit| limit.base.is_none()).map(|limit| &*limit.id).collect();
        let what = format_args!("the limit to correct in the block of {:?}", route.id());
        Err(Error::invalid(what, format_args!("one that it takes from ({})", ids.join(", ")), id))
    }

    /// The limit that a charge counts for: what lower classes leave of it is a part of it.
    fn owner(&self, charge: &Charge) -> Index {
        self.limits[charge.limit as usize].base.unwrap_or(charge.limit)
    }

    /// What such a request takes by the table that is in force.
    fn current(&self, route: &Route) -> Result<Arc<Route>, Error> {
        let same = self.limits[route.index as usize].route.as_ref().filter(|same| same.id == route.id);
        same.map_or_else(|| self.lookup(route.id()), Ok).cloned()
    }

    fn count_more(&mut self, now: Nanos, route: &Route, of: Option<Index>, more: u64) -> Result<i64, Error> {
        let route = self.current(route)?;
        let charges = route.charges.iter().filter(|charge| charge.weight > 0);
        let counted: Vec<(Index, u64)> = match of {
            None => charges.map(|charge| (charge.limit, charge.weight)).collect(),
            Some(of) => {
                charges.filter(|charge| self.owner(charge) == of).map(|charge| (charge.limit, 1)).collect()
            }
        };
        let room = |&(limit, weight): &(Index, u64)| MOST.saturating_sub(self.window(limit).used()) / weight;
        let units = counted.iter().map(room).fold(more, u64::min);
        for (limit, weight) in counted {
            let window = &mut self.limits[limit as usize].window;
            window.expire(now);
            window.count_more(now, weight * units);
        }
        Ok(i64::try_from(units).unwrap_or(i64::MAX))
    }

    /// How many, and the route by which the rest is held; `None` if there is nothing to give back.
    fn give_back_part(
        &mut self,
        now: Nanos,
        (route, times): (&Arc<Route>, u64),
        of: Option<Index>,
        less: u64,
        in_flight: bool,
    ) -> Option<(u64, Arc<Route>)> {
        let first = route.first();
        let weight = |at: usize, charge: &Charge| match of {
            None => first.charges[at].weight,
            Some(of) if self.owner(charge) == of => 1,
            Some(_) => 0,
        };
        let weights: Vec<u64> =
            route.charges.iter().enumerate().map(|(at, charge)| weight(at, charge)).collect();
        let mut units = less;
        for (charge, &weight) in route.charges.iter().zip(&weights).filter(|&(_, &weight)| weight > 0) {
            let held = if charge.held { charge.weight * times } else { 0 };
            units = units.min(held / weight);
        }
        if units == 0 || weights.iter().all(|&weight| weight == 0) {
            return None;
        }
        let mut charges = route.charges.clone();
        for (charge, weight) in charges.iter_mut().zip(weights) {
            let given_back = weight * units;
            charge.weight = charge.weight * times - given_back;
            if in_flight && given_back > 0 {
                let window = &mut self.limits[charge.limit as usize].window;
                window.expire(now);
                window.cost_less(now, given_back);
            }
        }
        let rest = Route {
            id: route.id.clone(),
            index: route.index,
            version: route.version,
            is_held: route.is_held,
            is_timed: route.is_timed,
            rank: route.rank,
            below: route.below.clone(),
            first: Some(route.first().clone()),
            charges,
            passed: AtomicU64::new(0),
        };
        Some((units, Arc::new(rest)))
    }
}

impl Route {
    /// What the request took when it entered.
    fn first(self: &Arc<Self>) -> &Arc<Self> {
        self.first.as_ref().unwrap_or(self)
    }
}

fn correct(window: &mut Window, now: Nanos, units: i64) -> i64 {
    window.expire(now);
    if let Ok(units) = u64::try_from(units) {
        let units = units.min(MOST.saturating_sub(window.used()));
        window.count_more(now, units);
        return i64::try_from(units).unwrap_or(i64::MAX);
    }
    let given_back = window.take_back(now, units.unsigned_abs());
    -i64::try_from(given_back).unwrap_or(i64::MAX)
}
