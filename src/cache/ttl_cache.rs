//! `TtlCache`: the map as a Rust program uses it, with its own keys, its own lifetime of entries and a clock.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use crate::clock::{Clock, Nanos, nanos};

use super::compare::Compare;
use super::counts::Counts;
use super::number::Number;
use super::store::{Entry, Found, Removed, Store};

/// A map for `max_entries` entries, which expire a fixed time after they were stored.
///
/// If there is no room for a new entry, the one that was read or stored longest ago is evicted.
///
/// ```
/// use sluicegate::cache::TtlCache;
/// use std::time::Duration;
///
/// let mut prices = TtlCache::new(100, Duration::from_secs(300));
/// prices.insert("BTC/USDT", 97_000.0);
/// assert_eq!(prices.get("BTC/USDT"), Some(&97_000.0));
/// assert_eq!(prices.get("ETH/USDT"), None);
/// ```
#[derive(Clone, Debug)]
pub struct TtlCache<K, V> {
    store: Store<K, V, Nanos>,
    ttl: Nanos,
    clock: Clock,
    hasher: RandomState,
}

/// A key that is looked up, at an instant: every answer is known at once.
struct Lookup<'a, Q: ?Sized> {
    key: &'a Q,
    now: Nanos,
}

impl<K: Borrow<Q>, Q: Eq + ?Sized> Compare<K, Nanos> for Lookup<'_, Q> {
    type Pending = Infallible;

    fn same_key(&mut self, stored: &K) -> Result<bool, Infallible> {
        Ok(stored.borrow() == self.key)
    }

    fn has_expired(&mut self, expires: &Nanos) -> Result<bool, Infallible> {
        Ok(self.now >= *expires)
    }
}

/// No key: only expired entries are asked for.
struct At(Nanos);

impl<K> Compare<K, Nanos> for At {
    type Pending = Infallible;

    fn same_key(&mut self, _stored: &K) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn has_expired(&mut self, expires: &Nanos) -> Result<bool, Infallible> {
        Ok(self.0 >= *expires)
    }
}

impl<K: Hash + Eq, V> TtlCache<K, V> {
    /// An empty map on the machine's monotonic clock. With 0 for `max_entries`, nothing is ever stored.
    #[must_use]
    pub fn new(max_entries: usize, ttl: Duration) -> Self {
        Self::with_clock(max_entries, ttl, Clock::monotonic())
    }

    /// An empty map on the given clock.
    #[must_use]
    pub fn with_clock(max_entries: usize, ttl: Duration, clock: Clock) -> Self {
        let limit = Number::Int(i64::try_from(max_entries).unwrap_or(i64::MAX));
        Self { store: Store::new(limit, true), ttl: nanos(ttl), clock, hasher: RandomState::new() }
    }

