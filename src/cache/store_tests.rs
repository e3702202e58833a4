//! The map against a model that is too plain to be wrong.

use std::convert::Infallible;

use proptest::prelude::*;

use super::{Compare, Entry, EntryId, Found, Insertion, Number, Removed, Store};

type Map = Store<u8, u32, u64>;

/// Knows all answers.
struct Sure {
    key: u8,
    now: u64,
}

impl Compare<u8, u64> for Sure {
    type Pending = Infallible;

    fn same_key(&mut self, stored: &u8) -> Result<bool, Infallible> {
        Ok(*stored == self.key)
    }

    fn has_expired(&mut self, expires: &u64) -> Result<bool, Infallible> {
        Ok(self.now >= *expires)
    }
}

/// Knows nothing yet.
struct Unsure;

impl Compare<u8, u64> for Unsure {
    type Pending = ();

    fn same_key(&mut self, _stored: &u8) -> Result<bool, ()> {
        Err(())
    }

    fn has_expired(&mut self, _expires: &u64) -> Result<bool, ()> {
        Err(())
    }
}

/// All keys share few hashes, so that they must be compared.
fn hash(key: u8) -> u64 {
    u64::from(key % 3)
}

fn entry(key: u8, value: u32, expires: u64, size: i64) -> Entry<u8, u32, u64> {
    Entry { key, value, expires, size: Number::Int(size) }
}

fn put(map: &mut Map, now: u64, key: u8, value: u32, expires: u64, size: i64) -> Insertion {
    let mut removed = Removed::new();
    let mut item = Some(entry(key, value, expires, size));
    let Ok(insertion) = map.insert(hash(key), &mut Sure { key, now }, &mut item, true, &mut removed);
    insertion
}

fn find(map: &Map, now: u64, key: u8) -> Found {
    let Ok(found) = map.find(hash(key), &mut Sure { key, now });
    found
}

fn keys(map: &Map) -> Vec<u8> {
    map.by_age().map(|entry| entry.key).collect()
}

/// The same in vectors: (key, value, expires, size), oldest first; and the keys by use.
#[derive(Debug, Default)]
struct Model {
    by_age: Vec<(u8, u32, u64, i64)>,
    by_use: Vec<u8>,
    limit: i64,
}

impl Model {
    fn size(&self) -> i64 {
        self.by_age.iter().map(|entry| entry.3).sum()
    }

    fn remove(&mut self, key: u8) {
        self.by_age.retain(|entry| entry.0 != key);
        self.by_use.retain(|other| *other != key);
    }

    fn touch(&mut self, key: u8) {
        self.by_use.retain(|other| *other != key);
        self.by_use.push(key);
    }

    fn put(&mut self, key: u8, value: u32, expires: u64, size: i64) -> bool {
        if size > self.limit {
            return false;
        }
        loop {
            let old = self.by_age.iter().find(|entry| entry.0 == key).map_or(0, |entry| entry.3);
            if self.size() - old + size <= self.limit {
                break;
            }
            self.remove(self.by_use[0]);
        }
        self.remove(key);
        self.by_age.push((key, value, expires, size));
        self.touch(key);
        true
    }

    fn expire(&mut self, now: u64) {
        while let Some(&(key, _, expires, _)) = self.by_age.first()
            && now >= expires
        {
            self.remove(key);
        }
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Put(u8, u32, u64, i64),
    Touch(u8),
    Remove(u8),
    Expire(u64),
    Grow(i64),
    Clear,
    Copy,
}

fn step() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0..8u8, any::<u32>(), 0..20u64, 0..4i64).prop_map(|(k, v, e, s)| Operation::Put(k, v, e, s)),
        3 => (0..8u8).prop_map(Operation::Touch),
        2 => (0..8u8).prop_map(Operation::Remove),
        1 => (0..20u64).prop_map(Operation::Expire),
        1 => (0..12i64).prop_map(Operation::Grow),
        1 => Just(Operation::Clear),
        1 => Just(Operation::Copy),
    ]
}

