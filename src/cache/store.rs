//! The entries, found by hash, and linked in two orders: by use and by age.

use std::mem;

use smallvec::SmallVec;

use super::index::Index;
use super::{Counts, Number};

/// Answers what only the owner of keys and clock can know.
pub trait Judge<K, T> {
    /// Why there is no answer yet.
    type Unknown;

    /// Whether a stored key, whose hash is the same, is the key in question.
    ///
    /// # Errors
    /// When that cannot be told yet.
    fn same(&mut self, stored: &K) -> Result<bool, Self::Unknown>;

    /// Whether the time of an entry is over.
    ///
    /// # Errors
    /// When that cannot be told yet.
    fn over(&mut self, expires: &T) -> Result<bool, Self::Unknown>;
}

/// What is stored under one key.
#[derive(Clone, Debug)]
pub struct Entry<K, V, T> {
    /// The key as it was first stored.
    pub key: K,
    /// The value as it was last stored.
    pub value: V,
    /// When its time is over.
    pub expires: T,
    /// What it counts for.
    pub size: Number,
}

/// What an operation took out, for its caller to drop once no lock is held: dropping a value may
/// run anybody's code.
pub type Bin<K, V, T> = SmallVec<[Entry<K, V, T>; 1]>;

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Stored, and its time is not over.
    Alive(u32),
    /// Stored still, but its time is over.
    Over(u32),
    /// Not stored.
    Absent,
}

/// How storing an entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Stored.
    Stored,
    /// Larger than the whole cache.
    TooLarge,
    /// Something must go first, and it was not allowed to take it.
    NeedsRoom,
    /// Something must go first, and there is nothing left.
    Empty,
}

/// Where the entry of a key was seen. A later entry in the same slot is told from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    slot: u32,
    born: u64,
}

/// Where the two circles of entries begin and end: a node that is no entry.
const ROOT: u32 = 0;

/// Least recently used first.
const USE: usize = 0;
/// Oldest first.
const AGE: usize = 1;

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    prev: u32,
}

#[derive(Clone, Debug)]
struct Node<K, V, T> {
    hash: u64,
    /// When the key came, as a serial number: tells it from later tenants of the same slot.
    born: u64,
    /// When the entry got its place in the order of age, as a serial number.
    stamp: u64,
    entry: Option<Entry<K, V, T>>,
}

impl<K, V, T> Node<K, V, T> {
    fn new() -> Self {
        Self { hash: 0, born: 0, stamp: 0, entry: None }
    }
}

/// The map. `renew` says whether storing a value again makes the entry young again.
#[derive(Clone, Debug)]
pub struct Store<K, V, T> {
    index: Index,
    nodes: Vec<Node<K, V, T>>,
    /// Of each node, its neighbours in both orders: apart, so that they are close to each other.
    links: Vec<[Link; 2]>,
    free: Vec<u32>,
    serial: u64,
    shape: u64,
    limit: Number,
    size: Number,
    renew: bool,
    /// What it has done.
    pub counts: Counts,
}

impl<K, V, T> Store<K, V, T> {
    /// An empty map with room for entries of the size `limit` in all.
    #[must_use]
    pub fn new(limit: Number, renew: bool) -> Self {
        Self {
            index: Index::default(),
            nodes: vec![Node::new()],
            links: vec![[Link { next: ROOT, prev: ROOT }; 2]],
            free: Vec::new(),
            serial: 0,
            shape: 0,
            limit,
            size: Number::Int(0),
            renew,
            counts: Counts::default(),
        }
    }

    /// The entries stored, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// The sizes that have room, in all.
    #[must_use]
    pub fn limit(&self) -> Number {
        self.limit
    }

    /// Makes room for more, if there is less than that; whether it did.
    pub fn grow(&mut self, limit: Number) -> bool {
        let more = self.limit.before(limit);
        if more {
            self.limit = limit;
        }
        more
    }

    /// The sum of the entries' sizes.
    #[must_use]
    pub fn size(&self) -> Number {
        self.size
    }

    /// A number that changes whenever a key comes or goes.
    #[must_use]
    pub fn shape(&self) -> u64 {
        self.shape
    }

