//! Units of a limit that others have used, as the exchange says: for how long they count, and what is kept for those who
//! go on as they did.
//!
//! Of each it is known when the exchange will have forgotten them (`used_until`), and until when there is no room in their
//! place (`kept_until`). The two differ where others are expected to go on as they did. Then, of a window that ends for all
//! units at once, so much is kept for them as they will use until its end at the rate at which they were seen in it (and,
//! while little of it is over, in the one before). With each answer it is reckoned anew, and at the window's end it is what
//! they used in it, for the next one. In a window that rolls it is so for the first interval; from then on, those that come
//! replace those that leave, and what leaves is kept for a little longer. All of this are steps at known instants.
//!
//! While requests are in flight, nobody knows which of them are in the exchange's number. Where windows end for all units at
//! once, the number as it stands and all that is in flight beside it are never too little. So much counts: as if others had used
//! all that no answered request of ours has. Near the limit nothing more leaves then, what is in flight is answered, and the
//! two become one.

use crate::clock::Nanos;

use super::MAX_LIMIT;

/// Units whose ends are closer together than this part of the interval end together, with the later one.
const GRAINS: u64 = 64;

/// What is kept for others in a window that rolls is kept longer by this part of the interval: they are seen late, and come
/// unevenly.
const LATER: u64 = 8;

/// What is kept for others until the end of a window is given up in so many steps.
const STEPS: u64 = 16;

/// What others used in the window before counts as if it had been seen in this part of the present one.
const BEFORE: f64 = 0.25;

#[derive(Clone, Copy, Debug)]
struct Batch {
    units: u64,
    used_until: Nanos,
    kept_until: Nanos,
}

/// How much of a window that ends at `end` is over: not nothing, so that a rate can be made of what came in it. (It may have
/// begun before the clock did.)
fn part_of(now: Nanos, end: Nanos, interval: Nanos) -> f64 {
    let left = end.saturating_sub(now) as f64 / interval.max(1) as f64;
    (1.0 - left).clamp(1.0 / GRAINS as f64, 1.0)
}

/// So much more is kept for others than they will use most likely.
const MORE: f64 = 0.15;

fn add(sum: u64, some: &Batch) -> u64 {
    sum.saturating_add(some.units)
}

/// How much others have used, as far as an answer tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likely {
    /// When the request left: the exchange counted since then.
    pub since: Nanos,
    /// The most likely figure.
    pub middle: u64,
    /// It is no more: as if nothing in flight had arrived.
    pub most: u64,
    /// What own ones leave of the limit.
    pub room: u64,
    /// No more is kept for those of them that are to come in an interval.
    pub cap: u64,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    /// In the order of `kept_until`. Those that have ended stay for a while: an answer tells of the past.
    all: Vec<Batch>,
    /// When those that count were last counted.
    counted_at: Nanos,
    /// The window that others were last seen in: its end, and how much they had used.
    seen: Option<(Nanos, u64)>,
    /// The end of the window that the exchange last told of, and the fewest units left of it that it told.
    newest: Option<(Nanos, i128)>,
    /// What they used in the window before that, if they were seen in it.
    before: Option<u64>,
    /// When they were first listened to.
    since: Option<Nanos>,
}

impl Others {
    /// Others have used so many units more, which count until `used_until`.
    pub fn add(&mut self, now: Nanos, interval: Nanos, units: u64, used_until: Nanos) {
        let units = units.min(MAX_LIMIT.saturating_sub(self.units_at(now)));
        if used_until > now {
            self.use_up(now, units);
            self.insert(interval, units, used_until, None);
        }
    }

    /// So many units of others at least count until `used_until`, those that are known already among them: what ends before
    /// that counts for longer, and what is missing then is new. For nobody knows which of them are in a number, and newer ones
    /// must not hide behind older ones that come free before them. Where they are expected to come again, they were seen at
    /// `expected`.
    pub fn hold(
        &mut self,
        now: Nanos,
        interval: Nanos,
        units: u64,
        used_until: Nanos,
        expected: Option<Nanos>,
    ) {
        if used_until <= now {
            return;
        }
        let (mut missing, mut moved) = (units, 0);
        for some in self.all.iter_mut().rev().filter(|some| some.used_until > now) {
            let part = some.units.min(missing);
            missing -= part;
            if some.used_until < used_until {
                (some.units, moved) = (some.units - part, moved + part);
            }
        }
        let missing = missing.min(MAX_LIMIT.saturating_sub(self.units_at(now).saturating_add(moved)));
        self.use_up(now, missing);
        self.insert(interval, moved + missing, used_until, expected);
    }

    fn insert(&mut self, interval: Nanos, units: u64, used_until: Nanos, expected: Option<Nanos>) {
        if units == 0 {
            return;
        }
        let again = expected.map_or(0, |at| at.saturating_add(interval).saturating_add(interval / LATER));
        let kept_until = used_until.max(again);
        let grain = (interval / GRAINS).max(1);
        let is_near = |some: &Batch| {
            some.kept_until / grain == kept_until / grain && some.used_until / grain == used_until / grain
        };
        match self.all.iter_mut().find(|some| is_near(some)) {
            Some(near) => {
                near.units = near.units.saturating_add(units);
                near.used_until = near.used_until.max(used_until);
                near.kept_until = near.kept_until.max(kept_until);
            }
            None => self.all.push(Batch { units, used_until, kept_until }),
        }
        self.all.retain(|some| some.units > 0);
        self.all.sort_by_key(|some| some.kept_until);
    }