proptest! {
    #[test]
    fn any_history_is_that_of_the_model(limit in 0..8i64, steps in prop::collection::vec(step(), 0..80)) {
        let mut map = Map::new(Number::Int(limit), true);
        let mut model = Model { limit, ..Model::default() };
        for step in steps {
            match step {
                Operation::Put(key, value, expires, size) => {
                    let insertion = put(&mut map, 0, key, value, expires, size);
                    prop_assert_eq!(insertion == Insertion::Stored, model.put(key, value, expires, size));
                }
                Operation::Touch(key) => {
                    if let Found::Live(slot) | Found::Expired(slot) = find(&map, 0, key) {
                        map.touch(slot);
                        model.touch(key);
                    }
                }
                Operation::Remove(key) => {
                    if let Found::Live(slot) | Found::Expired(slot) = find(&map, 0, key) {
                        prop_assert_eq!(map.remove(slot).map(|entry| entry.key), Some(key));
                    }
                    model.remove(key);
                }
                Operation::Expire(now) => {
                    let mut removed = Removed::new();
                    let Ok(()) = map.expire(&mut Sure { key: 0, now }, &mut removed);
                    prop_assert!(removed.iter().all(|entry| entry.expires <= now));
                    model.expire(now);
                }
                Operation::Grow(limit) => {
                    prop_assert_eq!(map.grow(Number::Int(limit)), limit > model.limit);
                    model.limit = model.limit.max(limit);
                }
                Operation::Clear => {
                    drop(map.clear());
                    model = Model { limit: model.limit, ..Model::default() };
                }
                Operation::Copy => {
                    let entries: Vec<_> =
                        map.by_age().map(|entry| (hash(entry.key), entry.clone())).collect();
                    let mut copy = Map::new(map.limit(), true);
                    copy.restore(entries, &map.by_birth(), &map.by_use());
                    prop_assert_eq!(copy.by_birth(), map.by_birth());
                    map = copy;
                }
            }
            let entries: Vec<_> = map
                .by_age()
                .map(|entry| (entry.key, entry.value, entry.expires, entry.size.as_f64() as i64))
                .collect();
            prop_assert_eq!(&entries, &model.by_age);
            let by_use: Vec<u8> = map.by_use().into_iter().map(|place| entries[place].0).collect();
            prop_assert_eq!(&by_use, &model.by_use);
            prop_assert_eq!(map.size().as_f64() as i64, model.size());
            prop_assert_eq!(map.limit().as_f64() as i64, model.limit);
            prop_assert!(model.size() <= model.limit);
            prop_assert_eq!(map.len(), entries.len());
            prop_assert_eq!(
                map.least_used().and_then(|slot| map.at(slot)).map(|entry| entry.key),
                model.by_use.first().copied()
            );
            for key in 0..8 {
                let stored = model.by_age.iter().find(|entry| entry.0 == key);
                match find(&map, 10, key) {
                    Found::Live(_) => prop_assert!(stored.is_some_and(|entry| entry.2 > 10)),
                    Found::Expired(_) => prop_assert!(stored.is_some_and(|entry| entry.2 <= 10)),
                    Found::Absent => prop_assert!(stored.is_none()),
                }
            }
        }
    }

    #[test]
    fn a_pending_answer_changes_nothing(stored in prop::collection::btree_set(0..8u8, 1..5), key in 0..8u8) {
        let mut map = Map::new(Number::Int(8), true);
        for &key in &stored {
            put(&mut map, 0, key, 1, 10, 1);
        }
        let before = (keys(&map), map.by_use(), map.shape());
        let (mut item, mut removed) = (Some(entry(key, 2, 10, 1)), Removed::new());
        let comparable = stored.iter().any(|other| hash(*other) == hash(key));
        if comparable {
            prop_assert!(map.find(hash(key), &mut Unsure).is_err());
            prop_assert!(map.insert(hash(key), &mut Unsure, &mut item, true, &mut removed).is_err());
            prop_assert!(item.is_some());
        }
        prop_assert!(map.expire(&mut Unsure, &mut removed).is_err());
        prop_assert!(removed.is_empty());
        prop_assert_eq!(before, (keys(&map), map.by_use(), map.shape()));
    }
}

#[test]
fn a_certain_answer_makes_an_uncertain_one_needless() {
    struct Half;
    impl Compare<u8, u64> for Half {
        type Pending = ();
        fn same_key(&mut self, stored: &u8) -> Result<bool, ()> {
            if *stored == 3 { Ok(true) } else { Err(()) }
        }
        fn has_expired(&mut self, _: &u64) -> Result<bool, ()> {
            Ok(false)
        }
    }
    let mut map = Map::new(Number::Int(8), true);
    for key in [0, 3, 6] {
        put(&mut map, 0, key, 1, 10, 1);
    }
    assert!(matches!(map.find(hash(3), &mut Half), Ok(Found::Live(_))));
}

