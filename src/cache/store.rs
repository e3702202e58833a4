//! The map: finds entries by the hash of their keys, stores them, and takes out what has expired or was used longest ago.
//!
//! It takes no lock, reads no clock and compares no keys: it asks [`Compare`].

use std::mem;

use smallvec::SmallVec;

use super::compare::Compare;
use super::counts::Counts;
use super::index::HashIndex;
use super::links::{AGE, Links, USE};
use super::number::Number;

/// What is stored under one key.
#[derive(Clone, Debug)]
pub struct Entry<K, V, T> {
    /// The key as it was first stored.
    pub key: K,
    /// The value as it was last stored.
    pub value: V,
    /// When it expires.
    pub expires: T,
    /// What it counts for.
    pub size: Number,
}

/// What an operation took out, for its caller to drop once no lock is held: dropping a value may
/// run foreign code.
pub type Removed<K, V, T> = SmallVec<[Entry<K, V, T>; 1]>;

/// Where a key is: in which slot, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Stored, and not expired.
    Live(u32),
    /// Stored still, but expired.
    Expired(u32),
    /// Not stored.
    Absent,
}

/// How storing an entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// Stored.
    Stored,
    /// Larger than the whole cache.
    TooLarge,
    /// Something must go first, and the caller has not allowed that.
    NeedsRoom,
    /// Something must go first, and there is nothing left.
    Empty,
}

#[derive(Clone, Debug)]
pub(super) struct Node<K, V, T> {
    pub(super) hash: u64,
    /// When the key came, as a serial number: distinguishes it from later keys in the same slot.
    pub(super) born: u64,
    /// When the entry got its place in the order of age, as a serial number.
    stamp: u64,
    pub(super) entry: Option<Entry<K, V, T>>,
}

impl<K, V, T> Node<K, V, T> {
    fn new() -> Self {
        Self { hash: 0, born: 0, stamp: 0, entry: None }
    }
}

/// The map. `renew` says whether storing a value again makes the entry young again.
#[derive(Clone, Debug)]
pub struct Store<K, V, T> {
    index: HashIndex,
    /// The first is [`ROOT`](super::links::ROOT), and no entry.
    pub(super) nodes: Vec<Node<K, V, T>>,
    /// Of each node, its neighbours in both orders: apart, so that they are close to each other.
    pub(super) links: Links,
    free: Vec<u32>,
    pub(super) serial: u64,
    shape: u64,
    limit: Number,
    pub(super) size: Number,
    renew: bool,
    /// What it has done.
    pub counts: Counts,
}

