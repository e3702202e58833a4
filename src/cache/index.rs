//! Finds entries by the hash of their keys: an open table of slots, probed one place after another.
//!
//! At most half of its places are taken, so that a search ends soon; and an entry that goes leaves
//! no mark behind, because those that had to give way to it move up. Thus the table stays as fast
//! as a new one, however many come and go.

/// No slot.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Half of the spread hash. Its low bits are the place where the search begins.
    tag: u32,
    slot: u32,
}

const EMPTY: Cell = Cell { tag: 0, slot: NONE };

/// The table. Its size is a power of two, or none.
#[derive(Clone, Debug, Default)]
pub(super) struct HashIndex {
    cells: Vec<Cell>,
    len: usize,
}

impl HashIndex {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The slots of the entries with this hash. (Others may be among them, whose hash is similar.)
    #[inline(always)]
    pub(super) fn find(&self, hash: u64) -> Candidates<'_> {
        let tag = tag_of(hash);
        Candidates { cells: &self.cells, tag, place: tag as usize }
    }

    /// Adds a slot that is not there.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        if (self.len + 1) * 2 > self.cells.len() {
            self.grow();
        }
        self.len += 1;
        self.put(Cell { tag: tag_of(hash), slot });
    }

    /// Takes a slot out.
    #[inline]
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let mask = self.cells.len().wrapping_sub(1);
        let mut gap = tag_of(hash) as usize & mask;
        loop {
            match self.cells.get(gap) {
                Some(cell) if cell.slot == slot => break,
                Some(cell) if cell.slot != NONE => gap = (gap + 1) & mask,
                _ => return,
            }
        }
        self.len -= 1;
        let mut place = gap;
        loop {
            place = (place + 1) & mask;
            let cell = self.cells[place];
            if cell.slot == NONE {
                break;
            }
            // It may move up to the gap if its search passes there.
            let searched = place.wrapping_sub(cell.tag as usize) & mask;
            if searched >= place.wrapping_sub(gap) & mask {
                self.cells[gap] = cell;
                gap = place;
            }
        }
        self.cells[gap] = EMPTY;
    }

    #[inline(always)]
    fn put(&mut self, cell: Cell) {
        let mask = self.cells.len() - 1;
        let mut place = cell.tag as usize & mask;
        while self.cells[place].slot != NONE {
            place = (place + 1) & mask;
        }
        self.cells[place] = cell;
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.cells.len() * 2).max(8);
        for cell in std::mem::replace(&mut self.cells, vec![EMPTY; size]) {
            if cell.slot != NONE {
                self.put(cell);
            }
        }
    }
}

pub(super) struct Candidates<'a> {
    cells: &'a [Cell],
    tag: u32,
    place: usize,
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        // The table always has an empty cell, unless it has none at all.
        while let Some(cell) = self.cells.get(self.place & self.cells.len().wrapping_sub(1)) {
            self.place = self.place.wrapping_add(1);
            if cell.slot == NONE {
                return None;
            }
            if cell.tag == self.tag {
                return Some(cell.slot);
            }
        }
        None
    }
}

/// Spreads a hash over the low bits: Python's hash of a small number is the number, and equal steps
/// between numbers must not fill one part of the table.
#[inline(always)]
fn tag_of(hash: u64) -> u32 {
    let product = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((product >> 32) ^ product) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{HashIndex, NONE};

    fn slots(index: &HashIndex, hash: u64) -> Vec<u32> {
        let mut found: Vec<u32> = index.find(hash).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        assert!(slots(&HashIndex::default(), 5).is_empty());
        HashIndex::default().remove(5, 5);
    }

    proptest! {
        #[test]
        fn any_history_finds_what_is_there_and_nothing_else(
            steps in prop::collection::vec((0..24u64, any::<bool>()), 0..400),
            spread in prop::sample::select(vec![0u64, 1, 1 << 32, 0xFFFF_FFFF]),
        ) {
            let (mut index, mut model) = (HashIndex::default(), HashMap::new());
            for (key, add) in steps {
                // With no spread, all hashes are one.
                let (hash, slot) = (key.wrapping_mul(spread), key as u32);
                match (add, model.contains_key(&slot)) {
                    (true, false) => {
                        index.insert(hash, slot);
                        model.insert(slot, hash);
                    }
                    (false, true) => {
                        index.remove(hash, slot);
                        model.remove(&slot);
                    }
                    _ => {}
                }
                prop_assert_eq!(index.len(), model.len());
                prop_assert!(index.cells.iter().filter(|cell| cell.slot != NONE).count() == model.len());
                for key in 0..24 {
                    let found = slots(&index, (key as u64).wrapping_mul(spread)).contains(&key);
                    prop_assert_eq!(found, model.contains_key(&key));
                }
            }
        }
    }
}
