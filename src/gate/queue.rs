//! Which requests wait, and which of them goes before which: by rank, and then in the order of arrival.
//!
//! With a *patience*, a request rises by one class for each length of it that it waits, without steps in between. All that
//! wait rise equally fast, so that which of two goes first never changes: the one that would have been of a given class
//! first. A queue has a fixed order with and without a patience, and nothing must be sorted or woken as time goes on.
//!
//! There is one queue for each route. Everywhere in the gate, *older* and *younger* mean this order over all queues.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::clock::Nanos;
use crate::error::Error;
use crate::limit::PRIORITIES;

use super::route::Index;

/// A class of requests. All of a smaller rank go before all of a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(pub u16);

impl Rank {
    /// Before everybody: requests within the blocks of others, whatever their priority.
    pub const FIRST: Self = Self(0);
    /// That of the highest priority.
    const HIGHEST: Self = Self(Self::ORDINARY.0 - *PRIORITIES.end() as u16);
    /// That of priority 0.
    pub const ORDINARY: Self = Self(1 << 15);

    /// That of a priority: the higher the priority, the smaller the rank.
    pub fn of(priority: i16) -> Result<Self, Error> {
        if !PRIORITIES.contains(&priority) {
            return Err(Error::invalid("a priority", "a whole number from -1000 to 1000", priority));
        }
        Ok(Self(Self::ORDINARY.0.wrapping_add_signed(-priority)))
    }
}

/// When a waiting request goes, over all queues: the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    /// The rank; with a patience, when the request is of the highest class. 0: before everybody.
    key: u64,
    /// The number of the arrival, and behind it the rank of the request, also of one that goes before everybody.
    number: u64,
}

impl Order {
    /// After everybody.
    pub const LAST: Self = Self { key: u64::MAX, number: u64::MAX };
    /// As many bits are the rank. With a million arrivals a second, the others last for nine years.
    const RANK: u32 = u16::BITS;

    /// The class of the request itself.
    pub fn rank(self) -> Rank {
        Rank(self.number as u16)
    }

    /// Earlier arrivals have smaller ones.
    pub fn number(self) -> u64 {
        self.number >> Self::RANK
    }
}

/// Where a waiting request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub order: Order,
    pub route: Index,
}

/// A waiting request, and what is needed to wake it.
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
    waiters: BTreeMap<Order, Waiter<W>>,
    /// The sum of their units.
    units: u64,
}

#[derive(Debug)]
pub(crate) struct Queues<W> {
    by_route: Vec<Queue<W>>,
    /// The oldest waiter of each route that somebody waits for, and its units: who goes through them all needs no more.
    heads: BTreeMap<Place, u64>,
    deadlines: BTreeSet<(Nanos, Place)>,
    len: usize,
    next: u64,
    /// The largest order of any request that ever waited.
    last: Order,
    /// How long a request waits for each class that it rises by; `None`: it keeps its own.
    patience: Option<Nanos>,
}

impl<W> Queues<W> {
    pub fn new(patience: Option<Nanos>) -> Self {
        Self {
            by_route: Vec::new(),
            heads: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            len: 0,
            next: 0,
            last: Order { key: 0, number: 0 },
            patience,
        }
    }

    /// What a request of a class that comes at `now` is ordered by.
    fn key(&self, rank: Rank, now: Nanos) -> u64 {
        match self.patience {
            Some(patience) if rank != Rank::FIRST => {
                let below_highest = u64::from(rank.0.saturating_sub(Rank::HIGHEST.0));
                now.saturating_add(patience.saturating_mul(below_highest)).saturating_add(1)
            }
            _ => rank.0.into(),
        }
    }

    /// Those up to here go before a request of this rank that comes at `now`.
    pub fn before(&self, rank: Rank, now: Nanos) -> Order {
        Order { key: self.key(rank, now), number: u64::MAX }
    }