    /// The value of a key that has not expired. The entry becomes the one used last.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut lookup = Lookup { key, now: self.clock.now() };
        let Ok(found) = self.store.find(self.hasher.hash_one(key), &mut lookup);
        let Found::Live(slot) = found else {
            self.store.counts.misses += 1;
            return None;
        };
        self.store.counts.hits += 1;
        self.store.touch(slot);
        self.store.at(slot).map(|entry| &entry.value)
    }

    /// Stores a value, and returns the one that it replaces, unless that has expired.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let now = self.clock.now();
        self.expire(now);
        // The map needs the key to compare with while it takes the entry, so the old entry is taken out first.
        let hash = self.hasher.hash_one(&key);
        let Ok(old) = self.store.locate(hash, &mut Lookup { key: &key, now });
        let old = old.and_then(|slot| self.store.remove(slot));
        let expires = now.saturating_add(self.ttl);
        let mut item = Some(Entry { key, value, expires, size: Number::Int(1) });
        let Ok(_) = self.store.insert(hash, &mut At(now), &mut item, true, &mut Removed::new());
        old.map(|entry| entry.value)
    }

    /// Takes an entry out, and returns its value unless that has expired.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.expire(self.clock.now());
        let Ok(slot) = self.store.locate(self.hasher.hash_one(key), &mut Lookup { key, now: 0 });
        self.store.remove(slot?).map(|entry| entry.value)
    }

    /// How many entries have not expired.
    pub fn len(&mut self) -> usize {
        self.expire(self.clock.now());
        self.store.len()
    }

    /// Whether every entry has expired, or none was stored.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Takes all entries out. The counters stay.
    pub fn clear(&mut self) {
        drop(self.store.clear());
    }

    /// What the map has done since it was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.store.counts
    }

    /// All entries live equally long, so the expired ones are the oldest.
    fn expire(&mut self, now: Nanos) {
        let Ok(()) = self.store.expire(&mut At(now), &mut Removed::new());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::clock::Clock;

    use super::{Counts, TtlCache};

    const SECOND: u64 = 1_000_000_000;

    /// For 2 entries that live 10 s, and its clock.
    fn small() -> (TtlCache<String, u32>, Clock) {
        let clock = Clock::manual();
        (TtlCache::with_clock(2, Duration::from_secs(10), clock.clone()), clock)
    }

    fn put(cache: &mut TtlCache<String, u32>, key: &str, value: u32) -> Option<u32> {
        cache.insert(key.to_owned(), value)
    }

    fn get(cache: &mut TtlCache<String, u32>, key: &str) -> Option<u32> {
        cache.get(key).copied()
    }

    #[test]
    fn an_entry_expires_a_fixed_time_after_it_was_stored() {
        let (mut cache, clock) = small();
        put(&mut cache, "a", 1);
        clock.set(10 * SECOND - 1);
        assert_eq!((get(&mut cache, "a"), cache.len()), (Some(1), 1));
        clock.set(10 * SECOND);
        assert_eq!((get(&mut cache, "a"), cache.len()), (None, 0));
        assert_eq!(cache.counts(), Counts { hits: 1, misses: 1, evictions: 0, expirations: 1 });
    }

    #[test]
    fn the_entry_used_longest_ago_makes_room() {
        let (mut cache, _clock) = small();
        put(&mut cache, "a", 1);
        put(&mut cache, "b", 2);
        get(&mut cache, "a");
        put(&mut cache, "c", 3);
        assert_eq!(
            (get(&mut cache, "a"), get(&mut cache, "b"), get(&mut cache, "c")),
            (Some(1), None, Some(3))
        );
        assert_eq!(cache.counts().evictions, 1);
    }

    #[test]
    fn a_value_stored_again_lives_anew_and_gives_back_the_old_one() {
        let (mut cache, clock) = small();
        put(&mut cache, "a", 1);
        put(&mut cache, "b", 2);
        clock.set(9 * SECOND);
        assert_eq!(put(&mut cache, "a", 3), Some(1));
        assert_eq!(cache.counts().evictions, 0);
        clock.set(18 * SECOND);
        assert_eq!((get(&mut cache, "a"), get(&mut cache, "b")), (Some(3), None));
    }

    #[test]
    fn what_has_expired_is_given_back_by_nothing() {
        let (mut cache, clock) = small();
        put(&mut cache, "a", 1);
        put(&mut cache, "b", 2);
        clock.set(10 * SECOND);
        assert_eq!((cache.remove("b"), put(&mut cache, "a", 3)), (None, None));
        assert_eq!(cache.remove("a"), Some(3));
        assert!(cache.is_empty());
    }

    #[test]
    fn the_longest_time_to_live_has_no_end() {
        let clock = Clock::manual();
        clock.set(SECOND);
        let mut cache = TtlCache::with_clock(1, Duration::MAX, clock.clone());
        cache.insert(1, 1);
        clock.set(u64::MAX - 1);
        assert_eq!(cache.get(&1), Some(&1));
    }

    #[test]
    fn a_cache_without_room_stores_nothing() {
        let mut cache = TtlCache::new(0, Duration::MAX);
        assert_eq!(cache.insert(1, 1), None);
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn clearing_keeps_the_counters() {
        let (mut cache, _clock) = small();
        put(&mut cache, "a", 1);
        get(&mut cache, "a");
        cache.clear();
        assert_eq!((cache.len(), cache.counts().hits), (0, 1));
    }
}
