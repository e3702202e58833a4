//! Units of a limit that others have used, as the exchange says: for how long they count, and what is kept for those who
//! go on as they did.
//!
//! Of each it is known when the exchange will have forgotten them (`used_until`), and until when there is no room in their
//! place (`kept_until`). The two differ where others are expected to come again: what they used at some instant is kept
//! for them until the same instant of the next window, and a little longer. What is seen of them in that window uses up
//! what was kept for them, the earliest first. So what they use as before is kept all the time, and what they do not use
//! any more is given up bit by bit.

use crate::clock::Nanos;

use super::MAX_LIMIT;

/// Units whose ends are closer together than this part of the interval end together, with the later one.
const GRAINS: u64 = 64;

/// What is kept for others is kept longer by this part of the interval: they are seen late, and come unevenly.
const LATER: u64 = 8;

#[derive(Clone, Copy, Debug)]
struct Entry {
    units: u64,
    used_until: Nanos,
    kept_until: Nanos,
}

fn add(sum: u64, some: &Entry) -> u64 {
    sum.saturating_add(some.units)
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Others {
    /// In the order of `kept_until`. Those that have ended stay for a while: an answer tells of the past.
    all: Vec<Entry>,
    /// When those that count were last counted.
    counted_at: Nanos,
}

impl Others {
    /// Others have used so many units, which count until `used_until`. Where they are expected to come again, they were
    /// seen at `expected`.
    pub fn add(
        &mut self,
        now: Nanos,
        interval: Nanos,
        units: u64,
        used_until: Nanos,
        expected: Option<Nanos>,
    ) {
        let units = units.min(MAX_LIMIT.saturating_sub(self.units_at(now)));
        if used_until <= now || units == 0 {
            return;
        }
        self.use_up(now, units);
        let again = expected.map_or(0, |at| at.saturating_add(interval).saturating_add(interval / LATER));
        let kept_until = used_until.max(again);
        let grain = (interval / GRAINS).max(1);
        let is_near = |some: &Entry| {
            some.kept_until / grain == kept_until / grain && some.used_until / grain == used_until / grain
        };
        match self.all.iter_mut().find(|some| is_near(some)) {
            Some(near) => {
                near.units = near.units.saturating_add(units);
                near.used_until = near.used_until.max(used_until);
                near.kept_until = near.kept_until.max(kept_until);
            }
            None => self.all.push(Entry { units, used_until, kept_until }),
        }
        self.all.sort_by_key(|some| some.kept_until);
    }

    /// What was seen of others was kept for them: that of it which would be given up next is not kept any more.
    fn use_up(&mut self, now: Nanos, mut units: u64) {
        for some in &mut self.all {
            if some.used_until <= now && now < some.kept_until {
                let part = some.units.min(units);
                (some.units, units) = (some.units - part, units - part);
            }
        }
    }

    /// Units that count at `at`, those kept for others among them.
    pub fn units_at(&self, at: Nanos) -> u64 {
        self.all.iter().filter(|some| some.kept_until > at).fold(0, add)
    }

    /// Units that others have used, and that the exchange has not forgotten by `at`.
    pub fn used_at(&self, at: Nanos) -> u64 {
        self.all.iter().filter(|some| some.used_until > at).fold(0, add)
    }

    /// Counts those that count at `now`: how many they are, when any last ended, and when any end next.
    pub fn count(&mut self, now: Nanos) -> (u64, Nanos, Option<Nanos>) {
        self.counted_at = now;
        let ended = self.all.iter().rev().find(|some| some.kept_until <= now && some.units > 0);
        (self.units_at(now), ended.map_or(0, |some| some.kept_until), self.next_end(now))
    }

    /// When the next units end after `at`.
    pub fn next_end(&self, at: Nanos) -> Option<Nanos> {
        self.all.iter().find(|some| some.kept_until > at && some.units > 0).map(|some| some.kept_until)
    }

    /// How many count from which instant on: first 0 with those that counted last, and then each end.
    pub fn levels(&self) -> impl Iterator<Item = (Nanos, u64)> {
        let now = self.units_at(self.counted_at);
        let ends =
            self.all.iter().filter(|some| some.kept_until > self.counted_at).scan(now, |left, some| {
                *left -= some.units;
                Some((some.kept_until, *left))
            });
        std::iter::once((0, now)).chain(ends)
    }

    /// The window has another shape: those that the exchange counts now end at `latest`, and are expected to come again
    /// for no longer than an interval after that.
    pub fn end_by(&mut self, latest: Nanos, interval: Nanos) {
        for some in &mut self.all {
            let again = some.kept_until > some.used_until;
            some.used_until = some.used_until.min(latest);
            let kept = if again { latest.saturating_add(interval) } else { latest };
            some.kept_until = some.kept_until.min(kept);
        }
        self.all.sort_by_key(|some| some.kept_until);
    }

    /// The window in which they were used has ended, at `at`.
    pub fn end_window(&mut self, at: Nanos) {
        for some in self.all.iter_mut().filter(|some| some.used_until > at) {
            if some.kept_until == some.used_until {
                some.kept_until = at;
            }
            some.used_until = at;
        }
        self.all.sort_by_key(|some| some.kept_until);
    }

    /// The window in which they were used ends at another instant than it seemed.
    pub fn move_end(&mut self, from: Nanos, to: Nanos) {
        for some in self.all.iter_mut().filter(|some| some.used_until == from) {
            let again = Some(some.kept_until).filter(|&until| until > from);
            (some.used_until, some.kept_until) = (to, again.unwrap_or(to).max(to));
        }
        self.all.sort_by_key(|some| some.kept_until);
    }

    /// Forgets what has ended by `at`.
    pub fn forget(&mut self, at: Nanos) {
        self.all.retain(|some| some.units > 0 && some.kept_until > at);
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
