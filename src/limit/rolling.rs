//! At most N units in any window of T.
//!
//! A unit is in the window for one interval after it was stamped.

use std::collections::VecDeque;

use crate::clock::Nanos;

use super::MAX_LIMIT;
use super::bucket::drained;

/// Up to this many stamps are kept exactly; past it, charges closer together than `interval / EXACT` share one
/// stamp, which leaves with the latest of them. So a window holds at most `2 × EXACT + 1` stamps (2 MiB), half as many
/// more with those of others, and a unit is late by at most 1/65,536 of the interval, never early (promise I8).
const EXACT: usize = 1 << 16;

#[derive(Clone, Copy, Debug)]
struct Stamp {
    at: Nanos,
    /// Units ever stamped, this stamp's included. Running totals make "how many are left at t" a binary search.
    /// They wrap: only differences count.
    total: u64,
}

/// The window of a rolling limit.
#[derive(Debug)]
pub(crate) struct Rolling {
    interval: Nanos,
    stamps: VecDeque<Stamp>,
    /// The longest that the interval ever was.
    longest: Nanos,
    /// What has left the window because the interval was made shorter, should it be made longer again.
    left: VecDeque<Stamp>,
    /// Units ever stamped, up to the first stamp of `left`.
    forgotten: u64,
    /// Since when all is kept that leaves.
    remembers_since: Nanos,
    /// The first stamp that went into the newest stamp: how far that stamp may still stretch.
    newest_since: Nanos,
    /// Units ever stamped.
    total: u64,
    /// Of these, how many have left the window.
    gone: u64,
    /// When the last of these left.
    expired_at: Nanos,
    /// Of these, how many were there when the window was last rewritten.
    rewritten: u64,
    /// Nothing leaves the window before this instant: so that a pass need not look at the stamps.
    unchanged_until: Nanos,
}

impl Rolling {
    pub fn new(interval: Nanos) -> Self {
        Self {
            interval,
            stamps: VecDeque::new(),
            longest: interval,
            left: VecDeque::new(),
            forgotten: 0,
            remembers_since: Nanos::MAX,
            newest_since: 0,
            total: 0,
            gone: 0,
            expired_at: 0,
            rewritten: 0,
            unchanged_until: Nanos::MAX,
        }
    }

    pub fn interval(&self) -> Nanos {
        self.interval
    }

    /// Changes the interval. What had left a window that was made shorter, and would still be in
    /// the longer one, is in it again.
    pub fn reshape(&mut self, now: Nanos, interval: Nanos) {
        self.expire(now);
        self.interval = interval;
        self.longest = self.longest.max(interval);
        self.forget(now);
        self.unchanged_until = 0;
        while let Some(stamp) = self.left.pop_back_if(|stamp| stamp.at.saturating_add(interval) > now) {
            self.stamps.push_front(stamp);
            self.gone = self.left.back().map_or(self.forgotten, |before| before.total);
        }
    }

    /// Drops what has left the window by `now`. A unit stamped at t leaves at exactly t + interval.
    #[inline]
    pub fn expire(&mut self, now: Nanos) {
        if now >= self.unchanged_until {
            self.expire_stamps(now);
        }
    }

    #[inline(never)]
    fn expire_stamps(&mut self, now: Nanos) {
        self.unchanged_until = Nanos::MAX;
        while let Some(&front) = self.stamps.front() {
            let end = front.at.saturating_add(self.interval);
            if end > now {
                self.unchanged_until = end;
                break;
            }
            self.stamps.pop_front();
            if self.interval < self.longest {
                self.keep_left(front, now);
            }
            (self.gone, self.expired_at) = (front.total, end);
        }
    }

    /// Keeps what leaves the window, as it would still be in a longer one.
    #[cold]
    fn keep_left(&mut self, stamp: Stamp, now: Nanos) {
        if self.left.is_empty() {
            self.forgotten = self.gone;
        }
        let grain = (self.longest / EXACT as u64).max(1);
        let full = self.left.len() >= EXACT;
        match self.left.back_mut() {
            Some(newest) if full && newest.at / grain == stamp.at / grain => *newest = stamp,
            _ => self.left.push_back(stamp),
        }
        self.forget(now);
    }

    /// Forgets what would not be in the longest of the intervals either.
    fn forget(&mut self, now: Nanos) {
        let longest = self.longest;
        while let Some(stamp) = self.left.pop_front_if(|stamp| stamp.at.saturating_add(longest) <= now) {
            self.forgotten = stamp.total;
        }
    }

    /// Whether nothing is used, and would not be if the interval were as long as it ever was.
    pub fn is_unused(&mut self, now: Nanos) -> bool {
        self.expire(now);
        self.forget(now);
        self.units() == 0 && self.left.is_empty()
    }

    /// When units last left the window, as of the last [`Rolling::expire`].
    #[inline]
    pub fn expired_at(&self) -> Nanos {
        self.expired_at
    }

    /// Units in the window, as of the last [`Rolling::expire`].
    #[inline]
    pub fn units(&self) -> u64 {
        self.total.wrapping_sub(self.gone)
    }

