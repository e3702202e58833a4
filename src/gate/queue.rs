//! Which requests wait, and which of them goes before which: by rank, and then in the order of arrival.
//!
//! There is one queue for each route. Everywhere in the gate, *older* and *younger* mean this order over all queues.
//!
//! A request has a *name*, the place that it was given when it came. Without a patience that is where it stands. With one
//! it stands elsewhere once it has risen to the highest class (see [`rising`](super::rising)), and keeps its name. A name and
//! a place are as good as each other for finding a request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::clock::Nanos;
use crate::error::Error;
use crate::limit::PRIORITIES;

use super::rising::Rising;
use super::route::Index;

/// A class of requests. All of a smaller rank go before all of a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(pub u16);

impl Rank {
    /// Before everybody: requests within the blocks of others, whatever their priority.
    pub const FIRST: Self = Self(0);
    /// That of the highest priority.
    pub(super) const HIGHEST: Self = Self(Self::ORDINARY.0 - *PRIORITIES.end() as u16);
    /// That of priority 0.
    pub const ORDINARY: Self = Self(1 << 15);

    /// That of a priority: the higher the priority, the smaller the rank.
    pub fn of(priority: i16) -> Result<Self, Error> {
        if !PRIORITIES.contains(&priority) {
            return Err(Error::invalid("a priority", "a whole number from -1000 to 1000", priority));
        }
        Ok(Self(Self::ORDINARY.0.wrapping_add_signed(-priority)))
    }

    /// The priority of this rank.
    pub(super) fn priority(self) -> i16 {
        let below = i32::from(self.0) - i32::from(Self::ORDINARY.0);
        i16::try_from(-below).unwrap_or(i16::MIN)
    }
}

/// When a waiting request goes, over all queues: the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    /// The rank; with a patience, when the request would have risen to the highest of all priorities, or [`Self::RISEN`].
    /// 0: before everybody.
    key: u64,
    /// The number of the arrival, and behind it the rank of the request, also of one that goes before everybody.
    number: u64,
}

impl Order {
    /// After everybody.
    pub const LAST: Self = Self { key: u64::MAX, number: u64::MAX };
    /// As many bits are the rank. With a million arrivals a second, the others last for nine years.
    const RANK: u32 = u16::BITS;
    /// The key of those that have risen to the highest class: no other one is smaller, but for those before everybody.
    pub(super) const RISEN: u64 = 1;

    pub(super) fn key(self) -> u64 {
        self.key
    }

    /// That of the same request, once it has risen to the highest class.
    pub(super) fn risen(self) -> Self {
        Self { key: Self::RISEN, ..self }
    }

    /// The class of the request itself.
    pub fn rank(self) -> Rank {
        Rank(self.number as u16)
    }