    /// The entry at a place that an operation under the same lock has found.
    #[must_use]
    pub fn at(&self, slot: u32) -> Option<&Entry<K, V, T>> {
        self.nodes[slot as usize].entry.as_ref()
    }

    /// The serial number of the entry's last storing.
    #[must_use]
    pub fn stamp(&self, slot: u32) -> u64 {
        self.nodes[slot as usize].stamp
    }

    /// Looks a key up and changes nothing.
    ///
    /// # Errors
    /// When the judge cannot tell yet.
    #[inline(always)]
    pub fn find<J: Judge<K, T>>(&self, hash: u64, judge: &mut J) -> Result<Found, J::Unknown> {
        let Some(slot) = self.locate(hash, judge)? else {
            return Ok(Found::Absent);
        };
        Ok(match self.at(slot) {
            Some(entry) if !judge.over(&entry.expires)? => Found::Alive(slot),
            _ => Found::Over(slot),
        })
    }

    /// Finds a key, whether its time is over or not.
    ///
    /// # Errors
    /// When the judge cannot tell yet. It was asked of every key with this hash by then, so that
    /// the caller can find out all at once.
    #[inline(always)]
    pub fn locate<J: Judge<K, T>>(&self, hash: u64, judge: &mut J) -> Result<Option<u32>, J::Unknown> {
        let mut unknown = None;
        for slot in self.index.find(hash) {
            let node = &self.nodes[slot as usize];
            if node.hash == hash
                && let Some(entry) = &node.entry
            {
                match judge.same(&entry.key) {
                    Ok(true) => return Ok(Some(slot)),
                    Ok(false) => {}
                    // One of the others may be certain: only if none is, does this one matter.
                    Err(reason) => unknown = Some(reason),
                }
            }
        }
        unknown.map_or(Ok(None), Err)
    }

    /// Makes an entry the one used last.
    #[inline(always)]
    pub fn touch(&mut self, slot: u32) {
        self.unlink::<USE>(slot);
        self.append::<USE>(slot);
    }

    /// Stores `item`, and takes out what was used longest ago if there is no room, but only when it
    /// may `evict`. In `item` stays what the caller must drop: the old value of the entry and the
    /// key that was not needed, or the entry whose place this one took. What else went is in `bin`.
    ///
    /// # Errors
    /// When the judge cannot tell yet; nothing is changed then.
    #[inline(always)]
    pub fn place<J: Judge<K, T>>(
        &mut self,
        hash: u64,
        judge: &mut J,
        item: &mut Option<Entry<K, V, T>>,
        evict: bool,
        bin: &mut Bin<K, V, T>,
    ) -> Result<Placed, J::Unknown> {
        let Some(size) = item.as_ref().map(|entry| entry.size) else {
            return Ok(Placed::Stored);
        };
        if self.limit.before(size) {
            return Ok(Placed::TooLarge);
        }
        let mut slot = self.locate(hash, judge)?;
        let grows = loop {
            let old = slot.and_then(|slot| self.at(slot)).map(|entry| entry.size);
            let grows = old.map_or(size, |old| size.minus(old));
            if !self.limit.before(self.size.plus(grows)) {
                break grows;
            }
            if !evict {
                return Ok(Placed::NeedsRoom);
            }
            let Some(oldest) = self.first::<USE>() else {
                return Ok(Placed::Empty);
            };
            self.counts.evictions += 1;
            if slot.is_none()
                && let Some(total) = self.total_without(oldest, size)
            {
                self.size = total;
                self.recycle(oldest, hash, item);
                return Ok(Placed::Stored);
            }
            // Making room for a larger value of its own key may take the entry itself.
            slot = slot.filter(|&slot| slot != oldest);
            bin.extend(self.remove(oldest));
        };
        self.size = self.size.plus(grows);
        match slot {
            Some(slot) => self.replace(slot, item),
            None => self.add(hash, item),
        }
        Ok(Placed::Stored)
    }