    /// Puts units into the window at `now`, or at the latest stamp should that be later: time does not go back.
    #[inline]
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        if units == 0 {
            return;
        }
        self.total = self.total.wrapping_add(units);
        let total = self.total;
        let len = self.stamps.len();
        if let Some(newest) = self.stamps.back_mut() {
            let now = now.max(newest.at);
            let mergeable =
                now == newest.at || (len >= EXACT && now - self.newest_since < self.interval / EXACT as u64);
            if mergeable {
                *newest = Stamp { at: now, total };
                return;
            }
        }
        self.newest_since = now;
        self.unchanged_until = self.unchanged_until.min(now.saturating_add(self.interval));
        self.stamps.push_back(Stamp { at: now, total });
    }

    /// Takes units out of the window; how many there were to take, no more than `units`. The oldest go, so that at no instant
    /// to come fewer are left than would be, whichever of them it is that were not used.
    pub fn take_back(&mut self, units: u64) -> u64 {
        let units = units.min(self.units());
        let since = self.total.wrapping_sub(self.rewritten);
        let old = self.units().saturating_sub(since);
        for stamp in &mut self.stamps {
            let upto = stamp.total.wrapping_sub(self.gone);
            stamp.total = self.gone.wrapping_add(upto.saturating_sub(units));
        }
        while self.stamps.pop_front_if(|stamp| stamp.total == self.gone).is_some() {}
        self.total = self.total.wrapping_sub(units);
        if old > 0 {
            self.rewritten = self.gone.wrapping_add(old.saturating_sub(units));
        }
        units
    }

    /// From now on it is known for `longer` what has left the window.
    pub fn remember(&mut self, now: Nanos, longer: Nanos) {
        let longest = self.interval.saturating_add(longer);
        if longest > self.longest {
            self.expire(now);
            self.longest = longest;
            self.remembers_since = now;
        }
    }

    /// Units in the window at `since` or later; `None` where that is not known any more.
    pub fn units_since(&self, since: Nanos) -> Option<u64> {
        if self.expired_at <= since {
            return Some(self.units());
        }
        let ended = self.left.iter().rev().find(|stamp| stamp.at.saturating_add(self.interval) <= since);
        let gone = match ended {
            Some(stamp) => stamp.total,
            None if self.remembers_since <= since => self.left.front().map_or(self.gone, |_| self.forgotten),
            None => return None,
        };
        Some(self.total.wrapping_sub(gone))
    }

    /// The most that a counter may have shown since `since`, as far as is known, that rises by all these units and falls by so
    /// many an interval: what had left the window by then has drained.
    pub fn level_since(&self, since: Nanos, drain: u64) -> u64 {
        let before = if self.left.is_empty() { self.gone } else { self.forgotten };
        let (mut level, mut at, mut total) = (0, 0, before);
        for stamp in self.left.iter().chain(&self.stamps) {
            let units = stamp.total.wrapping_sub(std::mem::replace(&mut total, stamp.total));
            if stamp.at.saturating_add(self.interval) > since {
                let now = stamp.at.min(since);
                level = drained(level, drain, now.saturating_sub(at));
                level += u128::from(units) * u128::from(self.interval);
                at = at.max(now);
            }
        }
        let level = drained(level, drain, since.saturating_sub(at));
        u64::try_from(level.div_ceil(u128::from(self.interval.max(1)))).unwrap_or(u64::MAX)
    }

    /// When the units in the window leave it: (instant, units), oldest first.
    pub fn ends(&self) -> impl Iterator<Item = (Nanos, u64)> {
        self.stamps.iter().scan(0, move |before, stamp| {
            let upto = stamp.total.wrapping_sub(self.gone);
            let units = upto - *before;
            *before = upto;
            Some((stamp.at.saturating_add(self.interval), units))
        })
    }

    /// Takes the oldest units out of the window.
    pub fn hand_over(&mut self, units: u64) {
        self.gone = self.gone.wrapping_add(units.min(self.units()));
        let left = self.units();
        while self.stamps.pop_front_if(|stamp| self.total.wrapping_sub(stamp.total) >= left).is_some() {}
    }

    /// Units of today's window that will still be in it at `at`.
    pub fn units_at(&self, at: Nanos) -> u64 {
        let left = self.stamps.partition_point(|stamp| stamp.at.saturating_add(self.interval) <= at);
        match left.checked_sub(1) {
            None => self.units(),
            Some(last) => self.total.wrapping_sub(self.stamps[last].total),
        }
    }

    /// The first instant at which at most `units` of today's window are left in it; 0 if that is so already.
    pub fn down_to(&self, units: u64) -> Nanos {
        let Some(must_go) = self.units().checked_sub(units).filter(|&n| n > 0) else {
            return 0;
        };
        let at = self.stamps.partition_point(|stamp| stamp.total.wrapping_sub(self.gone) < must_go);
        self.stamps[at].at.saturating_add(self.interval)
    }

    /// When the next units leave the window after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        let next = self.stamps.partition_point(|stamp| stamp.at.saturating_add(self.interval) <= at);
        Some(self.stamps.get(next)?.at.saturating_add(self.interval))
    }

    /// What was stamped since the window was last rewritten, and is still in it: (stamp, units), oldest first.
    pub fn since_rewritten(&self) -> impl Iterator<Item = (Nanos, u64)> {
        let old = self.units() - self.units().min(self.total.wrapping_sub(self.rewritten));
        self.stamps
            .iter()
            .scan(0, move |before, stamp| {
                let upto = stamp.total.wrapping_sub(self.gone);
                let units = upto.saturating_sub(old.max(*before));
                *before = upto;
                Some((stamp.at, units))
            })
            .filter(|&(_, units)| units > 0)
    }

    /// Makes the window hold these and nothing else: (stamp, units), oldest first. None may be later than `now`.
    pub fn rewrite(&mut self, now: Nanos, stamps: impl Iterator<Item = (Nanos, u64)>) {
        self.stamps.clear();
        self.left.clear();
        self.gone = self.total;
        let mut room = MAX_LIMIT;
        for (at, units) in stamps {
            let units = units.min(room);
            room -= units;
            self.stamp(at, units);
        }
        self.expire(now);
        self.rewritten = self.total;
    }
}

#[cfg(test)]
#[path = "rolling_tests.rs"]
mod tests;
