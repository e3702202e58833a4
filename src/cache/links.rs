//! The two orders of the entries, by use and by age: a circle of links for each.

/// Where both circles begin and end: a slot that is no entry.
pub(super) const ROOT: u32 = 0;

/// Least recently used first.
pub(super) const USE: usize = 0;
/// Oldest first.
pub(super) const AGE: usize = 1;

#[derive(Clone, Copy, Debug)]
struct Neighbours {
    next: u32,
    prev: u32,
}

/// Of each slot, its neighbours in both orders. A slot that is free has none.
#[derive(Clone, Debug)]
pub(super) struct Links(Vec<[Neighbours; 2]>);

impl Default for Links {
    fn default() -> Self {
        Self(vec![[Neighbours { next: ROOT, prev: ROOT }; 2]])
    }
}

impl Links {
    /// Makes a place for the links of one slot more.
    pub(super) fn push(&mut self) {
        self.0.push([Neighbours { next: ROOT, prev: ROOT }; 2]);
    }

    #[inline]
    pub(super) fn first<const ORDER: usize>(&self) -> Option<u32> {
        self.after::<ORDER>(ROOT)
    }

    /// The slot that comes after another one.
    #[inline]
    pub(super) fn after<const ORDER: usize>(&self, slot: u32) -> Option<u32> {
        Some(self.0[slot as usize][ORDER].next).filter(|&slot| slot != ROOT)
    }

    pub(super) fn slots<const ORDER: usize>(&self) -> impl Iterator<Item = u32> {
        std::iter::successors(self.first::<ORDER>(), |&slot| self.after::<ORDER>(slot))
    }

    #[inline(always)]
    pub(super) fn unlink<const ORDER: usize>(&mut self, slot: u32) {
        let Neighbours { next, prev } = self.0[slot as usize][ORDER];
        self.0[next as usize][ORDER].prev = prev;
        self.0[prev as usize][ORDER].next = next;
    }

    #[inline(always)]
    pub(super) fn append<const ORDER: usize>(&mut self, slot: u32) {
        let prev = self.0[ROOT as usize][ORDER].prev;
        self.0[slot as usize][ORDER] = Neighbours { next: ROOT, prev };
        self.0[prev as usize][ORDER].next = slot;
        self.0[ROOT as usize][ORDER].prev = slot;
    }
}