    /// Makes room for routes up to `count`.
    pub fn resize(&mut self, count: usize) {
        self.by_route.resize_with(count, || Queue { waiters: BTreeMap::new(), units: 0 });
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn queue(&self, route: Index) -> &BTreeMap<Order, Waiter<W>> {
        &self.by_route[route as usize].waiters
    }

    pub fn len_of(&self, route: Index) -> usize {
        self.queue(route).len()
    }

    /// The sum of the units that requests of a route wait for.
    pub fn units_of(&self, route: Index) -> u64 {
        self.by_route[route as usize].units
    }

    /// The same of those only up to an order.
    pub fn units_before(&self, route: Index, last: Order) -> u64 {
        if self.last <= last {
            return self.units_of(route);
        }
        let before = self.places(route).take_while(|(place, _)| place.order <= last);
        before.map(|(_, waiter)| waiter.units).fold(0, u64::saturating_add)
    }

    /// The oldest waiter of each route that somebody waits for, in the order over all queues.
    pub fn heads(&self) -> impl Iterator<Item = Place> {
        self.heads.keys().copied()
    }

    /// The same, each with its units.
    pub fn heads_with_units(&self) -> impl Iterator<Item = (Place, u64)> {
        self.heads.iter().map(|(&place, &units)| (place, units))
    }

    /// The routes that somebody waits for.
    pub fn routes(&self) -> impl Iterator<Item = Index> {
        self.heads().map(|place| place.route)
    }

    /// Whether nobody goes after `place`, as far as can be told at once.
    pub fn is_last(&self, place: Place) -> bool {
        place.order >= self.last
    }

    /// Behind all of the same rank.
    pub fn push(&mut self, route: Index, rank: Rank, waiter: Waiter<W>) -> Place {
        self.push_at(self.key(rank, waiter.since), route, rank, waiter)
    }

    /// Before everybody but those who went there before. The request keeps its own class.
    pub fn push_first(&mut self, place: Place, waiter: Waiter<W>) -> Place {
        self.push_at(self.key(Rank::FIRST, 0), place.route, place.order.rank(), waiter)
    }

    fn push_at(&mut self, key: u64, route: Index, rank: Rank, waiter: Waiter<W>) -> Place {
        let number = self.next << Order::RANK | u64::from(rank.0);
        let place = Place { order: Order { key, number }, route };
        self.next += 1;
        self.last = self.last.max(place.order);
        self.insert(place, waiter);
        place
    }

    /// Puts a waiter where it stood before.
    pub fn insert(&mut self, place: Place, waiter: Waiter<W>) {
        let head = self.head(place.route);
        if head.is_none_or(|head| place < head) {
            head.map(|head| self.heads.remove(&head));
            self.heads.insert(place, waiter.units);
        }
        let queue = &mut self.by_route[place.route as usize];
        queue.units = queue.units.saturating_add(waiter.units);
        self.deadlines.extend(waiter.deadline.map(|at| (at, place)));
        queue.waiters.insert(place.order, waiter);
        self.len += 1;
    }

    pub fn remove(&mut self, place: Place) -> Option<Waiter<W>> {
        let queue = &mut self.by_route[place.route as usize];
        let waiter = queue.waiters.remove(&place.order)?;
        queue.units = queue.units.saturating_sub(waiter.units);
        if let Some(at) = waiter.deadline {
            self.deadlines.remove(&(at, place));
        }
        if self.heads.remove(&place).is_some() {
            let next = self.queue(place.route).first_key_value();
            let next = next.map(|(&order, waiter)| (Place { order, ..place }, waiter.units));
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
        self.queue(place.route).get(&place.order)
    }

    /// The next waiter of the same route.
    pub fn first_after(&self, place: Place) -> Option<Place> {
        let later = (Bound::Excluded(place.order), Bound::Unbounded);
        let (&order, _) = self.queue(place.route).range(later).next()?;
        Some(Place { order, route: place.route })
    }

    /// The oldest waiter of a route.
    pub fn head(&self, route: Index) -> Option<Place> {
        let (&order, _) = self.queue(route).first_key_value()?;
        Some(Place { order, route })
    }

    /// The waiters of a route, oldest first.
    pub fn places(&self, route: Index) -> impl Iterator<Item = (Place, &Waiter<W>)> {
        self.queue(route).iter().map(move |(&order, waiter)| (Place { order, route }, waiter))
    }
}