    /// The priority of the request; `None` if it goes before everybody.
    pub fn priority(self) -> Option<i16> {
        (self.key > 0).then(|| self.rank().priority())
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
    pub(super) heads: BTreeMap<Place, u64>,
    /// By name.
    deadlines: BTreeSet<(Nanos, Place)>,
    len: usize,
    next: u64,
    /// The largest order of any request that ever waited.
    last: Order,
    /// `None`: a request keeps its class.
    pub(super) rising: Option<Rising>,
    /// Names with a key up to here stand among those that have risen to the highest class; 0 without a patience.
    pub(super) reached: u64,
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
            rising: patience.map(Rising::new),
            reached: 0,
        }
    }

    /// The key in the name of a request of a class that comes at `now`.
    fn key(&self, rank: Rank, now: Nanos) -> u64 {
        match &self.rising {
            Some(rising) if rank != Rank::FIRST => rising.key(rank, now),
            _ => rank.0.into(),
        }
    }

    /// Where a request stands that has this name, or stands here.
    #[inline]
    pub fn stands_at(&self, name: Place) -> Place {
        let has_risen = name.order.key.wrapping_sub(Order::RISEN) < self.reached;
        if has_risen { Place { order: name.order.risen(), ..name } } else { name }
    }

    /// The name of the request that stands at a place.
    pub fn name(&self, place: Place, waiter: &Waiter<W>) -> Place {
        if self.rising.is_none() || place.order.key != Order::RISEN {
            return place;
        }
        let key = self.key(place.order.rank(), waiter.since);
        Place { order: Order { key, ..place.order }, ..place }
    }

    /// Those up to here go before a request of this rank that comes at `now`.
    pub fn before(&self, rank: Rank, now: Nanos) -> Order {
        let key = self.key(rank, now);
        let newcomer = Place { order: Order { key, number: u64::MAX }, route: 0 };
        self.stands_at(newcomer).order
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
        self.stands_at(place).order >= self.last
    }

    /// Behind all of the same rank that stand there. Its name.
    pub fn push(&mut self, route: Index, rank: Rank, waiter: Waiter<W>) -> Place {
        self.push_at(self.key(rank, waiter.since), route, rank, waiter)
    }

    /// Before everybody but those who went there before. The request keeps its own class. Its new name.
    pub fn push_first(&mut self, place: Place, waiter: Waiter<W>) -> Place {
        self.push_at(self.key(Rank::FIRST, 0), place.route, place.order.rank(), waiter)
    }

    fn push_at(&mut self, key: u64, route: Index, rank: Rank, waiter: Waiter<W>) -> Place {
        let number = self.next << Order::RANK | u64::from(rank.0);
        let name = Place { order: Order { key, number }, route };
        self.next += 1;
        self.insert(name, waiter);
        name
    }

    /// Puts a waiter where the one of this name stands, or would by now.
    pub fn insert(&mut self, name: Place, waiter: Waiter<W>) {
        if name.order.key > 0 {
            self.expect(name.order.rank(), waiter.since);
        }
        self.deadlines.extend(waiter.deadline.map(|at| (at, name)));
        self.len += 1;
        let place = self.stands_at(name);
        if let Some(rising) = &mut self.rising
            && place.order.key > Order::RISEN
        {
            rising.below.insert(place);
        }
        self.put(place, waiter);
    }

    /// Takes out the waiter of this name, or that stands here.
    pub fn remove(&mut self, name: Place) -> Option<Waiter<W>> {
        let place = self.stands_at(name);
        let waiter = self.take(place)?;
        if let Some(at) = waiter.deadline {
            self.deadlines.remove(&(at, self.name(place, &waiter)));
        }
        if let Some(rising) = &mut self.rising {
            rising.below.remove(&place);
        }
        self.len -= 1;
        Some(waiter)
    }

    /// A waiter stands here from now on.
    pub(super) fn put(&mut self, place: Place, waiter: Waiter<W>) {
        let head = self.head(place.route);
        if head.is_none_or(|head| place < head) {
            head.map(|head| self.heads.remove(&head));
            self.heads.insert(place, waiter.units);
        }
        self.last = self.last.max(place.order);
        let queue = &mut self.by_route[place.route as usize];
        queue.units = queue.units.saturating_add(waiter.units);
        queue.waiters.insert(place.order, waiter);
    }

    /// The waiter that stands here does so no more.
    pub(super) fn take(&mut self, place: Place) -> Option<Waiter<W>> {
        let queue = &mut self.by_route[place.route as usize];
        let waiter = queue.waiters.remove(&place.order)?;
        queue.units = queue.units.saturating_sub(waiter.units);
        if self.heads.remove(&place).is_some() {
            let next = self.queue(place.route).first_key_value();
            let next = next.map(|(&order, waiter)| (Place { order, ..place }, waiter.units));
            self.heads.extend(next);
        }
        Some(waiter)
    }

    /// Who gives up first, by name, and when.
    pub fn first_deadline(&self) -> Option<(Nanos, Place)> {
        self.deadlines.first().copied()
    }

    /// Whether more than one has given up by now.
    pub fn several_give_up(&self, now: Nanos) -> bool {
        self.deadlines.iter().nth(1).is_some_and(|&(at, _)| at <= now)
    }

    pub fn get(&self, place: Place) -> Option<&Waiter<W>> {
        self.queue(place.route).get(&self.stands_at(place).order)
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