impl<K, V, T> Store<K, V, T> {
    /// An empty map with room for entries of the size `limit` in all.
    #[must_use]
    pub fn new(limit: Number, renew: bool) -> Self {
        Self {
            index: HashIndex::default(),
            nodes: vec![Node::new()],
            links: Links::default(),
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

    /// The entry in a slot that an operation under the same lock has found.
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
    /// When an answer is pending.
    #[inline(always)]
    pub fn find<C: Compare<K, T>>(&self, hash: u64, answers: &mut C) -> Result<Found, C::Pending> {
        let Some(slot) = self.locate(hash, answers)? else {
            return Ok(Found::Absent);
        };
        Ok(match self.at(slot) {
            Some(entry) if !answers.has_expired(&entry.expires)? => Found::Live(slot),
            _ => Found::Expired(slot),
        })
    }

    /// Finds a key, whether its entry has expired or not.
    ///
    /// # Errors
    /// When an answer is pending. It was asked of every key with this hash by then, so that
    /// the caller can find out all at once.
    #[inline(always)]
    pub fn locate<C: Compare<K, T>>(&self, hash: u64, answers: &mut C) -> Result<Option<u32>, C::Pending> {
        let mut unknown = None;
        for slot in self.index.find(hash) {
            let node = &self.nodes[slot as usize];
            if node.hash == hash
                && let Some(entry) = &node.entry
            {
                match answers.same_key(&entry.key) {
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
        self.links.unlink::<USE>(slot);
        self.links.append::<USE>(slot);
    }

    /// Stores `item`, and takes out what was used longest ago if there is no room, but only when it
    /// may `evict`. In `item` stays what the caller must drop: the old value of the entry and the
    /// key that was not needed, or the entry whose place this one took. What else went is in `removed`.
    ///
    /// # Errors
    /// When an answer is pending; nothing is changed then.
    #[inline(always)]
    pub fn insert<C: Compare<K, T>>(
        &mut self,
        hash: u64,
        answers: &mut C,
        item: &mut Option<Entry<K, V, T>>,
        evict: bool,
        removed: &mut Removed<K, V, T>,
    ) -> Result<Insertion, C::Pending> {
        let Some(size) = item.as_ref().map(|entry| entry.size) else {
            return Ok(Insertion::Stored);
        };
        if self.limit.before(size) {
            return Ok(Insertion::TooLarge);
        }
        let mut slot = self.locate(hash, answers)?;
        let grows = loop {
            let old = slot.and_then(|slot| self.at(slot)).map(|entry| entry.size);
            let grows = old.map_or(size, |old| size.minus(old));
            if !self.limit.before(self.size.plus(grows)) {
                break grows;
            }
            if !evict {
                return Ok(Insertion::NeedsRoom);
            }
            let Some(oldest) = self.links.first::<USE>() else {
                return Ok(Insertion::Empty);
            };
            self.counts.evictions += 1;
            if slot.is_none()
                && let Some(total) = self.total_without(oldest, size)
            {
                self.size = total;
                self.recycle(oldest, hash, item);
                return Ok(Insertion::Stored);
            }
            // Making room for a larger value of its own key may take the entry itself.
            slot = slot.filter(|&slot| slot != oldest);
            removed.extend(self.remove(oldest));
        };
        self.size = self.size.plus(grows);
        match slot {
            Some(slot) => self.replace(slot, item),
            None => self.add(hash, item),
        }
        Ok(Insertion::Stored)
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
        self.links.unlink::<AGE>(slot);
        self.links.append::<AGE>(slot);
        self.links.unlink::<USE>(slot);
        self.links.append::<USE>(slot);
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
        self.links.unlink::<USE>(slot);
        self.links.unlink::<AGE>(slot);
        self.free.push(slot);
        self.shape += 1;
        self.size = self.size.minus(entry.size);
        Some(entry)
    }

    /// Takes out the oldest entries as long as they have expired.
    ///
    /// # Errors
    /// When an answer is pending; what is in `removed` by then is out.
    #[inline]
    pub fn expire<C: Compare<K, T>>(
        &mut self,
        answers: &mut C,
        removed: &mut Removed<K, V, T>,
    ) -> Result<(), C::Pending> {
        while let Some(slot) = self.links.first::<AGE>() {
            match self.at(slot) {
                Some(entry) if !answers.has_expired(&entry.expires)? => break,
                _ => removed.extend(self.remove(slot)),
            }
            self.counts.expirations += 1;
        }
        Ok(())
    }

    /// The entry used longest ago.
    #[must_use]
    pub fn least_used(&self) -> Option<u32> {
        self.links.first::<USE>()
    }

    /// Takes everything out, and keeps the counters.
    #[must_use = "dropping the entries may run foreign code: do it when no lock is held"]
    pub fn clear(&mut self) -> Self {
        let mut empty = Self::new(self.limit, self.renew);
        empty.counts = self.counts;
        // Cursors and stamps of before must not mean anything afterwards.
        empty.serial = self.serial;
        empty.shape = self.shape + 1;
        mem::replace(self, empty)
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
            self.links.unlink::<AGE>(slot);
            self.links.append::<AGE>(slot);
        }
        self.touch(slot);
    }

    pub(super) fn add(&mut self, hash: u64, item: &mut Option<Entry<K, V, T>>) {
        self.serial += 1;
        self.shape += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            // 4,294,967,295 entries take more than 400 GB.
            let slot = u32::try_from(self.nodes.len()).expect("too many entries");
            self.nodes.push(Node::new());
            self.links.push();
            slot
        });
        let node = &mut self.nodes[slot as usize];
        (node.hash, node.born, node.stamp) = (hash, self.serial, self.serial);
        node.entry = item.take();
        self.links.append::<AGE>(slot);
        self.links.append::<USE>(slot);
        self.index.insert(hash, slot);
    }
}
