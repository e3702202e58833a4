//! Requests that rise with a *patience*: by one class for each length of it that they wait, without steps in between, up to
//! the highest class. Those that have reached it go in the order of arrival, so that a request which comes later is behind
//! all of them, whatever its class.
//!
//! Below the highest class all rise equally fast: which of two goes first never changes there, and the one that reaches the
//! highest class first is the first of them. So a request that waits changes its place once, at an instant that is known
//! when it comes, and all that have reached the highest class by an instant are those up to some key.
//!
//! The highest class is that of the table, and of those that joined the queue since it was last empty. It grows with a
//! request of a higher class than that: then those that had reached the class before have not reached this one.

use std::collections::BTreeSet;

use crate::clock::Nanos;

use super::queue::{Order, Place, Queues, Rank};

/// What the order hangs on, where there is a patience.
#[derive(Debug)]
pub(super) struct Rising {
    /// How long a request waits for each class that it rises by.
    pub(super) patience: Nanos,
    /// The highest class of the table.
    of_table: Rank,
    /// The highest class.
    highest: Rank,
    /// The last instant up to which requests have risen.
    until: Nanos,
    /// Those that have not reached the highest class.
    pub(super) below: BTreeSet<Place>,
}

impl Rising {
    pub(super) fn new(patience: Nanos) -> Self {
        let lowest = Rank(u16::MAX);
        Self { patience, of_table: lowest, highest: lowest, until: 0, below: BTreeSet::new() }
    }

    /// How long it takes to rise to the highest of all priorities.
    fn rise_of(&self, rank: Rank) -> Nanos {
        self.patience.saturating_mul(rank.0.saturating_sub(Rank::HIGHEST.0).into())
    }

    /// What a request of a class that came at `since` is ordered by: when it would have risen to the highest of all
    /// priorities.
    pub(super) fn key(&self, rank: Rank, since: Nanos) -> u64 {
        since.saturating_add(self.rise_of(rank)).saturating_add(Order::RISEN)
    }

    /// The largest key of a request that has reached the highest class.
    fn reached(&self) -> u64 {
        self.key(self.highest, self.until)
    }

    /// When the next request reaches the highest class.
    fn next(&self) -> Option<Nanos> {
        let key = self.below.first()?.order.key();
        Some(key.saturating_sub(Order::RISEN).saturating_sub(self.rise_of(self.highest)))
    }
}

impl<W> Queues<W> {
    /// A new table's highest class.
    pub fn set_highest(&mut self, of_table: Rank) {
        if let Some(rising) = &mut self.rising {
            rising.of_table = of_table;
        }
        self.raise(of_table);
    }

    /// When the next request stands at another place by the clock alone.
    #[inline]
    pub fn next_rise(&self) -> Option<Nanos> {
        self.rising.as_ref().and_then(Rising::next)
    }

    /// Whether others stand at other places when one of this rank comes at `now`.
    pub fn moves_others(&self, rank: Rank, now: Nanos) -> bool {
        self.rising.as_ref().is_some_and(|rising| {
            (Rank::FIRST < rank && rank < rising.highest) || rising.next().is_some_and(|at| at <= now)
        })
    }

    /// Brings the order up to `now`. Whether anybody stands at another place.
    #[inline]
    pub fn rise(&mut self, now: Nanos) -> bool {
        self.rising.is_some() && self.rise_until(now)
    }

    fn rise_until(&mut self, now: Nanos) -> bool {
        let Some(rising) = &mut self.rising else { return false };
        rising.until = now.max(rising.until);
        self.reached = rising.reached();
        let mut has_moved = false;
        while let Some(rising) = &mut self.rising
            && let Some(&place) = rising.below.first()
            && place.order.key() <= self.reached
        {
            rising.below.remove(&place);
            if let Some(waiter) = self.take(place) {
                self.put(Place { order: place.order.risen(), ..place }, waiter);
                has_moved = true;
            }
        }
        has_moved
    }

    /// A request of this rank is to join the queue at `now`.
    pub(super) fn expect(&mut self, rank: Rank, now: Nanos) {
        let nobody_waits = self.is_empty();
        let Some(rising) = &mut self.rising else { return };
        if nobody_waits {
            rising.highest = rising.of_table;
        }
        self.raise(rank);
        self.rise_until(now);
    }

    /// The highest class is this one at the least. What it was before.
    pub fn raise(&mut self, rank: Rank) -> Option<Rank> {
        let rising = self.rising.as_mut()?;
        let before = rising.highest;
        if rank < before && rank > Rank::FIRST {
            rising.highest = rank;
            self.reached = rising.reached();
            self.fall();
        }
        Some(before)
    }

    /// The highest class is again what it was before [`Queues::raise`].
    pub fn lower(&mut self, before: Option<Rank>) {
        if let (Some(rising), Some(before)) = (&mut self.rising, before) {
            rising.highest = before;
            self.rise_until(0);
        }
    }

    /// Those that had reached the highest class before it grew go back to where they stood, but for those that have reached
    /// this one as well.
    fn fall(&mut self) {
        let risen = |&(place, _): &(Place, _)| place.order.key() <= Order::RISEN;
        let of_route = |route| self.places(route).take_while(risen);
        let fallen: Vec<(Place, Place)> = (self.routes().flat_map(of_route))
            .map(|(place, waiter)| (place, self.name(place, waiter)))
            .filter(|(_, name)| name.order.key() > self.reached)
            .collect();
        for (place, name) in fallen {
            if let Some(waiter) = self.take(place) {
                self.put(name, waiter);
                self.rising.iter_mut().for_each(|rising| rising.below.extend([name]));
            }
        }
    }
}
