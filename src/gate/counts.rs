//! What has become of the requests of each limit: how many passed, how long they waited, how many were refused.
//!
//! A request counts for each limit that it takes from, and for the limit of its own id. To pass at once costs one
//! addition: to the counter of the request's route. What the limits count is added up when somebody asks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::Nanos;

use super::enter::{Gate, LimitState};
use super::route::{Index, Route};

/// The upper ends of the buckets in which waits are counted; longer ones are in one more bucket.
pub const WAIT_BUCKETS: [Duration; 12] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// The waits of requests that have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// How many waits were no longer than the bucket's end in [`WAIT_BUCKETS`], and longer than the one before.
    pub buckets: [u64; WAIT_BUCKETS.len() + 1],
    /// How long all of them took together.
    pub total: Duration,
}

impl Waits {
    /// How many requests have waited and then passed.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn add(&mut self, waited: Nanos) {
        let waited = Duration::from_nanos(waited);
        let at = WAIT_BUCKETS.iter().position(|&end| waited <= end).unwrap_or(WAIT_BUCKETS.len());
        self.buckets[at] += 1;
        self.total = self.total.saturating_add(waited);
    }
}

/// What has become of the requests of one limit since the throttler was made, or its process forked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The limit's id.
    pub id: String,
    /// Requests that passed.
    pub passed: u64,
    /// Requests that were told at once that there is no room.
    pub refused: u64,
    /// Requests whose time was up before they could pass.
    pub timed_out: u64,
    /// How often it was paused.
    pub pauses: u64,
    /// How long requests waited that have passed; those that passed at once are not in it.
    pub waits: Waits,
}

/// What a limit counts itself.
#[derive(Clone, Debug, Default)]
pub(super) struct LimitCounts {
    /// Passed by routes of the tables before this one.
    passed: u64,
    refused: u64,
    timed_out: u64,
    pub(super) pauses: u64,
    /// Most limits are never waited for.
    waits: Option<Box<Waits>>,
}

