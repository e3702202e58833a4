//! Who waits: one queue for each route, all numbered in the order of arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::clock::Nanos;

use super::route::Index;

/// Where a waiting request stands. Earlier arrivals have smaller numbers, over all queues; those who go first have
/// smaller ones still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub number: u64,
    pub route: Index,
}

/// A waiting request, and whatever is needed to tell it its turn.
#[derive(Debug)]
pub(crate) struct Waiter<W> {
    pub units: u64,
    /// When it came, and when it gives up.
    pub since: Nanos,
    pub deadline: Option<Nanos>,
    pub tag: W,
}

#[derive(Debug)]
struct Queue<W> {
    waiters: BTreeMap<u64, Waiter<W>>,
    /// The sum of their units.
    units: u64,
}

#[derive(Debug)]
pub(crate) struct Queues<W> {
    by_route: Vec<Queue<W>>,
    /// The oldest waiter of each route that somebody waits for.
    heads: BTreeSet<Place>,
    deadlines: BTreeSet<(Nanos, Place)>,
    len: usize,
    next: u64,
    /// The same for those who go first.
    next_of_first: u64,
}

/// What everybody's numbers begin with, but for those who go first.
const LAST: u64 = 1 << 63;

impl<W> Queues<W> {
    pub fn new() -> Self {
        Self {
            by_route: Vec::new(),
            heads: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            len: 0,
            next: LAST,
            next_of_first: 0,
        }
    }

    /// Makes room for routes up to `count`.
    pub fn resize(&mut self, count: usize) {
        self.by_route.resize_with(count, || Queue { waiters: BTreeMap::new(), units: 0 });
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn queue(&self, route: Index) -> &BTreeMap<u64, Waiter<W>> {
        &self.by_route[route as usize].waiters
    }

    pub fn len_of(&self, route: Index) -> usize {
        self.queue(route).len()
    }

    /// The sum of the units that requests of a route wait for.
    pub fn units_of(&self, route: Index) -> u64 {
        self.by_route[route as usize].units
    }

    /// The oldest waiter of each route that somebody waits for, in the order of arrival.
    pub fn heads(&self) -> impl Iterator<Item = Place> {
        self.heads.iter().copied()
    }

    /// The routes that somebody waits for.
    pub fn routes(&self) -> impl Iterator<Item = Index> {
        self.heads().map(|place| place.route)
    }

    /// Whether nobody has come since `place` was taken.
    pub fn is_newest(&self, place: Place) -> bool {
        place.number + 1 == self.next
    }

    pub fn push(&mut self, route: Index, waiter: Waiter<W>) -> Place {
        let place = Place { number: self.next, route };
        self.next += 1;
        self.insert(place, waiter);
        place
    }

    /// Before everybody but those who went first before.
    pub fn push_first(&mut self, route: Index, waiter: Waiter<W>) -> Place {
        let place = Place { number: self.next_of_first, route };
        self.next_of_first += 1;
        self.insert(place, waiter);
        place
    }

    /// Puts a waiter where it stood before.
    pub fn insert(&mut self, place: Place, waiter: Waiter<W>) {
        let head = self.head(place.route);
        if head.is_none_or(|head| place < head) {
            head.map(|head| self.heads.remove(&head));
            self.heads.insert(place);
        }
        let queue = &mut self.by_route[place.route as usize];
        queue.units = queue.units.saturating_add(waiter.units);
        self.deadlines.extend(waiter.deadline.map(|at| (at, place)));
        queue.waiters.insert(place.number, waiter);
        self.len += 1;
    }

    pub fn remove(&mut self, place: Place) -> Option<Waiter<W>> {
        let queue = &mut self.by_route[place.route as usize];
        let waiter = queue.waiters.remove(&place.number)?;
        queue.units = queue.units.saturating_sub(waiter.units);
        if let Some(at) = waiter.deadline {
            self.deadlines.remove(&(at, place));
        }
        if self.heads.remove(&place) {
            let next = self.head(place.route);
            self.heads.extend(next);
        }
        self.len -= 1;
        Some(waiter)
    }

    /// Who gives up first, and when.
    pub fn first_deadline(&self) -> Option<(Nanos, Place)> {
        self.deadlines.first().copied()
    }

    pub fn get(&self, place: Place) -> Option<&Waiter<W>> {
        self.queue(place.route).get(&place.number)
    }

    /// The next waiter of the same route.
    pub fn first_after(&self, place: Place) -> Option<Place> {
        let later = (Bound::Excluded(place.number), Bound::Unbounded);
        let (&number, _) = self.queue(place.route).range(later).next()?;
        Some(Place { number, route: place.route })
    }

    /// The oldest waiter of a route.
    pub fn head(&self, route: Index) -> Option<Place> {
        let (&number, _) = self.queue(route).first_key_value()?;
        Some(Place { number, route })
    }

    /// Everybody who waits for `route`, oldest first.
    pub fn places(&self, route: Index) -> impl Iterator<Item = (Place, &Waiter<W>)> {
        self.queue(route).iter().map(move |(&number, waiter)| (Place { number, route }, waiter))
    }
}