    /// The size of all with another entry of that size in the place of the one given, if that fits.
    #[inline(always)]
    fn total_without(&self, slot: u32, size: Number) -> Option<Number> {
        let old = self.at(slot)?.size;
        let total = self.size.minus(old).plus(size);
        (!self.limit.before(total)).then_some(total)
    }

    /// Exchanges an entry for one of another key: the same as taking that out and adding this, but
    /// faster.
    #[inline(always)]
    fn recycle(&mut self, slot: u32, hash: u64, item: &mut Option<Entry<K, V, T>>) {
        self.serial += 1;
        self.shape += 1;
        self.unlink::<AGE>(slot);
        self.append::<AGE>(slot);
        self.unlink::<USE>(slot);
        self.append::<USE>(slot);
        let node = &mut self.nodes[slot as usize];
        (node.born, node.stamp) = (self.serial, self.serial);
        mem::swap(&mut node.entry, item);
        self.index.remove(mem::replace(&mut node.hash, hash), slot);
        self.index.insert(hash, slot);
    }

    /// Takes an entry out.
    pub fn remove(&mut self, slot: u32) -> Option<Entry<K, V, T>> {
        let node = &mut self.nodes[slot as usize];
        let entry = node.entry.take()?;
        let hash = node.hash;
        self.index.remove(hash, slot);
        self.unlink::<USE>(slot);
        self.unlink::<AGE>(slot);
        self.free.push(slot);
        self.shape += 1;
        self.size = self.size.minus(entry.size);
        Some(entry)
    }

    /// Takes out the oldest entries whose time is over, until one whose time is not.
    ///
    /// # Errors
    /// When the judge cannot tell yet; what went into the bin by then is out.
    #[inline]
    pub fn expire<J: Judge<K, T>>(
        &mut self,
        judge: &mut J,
        bin: &mut Bin<K, V, T>,
    ) -> Result<(), J::Unknown> {
        while let Some(slot) = self.first::<AGE>() {
            match self.at(slot) {
                Some(entry) if !judge.over(&entry.expires)? => break,
                _ => bin.extend(self.remove(slot)),
            }
            self.counts.expirations += 1;
        }
        Ok(())
    }

    /// The entry used longest ago.
    #[must_use]
    pub fn least_used(&self) -> Option<u32> {
        self.first::<USE>()
    }

    /// Takes everything out, and keeps the counters.
    #[must_use = "dropping the entries may run anybody's code: do it when no lock is held"]
    pub fn clear(&mut self) -> Self {
        let mut empty = Self::new(self.limit, self.renew);
        empty.counts = self.counts;
        // Cursors and stamps of before must not mean anything afterwards.
        empty.serial = self.serial;
        empty.shape = self.shape + 1;
        mem::replace(self, empty)
    }