impl Route {
    /// One more request of this route has passed. The gate is locked: nobody else adds meanwhile.
    #[inline]
    pub(super) fn count_pass(&self) {
        self.passed.store(self.passed.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// The limits for which its requests count: those that it takes from, and that of the id that they name.
    fn counts_for(&self, named: Index) -> impl Iterator<Item = Index> {
        let own = self.charges.iter().all(|charge| charge.limit != named).then_some(named);
        self.charges.iter().map(|charge| charge.limit).chain(own)
    }
}

impl LimitState {
    /// The limit of the id that requests name which have this one's route.
    fn named(&self, index: Index) -> Index {
        self.base.unwrap_or(index)
    }

    /// Whether users know of it.
    fn is_of_table(&self) -> bool {
        self.route.is_some() && self.base.is_none()
    }
}

impl<W> Gate<W> {
    /// A request that was granted its units has come for them, after it waited for so long.
    pub fn count_granted(&mut self, route: &Route, waited: Nanos) {
        // The table may have been replaced since it was granted them.
        let Some(route) = self.limits[route.index as usize].route.clone() else { return };
        route.count_pass();
        if waited > 0 {
            let named = self.limits[route.index as usize].named(route.index);
            for limit in route.counts_for(named) {
                self.limits[limit as usize].counts.waits.get_or_insert_default().add(waited);
            }
        }
    }

    /// A request is turned away: at once, or when its time was up.
    pub(super) fn count_turned_away(&mut self, route: &Route, at_once: bool) {
        let named = self.limits[route.index as usize].named(route.index);
        for limit in route.counts_for(named) {
            let counts = &mut self.limits[limit as usize].counts;
            *(if at_once { &mut counts.refused } else { &mut counts.timed_out }) += 1;
        }
    }

    /// To be called before the routes of the table are replaced.
    pub(super) fn keep_counts(&mut self) {
        let passed = self.passed_by_routes();
        for (limit, passed) in self.limits.iter_mut().zip(passed) {
            limit.counts.passed += passed;
        }
    }

    /// The child of a fork counts its own requests.
    pub(super) fn forget_counts(&mut self) {
        for limit in &mut self.limits {
            limit.counts = LimitCounts::default();
            limit.route.iter().for_each(|route| route.passed.store(0, Ordering::Relaxed));
        }
    }

    fn passed_by_routes(&self) -> Vec<u64> {
        let mut passed = vec![0; self.limits.len()];
        for limit in &self.limits {
            let Some(route) = &limit.route else { continue };
            let by_this = route.passed.load(Ordering::Relaxed);
            route.counts_for(limit.named(route.index)).for_each(|limit| passed[limit as usize] += by_this);
        }
        passed
    }

    /// The counters of every limit of the table, in its order.
    pub fn counters(&self) -> Vec<Counters> {
        let passed = self.passed_by_routes();
        let of = |(limit, passed): (&LimitState, u64)| {
            let counts = &limit.counts;
            limit.is_of_table().then(|| Counters {
                id: limit.id.to_string(),
                passed: counts.passed + passed,
                refused: counts.refused,
                timed_out: counts.timed_out,
                pauses: counts.pauses,
                waits: counts.waits.as_deref().copied().unwrap_or_default(),
            })
        };
        self.limits.iter().zip(passed).filter_map(of).collect()
    }

    /// Who waits at `now`: each id that requests wait for, how many they are, and for how long the next
    /// of them has.
    pub fn waiting(&self, now: Nanos) -> Vec<(String, usize, Duration)> {
        let of = |place: super::queue::Place| {
            let since = self.queues.get(place)?.since;
            let named = self.limits[place.route as usize].named(place.route);
            let id = self.limits[named as usize].id.to_string();
            Some((id, self.queues.len_of(place.route), Duration::from_nanos(now.saturating_sub(since))))
        };
        self.queues.heads().filter_map(of).collect()
    }

    /// For how long the oldest request has waited that counts for each limit; 0 where nobody waits. In the order of
    /// [`Gate::counters`].
    pub fn oldest_waits(&self, now: Nanos) -> Vec<Duration> {
        let mut oldest = vec![0; self.limits.len()];
        for place in self.queues.heads() {
            let (Some(route), Some(head)) =
                (&self.limits[place.route as usize].route, self.queues.get(place))
            else {
                continue;
            };
            let named = self.limits[route.index as usize].named(route.index);
            for limit in route.counts_for(named) {
                let waited: &mut Nanos = &mut oldest[limit as usize];
                *waited = (*waited).max(now.saturating_sub(head.since));
            }
        }
        let of = |(limit, waited): (&LimitState, Nanos)| {
            limit.is_of_table().then_some(Duration::from_nanos(waited))
        };
        self.limits.iter().zip(oldest).filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::{Rank, Waiter};
    use super::super::table::Options;
    use super::*;
    use crate::clock::Clock;
    use crate::limit::RateLimit;

    const SECOND: Duration = Duration::from_secs(1);

    fn table() -> [RateLimit; 3] {
        [
            RateLimit::new("POOL", 2, SECOND),
            RateLimit::new("/a", 9, SECOND).link("POOL", 1),
            RateLimit::new("/b", 9, SECOND).link("POOL", 1).weight(0),
        ]
    }

    fn gate() -> Gate<()> {
        Gate::new(&table(), Options::default()).expect("a fine table")
    }

    fn counted(gate: &Gate<()>, of: impl Fn(&Counters) -> u64) -> Vec<u64> {
        gate.counters().iter().map(of).collect()
    }

    #[test]
    fn a_request_counts_for_each_limit_that_it_takes_from_and_for_its_id() {
        let mut gate = gate();
        let clock = Clock::manual();
        for id in ["/a", "/b"] {
            let route = gate.lookup(id).expect("known").clone();
            assert!(gate.try_enter(&clock, &route, 1));
        }
        assert_eq!(counted(&gate, |one| one.passed), [2, 1, 1]);
        // A new table with other links changes nothing of what has passed.
        let table = [RateLimit::new("/a", 9, SECOND), RateLimit::new("POOL", 2, SECOND)];
        gate.set_table(0, &table).expect("a fine table");
        assert_eq!(
            gate.counters().iter().map(|one| (&*one.id, one.passed)).collect::<Vec<_>>(),
            [("POOL", 2), ("/a", 1)]
        );
        gate.forget_counts();
        assert_eq!(counted(&gate, |one| one.passed), [0, 0]);
    }

    #[test]
    fn waits_refusals_and_time_outs_are_told_apart() {
        let mut gate = gate();
        let route = gate.lookup("/a").expect("known").clone();
        assert!(gate.try_acquire(0, &route, 2));
        let second = 1_000_000_000;
        for deadline in [Some(0), Some(second / 2), None] {
            gate.join(&route, Rank::ORDINARY, Waiter { units: 1, since: 0, deadline, tag: () });
        }
        let mut decided = Vec::new();
        gate.advance(0, &mut decided);
        assert_eq!(gate.waiting(second / 4), [("/a".to_owned(), 2, SECOND / 4)]);
        assert_eq!(gate.oldest_waits(second / 4), [SECOND / 4, SECOND / 4, Duration::ZERO]);
        gate.advance(second / 2, &mut decided);
        gate.advance(second, &mut decided);
        assert_eq!(decided.len(), 3);
        gate.count_granted(&route, second);
        assert_eq!(counted(&gate, |one| one.refused), [1, 1, 0]);
        assert_eq!(counted(&gate, |one| one.timed_out), [1, 1, 0]);
        assert_eq!(counted(&gate, |one| one.waits.count()), [1, 1, 0]);
        assert_eq!(counted(&gate, |one| one.passed), [2, 2, 0]);
        let waits = gate.counters()[0].waits;
        let bucket = WAIT_BUCKETS.iter().position(|&end| end == SECOND).expect("there is one");
        assert_eq!((waits.total, waits.buckets[bucket]), (SECOND, 1), "an end belongs to its bucket");
    }
}