#[test]
fn without_leave_to_evict_nothing_goes() {
    let mut map = Map::new(Number::Int(1), true);
    put(&mut map, 0, 1, 1, 10, 1);
    let (mut item, mut removed) = (Some(entry(2, 2, 10, 1)), Removed::new());
    let answers = &mut Sure { key: 2, now: 0 };
    assert_eq!(map.insert(hash(2), answers, &mut item, false, &mut removed), Ok(Insertion::NeedsRoom));
    assert_eq!((keys(&map), item.is_some()), (vec![1], true));
}

#[test]
fn room_grows_and_never_shrinks() {
    let mut map = Map::new(Number::Int(2), true);
    put(&mut map, 0, 1, 1, 10, 2);
    for (limit, grows) in [
        (Number::Int(2), false),
        (Number::Int(1), false),
        (Number::Float(2.0), false),
        (Number::Float(f64::NAN), false),
        (Number::Float(2.5), true),
        (Number::Int(3), true),
        (Number::Int(-1), false),
    ] {
        assert_eq!(map.grow(limit), grows, "{limit:?}");
    }
    assert_eq!((map.limit().as_f64() as i64, keys(&map)), (3, vec![1]));
    assert_eq!(put(&mut map, 0, 2, 1, 10, 1), Insertion::Stored);
    assert_eq!(keys(&map), [1, 2]);
}

#[test]
fn what_an_update_replaces_is_left_to_the_caller() {
    let mut map = Map::new(Number::Int(2), true);
    put(&mut map, 0, 1, 10, 5, 1);
    let (mut item, mut removed) = (Some(entry(1, 20, 9, 1)), Removed::new());
    let Ok(insertion) = map.insert(hash(1), &mut Sure { key: 1, now: 0 }, &mut item, true, &mut removed);
    assert_eq!(insertion, Insertion::Stored);
    assert_eq!(item.map(|item| (item.value, item.expires)), Some((10, 5)));
}

#[test]
fn without_renewal_an_update_keeps_its_place() {
    for (renew, expected) in [(true, vec![2, 1]), (false, vec![1, 2])] {
        let mut map = Map::new(Number::Int(2), renew);
        for key in [1, 2, 1] {
            put(&mut map, 0, key, 1, 10, 1);
        }
        assert_eq!(keys(&map), expected);
    }
}

fn filled(keys: impl IntoIterator<Item = u8>, renew: bool) -> Map {
    let mut map = Map::new(Number::Int(9), renew);
    for key in keys {
        put(&mut map, 0, key, 1, 10, 1);
    }
    map
}

fn take(map: &mut Map, key: u8) {
    if let Found::Live(slot) = find(map, 0, key) {
        map.remove(slot);
    }
}

fn still_there(map: &Map, ids: &[EntryId]) -> Vec<u8> {
    ids.iter().filter_map(|&id| map.entry_of(id)).map(|(_, entry)| entry.key).collect()
}

#[test]
fn ids_are_in_the_order_in_which_keys_came() {
    let map = filled([3, 1, 2, 3, 1], true);
    assert_eq!(keys(&map), [2, 3, 1]);
    assert_eq!(still_there(&map, &map.ids()), [3, 1, 2]);
}

#[test]
fn an_id_is_that_of_its_entry_until_it_is_gone() {
    let mut map = filled(1..5, true);
    let ids = map.ids();
    put(&mut map, 0, 2, 7, 10, 1);
    take(&mut map, 1);
    take(&mut map, 3);
    // Another key takes over one of the slots.
    put(&mut map, 0, 8, 1, 10, 1);
    put(&mut map, 0, 3, 1, 10, 1);
    assert_eq!(still_there(&map, &ids), [2, 4]);
    drop(map.clear());
    put(&mut map, 0, 4, 1, 10, 1);
    assert!(still_there(&map, &ids).is_empty());
}

#[test]
fn a_walk_goes_from_the_oldest_to_the_youngest() {
    let map = filled(1..5, false);
    let (mut last, mut seen) = (None, Vec::new());
    while let Some((next, entry)) = map.next(last) {
        seen.push(entry.key);
        last = Some(next);
    }
    assert_eq!(seen, [1, 2, 3, 4]);
}

#[test]
fn a_walk_ends_where_its_entry_is_gone() {
    let mut map = filled(1..5, false);
    let first = map.next(None).map(|(id, _)| id);
    take(&mut map, 1);
    assert_eq!(map.next(first).map(|(_, entry)| entry.key), None);
}
