//! Walking along the entries of a map in one of their orders, and copying a map with all of its orders.
//!
//! Entries are in three orders: by use, by age (a value that is stored again may make its entry young again), and by
//! birth (when the key came).

use super::links::{AGE, USE};
use super::store::{Entry, Store};

/// One entry, for as long as its key stays: another key in the same slot has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId {
    slot: u32,
    born: u64,
}

impl<K, V, T> Store<K, V, T> {
    /// The ids of all entries, in the order in which their keys came.
    #[must_use]
    pub fn ids(&self) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> = self.links.slots::<AGE>().map(|slot| self.id_of(slot)).collect();
        ids.sort_unstable_by_key(|id| id.born);
        ids
    }

    /// The id of an entry that an operation under the same lock has found.
    #[must_use]
    pub fn id_of(&self, slot: u32) -> EntryId {
        EntryId { slot, born: self.nodes[slot as usize].born }
    }

    /// The hash of an entry's key and the entry, if it is still there.
    #[must_use]
    pub fn entry_of(&self, id: EntryId) -> Option<(u64, &Entry<K, V, T>)> {
        let node = self.nodes.get(id.slot as usize).filter(|node| node.born == id.born)?;
        node.entry.as_ref().map(|entry| (node.hash, entry))
    }

    /// The oldest entry, or the next oldest after one that is still there.
    #[must_use]
    pub fn next(&self, after: Option<EntryId>) -> Option<(EntryId, &Entry<K, V, T>)> {
        let slot = match after {
            None => self.links.first::<AGE>()?,
            Some(id) => {
                self.entry_of(id)?;
                self.links.after::<AGE>(id.slot)?
            }
        };
        self.at(slot).map(|entry| (self.id_of(slot), entry))
    }

    /// All entries, oldest first.
    pub fn by_age(&self) -> impl Iterator<Item = &Entry<K, V, T>> {
        self.links.slots::<AGE>().filter_map(|slot| self.at(slot))
    }

    /// The place of each entry of [`Self::by_age`] in the order in which the keys came.
    #[must_use]
    pub fn by_birth(&self) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = self
            .links
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
        for (place, slot) in self.links.slots::<AGE>().enumerate() {
            places[slot as usize] = place;
        }
        self.links.slots::<USE>().map(|slot| places[slot as usize]).collect()
    }

    /// Puts back what [`Self::by_age`], [`Self::by_birth`] and [`Self::by_use`] gave of a map. The
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
        let slots: Vec<u32> = self.links.slots::<AGE>().collect();
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
}
