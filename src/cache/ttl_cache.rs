//! `TtlCache`: the map as a Rust program uses it, with keys of its own and one time to live for all entries.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use super::compare::Compare;
use super::counts::Counts;
use super::number::Number;
use super::store::{Entry, Found, Removed, Store};

/// A map for `max_entries` entries, which expire a fixed time after they were stored.
///
/// If there is no room for a new entry, the one that was read or stored longest ago is evicted. The map reads no clock:
/// the caller says what time it is, and a test any time it likes. Time must not go back from call to call.
///
/// ```
/// use sluicegate::cache::TtlCache;
/// use std::time::{Duration, Instant};
///
/// let (mut prices, now) = (TtlCache::new(100, Duration::from_secs(300)), Instant::now());
/// prices.insert("BTC/USDT", 97_000.0, now);
/// assert_eq!(prices.get("BTC/USDT", now), Some(&97_000.0));
/// assert_eq!(prices.get("ETH/USDT", now), None);
/// assert_eq!(prices.get("BTC/USDT", now + Duration::from_secs(300)), None);
/// ```
#[derive(Clone, Debug)]
pub struct TtlCache<K, V> {
    store: Store<K, V, Expires>,
    ttl: Duration,
    hasher: RandomState,
}

/// When an entry expires; `None` if that is further away than an instant can be.
type Expires = Option<Instant>;

fn has_expired(expires: Expires, now: Instant) -> bool {
    expires.is_some_and(|expires| now >= expires)
}

/// A key that is looked up, at an instant: every answer is known at once.
struct Lookup<'a, Q: ?Sized> {
    key: &'a Q,
    now: Instant,
}

impl<K: Borrow<Q>, Q: Eq + ?Sized> Compare<K, Expires> for Lookup<'_, Q> {
    type Pending = Infallible;

    fn same_key(&mut self, stored: &K) -> Result<bool, Infallible> {
        Ok(stored.borrow() == self.key)
    }

    fn has_expired(&mut self, expires: &Expires) -> Result<bool, Infallible> {
        Ok(has_expired(*expires, self.now))
    }
}

/// No key: only expired entries are asked for.
struct At(Instant);

impl<K> Compare<K, Expires> for At {
    type Pending = Infallible;

    fn same_key(&mut self, _stored: &K) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn has_expired(&mut self, expires: &Expires) -> Result<bool, Infallible> {
        Ok(has_expired(*expires, self.0))
    }
}

impl<K: Hash + Eq, V> TtlCache<K, V> {
    /// An empty map. With 0 for `max_entries`, nothing is ever stored.
    #[must_use]
    pub fn new(max_entries: usize, ttl: Duration) -> Self {
        let limit = Number::Int(i64::try_from(max_entries).unwrap_or(i64::MAX));
        Self { store: Store::new(limit, true), ttl, hasher: RandomState::new() }
    }

    /// The value of a key that has not expired. The entry becomes the one used last.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, now: Instant) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut lookup = Lookup { key, now };
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
    pub fn insert(&mut self, key: K, value: V, now: Instant) -> Option<V> {
        self.expire(now);
        // The map needs the key to compare with while it takes the entry, so the old entry is taken out first.
        let hash = self.hasher.hash_one(&key);
        let Ok(old) = self.store.locate(hash, &mut Lookup { key: &key, now });
        let old = old.and_then(|slot| self.store.remove(slot));
        let expires = now.checked_add(self.ttl);
        let mut item = Some(Entry { key, value, expires, size: Number::Int(1) });
        let Ok(_) = self.store.insert(hash, &mut At(now), &mut item, true, &mut Removed::new());
        old.map(|entry| entry.value)
    }