    /// The fewest units that the exchange has told to be left of a window that ends for all units at once, with this answer; of
    /// a window that rolls, as this answer says. Answers overtake each other, and within a window it only becomes less.
    pub fn newest(&mut self, left: i128, interval: Nanos, window: Option<(Nanos, Nanos)>) -> i128 {
        let Some((_, end)) = window else { return left };
        let same = self.newest.filter(|&(last, _)| last.abs_diff(end) < interval / 2);
        let newest = same.map_or(left, |(_, before)| before.min(left));
        self.newest = Some((end, newest));
        newest
    }

    /// Others are expected to go on as they did, from the answer at `now` on. `window`: when it began and ends, if all of its
    /// units end together.
    pub fn expect(&mut self, now: Nanos, seen: Likely, interval: Nanos, window: Option<(Nanos, Nanos)>) {
        let since = *self.since.get_or_insert(now);
        let (began, end) = window.unwrap_or((since, since.saturating_add(interval)));
        if window.is_some() {
            // This one has begun, so that the one before has ended, if later than it seemed.
            for old in self.all.iter_mut().filter(|some| some.used_until < end.saturating_sub(interval / 2)) {
                old.used_until = old.used_until.min(now);
            }
        }
        let certain = self.used_at(now);
        let used = certain.max(seen.middle);
        if window.is_some() {
            match self.seen {
                // The end of one window is not known to the nanosecond.
                Some((last, units)) if last.saturating_add(interval / 2) < end => {
                    self.before = (last.saturating_add(interval / 2) >= began).then_some(units);
                }
                _ => {}
            }
            // They go on as they did, also where this is the last answer of the window.
            self.seen = Some((end, (used as f64 / part_of(now, end, interval)) as u64));
            // What is kept for the next window.
            self.all.retain(|some| 0 < some.used_until && some.used_until <= now);
            self.all.iter_mut().for_each(|some| some.kept_until = some.kept_until.min(now));
            let unsure = seen.most.saturating_sub(certain);
            for (mut left, used_until) in [(certain, end), (unsure.min(seen.cap), 0)] {
                for step in 1..=STEPS {
                    let units = left / (STEPS + 1 - step);
                    left -= units;
                    let kept_until = end.saturating_add(interval / STEPS * step);
                    self.all.push(Batch { units, used_until, kept_until });
                }
            }
            self.all.push(Batch { units: unsure.saturating_sub(seen.cap), used_until: 0, kept_until: end });
        } else {
            // Those that have ended are of use for answers that tell of the past.
            self.all.retain(|some| some.used_until > 0);
        }
        // What they will use until the end.
        let part = part_of(now, end, interval);
        let rate = match self.before {
            Some(before) => (used as f64 + BEFORE * before as f64) / (part + BEFORE),
            None => used as f64 / part,
        };
        // Those that have come since the exchange counted are in no number yet.
        let left = if window.is_some() { 1.0 - part_of(seen.since, end, interval) } else { 1.0 - part };
        let unsure = if window.is_some() { 0 } else { seen.most.saturating_sub(certain).min(seen.cap) };
        let to_come = rate.min(seen.cap as f64) * left;
        // In a window that ends for all at once, only what is kept beyond that is given up before the end: they may have come
        // meanwhile. Who takes it hears how many have, and then the rest is given up if they have not.
        let kept = if window.is_some() { to_come.ceil() as u64 } else { 0 };
        let mut left = ((1.0 + MORE) * to_come).ceil() as u64 + unsure - kept;
        // All of that happens before half of the time is over: later, those who go on as they did have used more than half.
        let left_time = end.saturating_sub(now);
        let (first, last) = match window {
            Some(_) => (now + left_time / 4, now + left_time / 2),
            None => (now + left_time / 2, end),
        };
        // What is kept beyond the limit would keep everybody from hearing it.
        let beyond = (seen.most.max(certain) + kept + left).saturating_sub(seen.room).min(kept / 2);
        self.all.push(Batch { units: beyond, used_until: 0, kept_until: first });
        self.all.push(Batch { units: kept - beyond, used_until: 0, kept_until: end });
        // Before more of it is given up, those that took what was given up are answered.
        let answered = now.saturating_sub(seen.since).saturating_mul(2);
        let pause = (last.saturating_sub(first) / STEPS).max(if window.is_some() { answered } else { 0 });
        for step in 1..=STEPS {
            let units = left / (STEPS + 1 - step);
            left -= units;
            let at = first.saturating_add(pause.saturating_mul(step));
            let kept_until = if at <= last { at } else { end };
            self.all.push(Batch { units, used_until: 0, kept_until });
        }
        self.all.sort_by_key(|some| some.kept_until);
    }

    /// What was seen of others was kept for them: that of it which would be given up next is not kept any more.
    fn use_up(&mut self, now: Nanos, mut units: u64) {
        for some in &mut self.all {
            if 0 < some.used_until && some.used_until <= now && now < some.kept_until {
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
        self.all.is_empty() && self.seen.is_none()
    }
}