    /// The places of all entries, in the order in which their keys came.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.slots::<AGE>().map(|slot| self.place_of(slot)).collect();
        places.sort_unstable_by_key(|place| place.born);
        places
    }

    /// The place of an entry that an operation under the same lock has found.
    #[must_use]
    pub fn place_of(&self, slot: u32) -> Place {
        Place { slot, born: self.nodes[slot as usize].born }
    }

    /// The hash of the key and the entry that was seen at a place, if it is still there.
    #[must_use]
    pub fn still(&self, place: Place) -> Option<(u64, &Entry<K, V, T>)> {
        let node = self.nodes.get(place.slot as usize).filter(|node| node.born == place.born)?;
        node.entry.as_ref().map(|entry| (node.hash, entry))
    }

    /// The oldest entry, or the next oldest after the one at a place that is still there.
    #[must_use]
    pub fn next(&self, place: Option<Place>) -> Option<(Place, &Entry<K, V, T>)> {
        let slot = match place {
            None => self.first::<AGE>()?,
            Some(place) => {
                self.still(place)?;
                Some(self.links[place.slot as usize][AGE].next).filter(|&slot| slot != ROOT)?
            }
        };
        self.at(slot).map(|entry| (self.place_of(slot), entry))
    }

    /// All entries, oldest first.
    pub fn by_age(&self) -> impl Iterator<Item = &Entry<K, V, T>> {
        self.slots::<AGE>().filter_map(|slot| self.at(slot))
    }

    /// The place of each entry of [`Self::by_age`] in the order in which the keys came.
    #[must_use]
    pub fn by_birth(&self) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = self
            .slots::<AGE>()
            .enumerate()
            .map(|(place, slot)| (self.nodes[slot as usize].born, place))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, place)| place).collect()
    }

    /// The place in [`Self::by_age`] of each entry, least recently used first.
    #[must_use]
    pub fn by_use(&self) -> Vec<usize> {
        let mut places = vec![0; self.nodes.len()];
        for (place, slot) in self.slots::<AGE>().enumerate() {
            places[slot as usize] = place;
        }
        self.slots::<USE>().map(|slot| places[slot as usize]).collect()
    }

    /// Puts back what [`Self::by_age`], [`Self::by_birth`] and [`Self::by_use`] told of a map. The
    /// keys must differ from each other; the map must be empty.
    pub fn restore(
        &mut self,
        entries: impl IntoIterator<Item = (u64, Entry<K, V, T>)>,
        by_birth: &[usize],
        by_use: &[usize],
    ) {
        for (hash, entry) in entries {
            self.size = self.size.plus(entry.size);
            self.add(hash, &mut Some(entry));
        }
        let slots: Vec<u32> = self.slots::<AGE>().collect();
        for place in by_use {
            if let Some(&slot) = slots.get(*place) {
                self.touch(slot);
            }
        }
        for place in by_birth {
            if let Some(&slot) = slots.get(*place) {
                self.serial += 1;
                self.nodes[slot as usize].born = self.serial;
            }
        }
    }

    fn replace(&mut self, slot: u32, item: &mut Option<Entry<K, V, T>>) {
        self.serial += 1;
        let node = &mut self.nodes[slot as usize];
        node.stamp = if self.renew { self.serial } else { node.stamp };
        if let (Some(old), Some(new)) = (node.entry.as_mut(), item.as_mut()) {
            mem::swap(&mut old.value, &mut new.value);
            mem::swap(&mut old.expires, &mut new.expires);
            mem::swap(&mut old.size, &mut new.size);
        }
        if self.renew {
            self.unlink::<AGE>(slot);
            self.append::<AGE>(slot);
        }
        self.touch(slot);
    }

    fn add(&mut self, hash: u64, item: &mut Option<Entry<K, V, T>>) {
        self.serial += 1;
        self.shape += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            // 4,294,967,295 entries take more than 400 GB.
            let slot = u32::try_from(self.nodes.len()).expect("too many entries");
            self.nodes.push(Node::new());
            self.links.push([Link { next: slot, prev: slot }; 2]);
            slot
        });
        let node = &mut self.nodes[slot as usize];
        (node.hash, node.born, node.stamp) = (hash, self.serial, self.serial);
        node.entry = item.take();
        self.append::<AGE>(slot);
        self.append::<USE>(slot);
        self.index.insert(hash, slot);
    }

    #[inline]
    fn first<const ORDER: usize>(&self) -> Option<u32> {
        Some(self.links[ROOT as usize][ORDER].next).filter(|&slot| slot != ROOT)
    }

    fn slots<const ORDER: usize>(&self) -> impl Iterator<Item = u32> {
        std::iter::successors(self.first::<ORDER>(), |&slot| {
            Some(self.links[slot as usize][ORDER].next).filter(|&slot| slot != ROOT)
        })
    }

    #[inline(always)]
    fn unlink<const ORDER: usize>(&mut self, slot: u32) {
        let Link { next, prev } = self.links[slot as usize][ORDER];
        self.links[next as usize][ORDER].prev = prev;
        self.links[prev as usize][ORDER].next = next;
    }

    #[inline(always)]
    fn append<const ORDER: usize>(&mut self, slot: u32) {
        let prev = self.links[ROOT as usize][ORDER].prev;
        self.links[slot as usize][ORDER] = Link { next: ROOT, prev };
        self.links[prev as usize][ORDER].next = slot;
        self.links[ROOT as usize][ORDER].prev = slot;
    }
}
