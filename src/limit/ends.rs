//! Units by the instants at which they come free, for kinds whose units come free together.

use std::collections::VecDeque;

use crate::clock::Nanos;

use super::MAX_LIMIT;

/// Past so many instants, each is put off to a multiple of `span / MANY`: a unit may be late by that, never early (promise I8).
const MANY: usize = 1 << 16;

/// Units that end at known instants.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// (instant, units that ever came and end by then), the earliest first. No instant is there twice. The sums wrap: only
    /// differences count.
    ends: VecDeque<(Nanos, u64)>,
    /// Units that ever came.
    total: u64,
    /// Of these, how many have ended.
    gone: u64,
    /// When units last ended, as of the last [`Ends::expire`].
    expired_at: Nanos,
    /// What has ended lately is remembered for so long,
    remembers: Nanos,
    /// like the others,
    ended: VecDeque<(Nanos, u64)>,
    /// and nothing that ended up to then; and how many units that were.
    forgotten: (Nanos, u64),
}

impl Ends {
    /// Units that have not ended, as of the last [`Ends::expire`].
    #[inline]
    pub fn units(&self) -> u64 {
        self.total.wrapping_sub(self.gone)
    }

    /// When units last ended.
    pub fn expired_at(&self) -> Nanos {
        self.expired_at
    }

    /// Adds units that end at `end`. Where there are many, those that end within a small part of `span` are put together.
    pub fn insert(&mut self, end: Nanos, units: u64, span: Nanos) {
        let units = units.min(MAX_LIMIT.saturating_sub(self.units()));
        if units == 0 {
            return;
        }
        let grain = if self.ends.len() < MANY { 1 } else { (span / MANY as u64).max(1) };
        let end = end.checked_next_multiple_of(grain).unwrap_or(end);
        let at = self.ends.partition_point(|&(other, _)| other < end);
        if self.ends.get(at).is_none_or(|&(other, _)| other != end) {
            let before = at.checked_sub(1).map_or(self.gone, |before| self.ends[before].1);
            self.ends.insert(at, (end, before));
        }
        self.ends.range_mut(at..).for_each(|(_, total)| *total = total.wrapping_add(units));
        self.total = self.total.wrapping_add(units);
    }

    /// Drops what has ended by `now`.
    pub fn expire(&mut self, now: Nanos) {
        while let Some((end, total)) = self.ends.pop_front_if(|&mut (end, _)| end <= now) {
            self.gone = total;
            self.expired_at = self.expired_at.max(end);
            if self.remembers > 0 {
                self.ended.push_back((end, total));
            } else {
                self.forgotten = (end, total);
            }
        }
        let oldest = now.saturating_sub(self.remembers);
        while let Some(old) = self.ended.pop_front_if(|&mut (end, _)| end <= oldest) {
            self.forgotten = old;
        }
    }

    /// Units that will not have ended at `at`.
    pub fn units_at(&self, at: Nanos) -> u64 {
        let ended = self.ends.partition_point(|&(end, _)| end <= at);
        let gone = ended.checked_sub(1).map_or(self.gone, |last| self.ends[last].1);
        self.total.wrapping_sub(gone)
    }

    /// The first instant at which at most `units` are left; 0 if that is so already.
    pub fn down_to(&self, units: u64) -> Nanos {
        let Some(must_go) = self.units().checked_sub(units).filter(|&some| some > 0) else { return 0 };
        let at = self.ends.partition_point(|&(_, total)| total.wrapping_sub(self.gone) < must_go);
        self.ends[at].0
    }

    /// From now on it is known for so long what has ended.
    pub fn remember(&mut self, longer: Nanos) {
        self.remembers = self.remembers.max(longer);
    }

    /// Units that had not ended at `since`, or came later; `None` where that is not known any more.
    pub fn units_since(&self, since: Nanos) -> Option<u64> {
        let ended = self.ended.partition_point(|&(end, _)| end <= since);
        let (end, gone) = ended.checked_sub(1).map_or(self.forgotten, |last| self.ended[last]);
        (end <= since).then(|| self.total.wrapping_sub(gone))
    }

    /// When the next units end after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        let next = self.ends.partition_point(|&(end, _)| end <= at);
        self.ends.get(next).map(|&(end, _)| end)
    }

    /// (instant, units), the earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (Nanos, u64)> {
        self.ends.iter().scan(self.gone, |before, &(end, total)| {
            Some((end, total.wrapping_sub(std::mem::replace(before, total))))
        })
    }

    /// Takes all of them out.
    pub fn take_all(&mut self) -> Vec<(Nanos, u64)> {
        let all = self.iter().collect();
        self.ends.clear();
        // What has ended is remembered by sums that must stay right.
        self.total = self.gone;
        all
    }

    /// Takes away the units that end first; how many there were, no more than `units`.
    pub fn take_back(&mut self, units: u64) -> u64 {
        let units = units.min(self.units());
        self.gone = self.gone.wrapping_add(units);
        let left = self.units();
        while self.ends.pop_front_if(|&mut (_, total)| self.total.wrapping_sub(total) >= left).is_some() {}
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_back_with_other_ends_is_not_known_twice() {
        let mut ends = Ends::default();
        ends.remember(50);
        ends.insert(10, 3, 100);
        ends.insert(20, 4, 100);
        ends.expire(10);
        for end in [21, 22] {
            assert_eq!(ends.take_all(), [(end - 1, 4)]);
            ends.insert(end, 4, 100);
            assert_eq!([9, 10, 15].map(|since| ends.units_since(since)), [Some(7), Some(4), Some(4)]);
        }
    }

    #[test]
    fn units_end_in_the_order_of_their_instants_whenever_they_came() {
        let mut ends = Ends::default();
        for (end, units) in [(20, 2), (10, 1), (20, 3), (15, 4)] {
            ends.insert(end, units, 100);
        }
        assert_eq!([9, 10, 15, 19, 20].map(|at| ends.units_at(at)), [10, 9, 5, 5, 0]);
        assert_eq!([10, 9, 6, 5, 0].map(|units| ends.down_to(units)), [0, 10, 15, 15, 20]);
        assert_eq!((ends.next_expiry(10), ends.next_expiry(20)), (Some(15), None));
        assert_eq!(ends.take_back(3), 3);
        ends.expire(15);
        assert_eq!((ends.units(), ends.expired_at()), (5, 15));
    }

    #[test]
    fn many_instants_are_put_together_and_no_unit_ends_early() {
        let span = 10 * MANY as u64;
        let mut ends = Ends::default();
        for end in (0..2 * span).step_by(3) {
            ends.insert(span + end, 1, span);
        }
        assert!(ends.ends.len() <= 3 * MANY + 1, "{}", ends.ends.len());
        for at in [span, span + 1_000, 2 * span, 3 * span - 1] {
            let due = (0..2 * span).step_by(3).filter(|end| span + end > at).count() as u64;
            assert!(ends.units_at(at) >= due, "at {at}");
        }
    }

    #[test]
    fn more_than_any_limit_is_the_largest_one() {
        let mut ends = Ends::default();
        ends.insert(10, MAX_LIMIT, 1);
        ends.insert(20, u64::MAX, 1);
        assert_eq!((ends.units(), ends.units_at(10)), (MAX_LIMIT, 0));
    }
}
