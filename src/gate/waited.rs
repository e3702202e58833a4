//! Which limits requests wait for, and how many of them: what must be looked at while they wait, and nothing else.

use super::route::{Charge, Index};

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    waiting: usize,
    /// Where the limit stands among those that are waited for, while it does.
    at: usize,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Waited {
    counts: Vec<Count>,
    /// The limits that are waited for, each once, in no order.
    limits: Vec<Index>,
}

impl Waited {
    /// Makes room for limits up to `count`.
    pub fn resize(&mut self, count: usize) {
        self.counts.resize_with(count, Count::default);
    }

    /// Requests that take from a limit, and wait.
    #[inline]
    pub fn count(&self, limit: Index) -> usize {
        self.counts[limit as usize].waiting
    }

    /// The limits that are waited for.
    pub fn limits(&self) -> impl Iterator<Item = Index> {
        self.limits.iter().copied()
    }

    /// So many more requests wait that take this.
    pub fn add(&mut self, charges: &[Charge], requests: usize) {
        for &Charge { limit, .. } in charges.iter().filter(|_| requests > 0) {
            let count = &mut self.counts[limit as usize];
            if count.waiting == 0 {
                count.at = self.limits.len();
                self.limits.push(limit);
            }
            count.waiting += requests;
        }
    }

    /// A request that takes this waits no longer.
    pub fn remove(&mut self, charges: &[Charge]) {
        for &Charge { limit, .. } in charges {
            let count = &mut self.counts[limit as usize];
            count.waiting -= 1;
            if count.waiting == 0 {
                let at = count.at;
                self.limits.swap_remove(at);
                if let Some(&moved) = self.limits.get(at) {
                    self.counts[moved as usize].at = at;
                }
            }
        }
    }

    /// Nobody waits.
    pub fn clear(&mut self) {
        for limit in self.limits.drain(..) {
            self.counts[limit as usize].waiting = 0;
        }
    }
}