    /// Takes an entry out, and returns its value unless that has expired.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, now: Instant) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.expire(now);
        let Ok(slot) = self.store.locate(self.hasher.hash_one(key), &mut Lookup { key, now });
        self.store.remove(slot?).map(|entry| entry.value)
    }

    /// How many entries have not expired.
    pub fn len(&mut self, now: Instant) -> usize {
        self.expire(now);
        self.store.len()
    }

    /// Whether every entry has expired, or none was stored.
    pub fn is_empty(&mut self, now: Instant) -> bool {
        self.len(now) == 0
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
    fn expire(&mut self, now: Instant) {
        let Ok(()) = self.store.expire(&mut At(now), &mut Removed::new());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Counts, TtlCache};

    const SECOND: Duration = Duration::from_secs(1);

    /// For 2 entries that live 10 s, and the instant at which the test begins.
    fn small() -> (TtlCache<String, u32>, Instant) {
        (TtlCache::new(2, 10 * SECOND), Instant::now())
    }

    fn put(cache: &mut TtlCache<String, u32>, key: &str, value: u32, now: Instant) -> Option<u32> {
        cache.insert(key.to_owned(), value, now)
    }

    fn get(cache: &mut TtlCache<String, u32>, key: &str, now: Instant) -> Option<u32> {
        cache.get(key, now).copied()
    }

    #[test]
    fn an_entry_expires_a_fixed_time_after_it_was_stored() {
        let (mut cache, begin) = small();
        put(&mut cache, "a", 1, begin);
        let before = begin + 10 * SECOND - Duration::from_nanos(1);
        assert_eq!((get(&mut cache, "a", before), cache.len(before)), (Some(1), 1));
        let end = begin + 10 * SECOND;
        assert_eq!((get(&mut cache, "a", end), cache.len(end)), (None, 0));
        assert_eq!(cache.counts(), Counts { hits: 1, misses: 1, evictions: 0, expirations: 1 });
    }

    #[test]
    fn the_entry_used_longest_ago_makes_room() {
        let (mut cache, now) = small();
        put(&mut cache, "a", 1, now);
        put(&mut cache, "b", 2, now);
        get(&mut cache, "a", now);
        put(&mut cache, "c", 3, now);
        let values = ["a", "b", "c"].map(|key| get(&mut cache, key, now));
        assert_eq!(values, [Some(1), None, Some(3)]);
        assert_eq!(cache.counts().evictions, 1);
    }

    #[test]
    fn a_value_stored_again_lives_anew_and_gives_back_the_old_one() {
        let (mut cache, begin) = small();
        put(&mut cache, "a", 1, begin);
        put(&mut cache, "b", 2, begin);
        assert_eq!(put(&mut cache, "a", 3, begin + 9 * SECOND), Some(1));
        assert_eq!(cache.counts().evictions, 0);
        let later = begin + 18 * SECOND;
        assert_eq!((get(&mut cache, "a", later), get(&mut cache, "b", later)), (Some(3), None));
    }

    #[test]
    fn an_expired_entry_makes_room_before_any_other() {
        let (mut cache, begin) = small();
        put(&mut cache, "a", 1, begin);
        put(&mut cache, "b", 2, begin + 5 * SECOND);
        get(&mut cache, "a", begin + 9 * SECOND);
        let end = begin + 10 * SECOND;
        put(&mut cache, "c", 3, end);
        assert_eq!((get(&mut cache, "b", end), get(&mut cache, "c", end)), (Some(2), Some(3)));
    }

    #[test]
    fn what_has_expired_is_not_given_back() {
        let (mut cache, begin) = small();
        let end = begin + 10 * SECOND;
        put(&mut cache, "a", 1, begin);
        assert_eq!(put(&mut cache, "a", 2, end), None);
        assert_eq!(cache.remove("a", end + 10 * SECOND), None);
        put(&mut cache, "a", 3, end + 10 * SECOND);
        assert_eq!(cache.remove("a", end + 11 * SECOND), Some(3));
        assert!(cache.is_empty(end + 11 * SECOND));
    }

    #[test]
    fn the_longest_time_to_live_has_no_end() {
        let (mut cache, begin) = (TtlCache::new(1, Duration::MAX), Instant::now());
        cache.insert(1, 1, begin);
        assert_eq!(cache.get(&1, begin + Duration::from_secs(1 << 32)), Some(&1));
    }

    #[test]
    fn a_cache_without_room_stores_nothing() {
        let (mut cache, now) = (TtlCache::new(0, SECOND), Instant::now());
        assert_eq!(cache.insert(1, 1, now), None);
        assert_eq!(cache.get(&1, now), None);
    }

    #[test]
    fn clearing_keeps_the_counters() {
        let (mut cache, now) = small();
        put(&mut cache, "a", 1, now);
        get(&mut cache, "a", now);
        cache.clear();
        assert_eq!((cache.len(now), cache.counts().hits), (0, 1));
    }
}
