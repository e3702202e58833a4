//! What the exchange says of a limit: pauses, units that others have used, a limit that has changed, costs that were not as
//! they seemed.

use crate::clock::Nanos;

use super::MAX_LIMIT;
use super::others::{Likely, Others};
use super::others_of_bucket::ToldOfBucket;
use super::part::part_told;
use super::stamps::Stamps;
use super::window::Window;

/// An answer that says how much is left may be so old at most: what left a rolling window is known for so long.
const OLDEST_ANSWER: Nanos = 10_000_000_000;

/// What the exchange says of a limit in an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// When the request left, at the earliest: the exchange counted at some instant from then on.
    pub since: Nanos,
    /// How many units were left then; below 0 where more were used than the limit has.
    pub remaining: i128,
    /// When the exchange's window ends, if that was said.
    pub until: Option<Nanos>,
    /// Whether others go on as they did.
    pub expect: bool,
}

/// How many units must have been used beside `own` ones, if so many are left.
fn beyond(limit: u64, own: u64, left: i128) -> u64 {
    let used = i128::from(limit) - i128::from(own) - left;
    u64::try_from(used.clamp(0, i128::from(MAX_LIMIT))).unwrap_or(0)
}

impl Window {
    /// Lets nothing pass before `until`. An end that was set before, and is later, stays.
    pub fn pause(&mut self, until: Nanos) {
        self.paused_until = self.paused_until.max(until);
        self.changes_at = self.changes_at.min(self.paused_until);
        self.reopen();
    }

    /// When the pause ends, as of the last [`Window::expire`]; `None` where there is none.
    pub fn paused_until(&self) -> Option<Nanos> {
        Some(self.paused_until).filter(|&until| until > 0)
    }

    /// The exchange says that its limit is so large: no more than that may be used from now on, and no more than the table
    /// says. Whether that changes anything.
    pub fn tell_limit(&mut self, now: Nanos, limit: u64) -> bool {
        let before = self.told_limit();
        self.told = limit;
        self.stamps.drain_by(now, self.told_limit());
        self.reopen();
        self.told_limit() != before
    }

    /// Whether the exchange has said how large this table's limit is.
    pub fn is_told(&self) -> bool {
        self.told != u64::MAX
    }

    /// The limit by the table and the exchange, whichever is smaller.
    pub fn told_limit(&self) -> u64 {
        self.nominal.min(self.told)
    }

    /// Ends a pause and drops units of others whose time has come.
    #[cold]
    pub(super) fn recount(&mut self, now: Nanos) {
        if 0 < self.paused_until && self.paused_until <= now {
            self.resumed_at = self.resumed_at.max(self.paused_until);
            self.paused_until = 0;
        }
        let mut next = None;
        self.others_units = 0;
        if let Some(others) = &mut self.others {
            let ended;
            (self.others_units, ended, next) = others.count(now);
            self.resumed_at = self.resumed_at.max(ended);
            others.forget(now.saturating_sub(OLDEST_ANSWER));
            if others.is_empty() {
                self.others = None;
            }
        }
        let pause = Some(self.paused_until).filter(|&until| until > 0);
        self.changes_at = next.into_iter().chain(pause).min().unwrap_or(Nanos::MAX);
        self.reopen();
    }

    /// Units of others in a window that ends with its boundary end with it, also if the clock on the wall was set.
    #[cold]
    pub(super) fn move_others(&mut self, now: Nanos, (began, end): (Nanos, Nanos)) {
        let (Some((new_began, new_end)), Some(others)) = (self.stamps.window(), &mut self.others) else {
            return;
        };
        if new_began != began {
            others.end_window(new_began);
        } else if new_end != end {
            others.move_end(end, new_end);
        } else {
            return;
        }
        self.recount(now);
    }

    /// Gives back units that turned out not to be used: the oldest in the window first, and then those in
    /// flight. How many there were to give back, no more than `units`.
    pub fn take_back(&mut self, now: Nanos, units: u64) -> u64 {
        self.stamps.cost_less(now);
        let settled = self.stamps.take_back(units);
        let in_flight = self.in_flight.min(units - settled);
        self.in_flight -= in_flight;
        self.credit += in_flight;
        settled + in_flight
    }

    /// A request that has been answered cost so many units more, which count from now on.
    pub fn count_more(&mut self, now: Nanos, units: u64) {
        self.stamps.count_more(now, units);
    }

    /// Of what a request has in flight, so many units turned out not to be used.
    pub fn cost_less(&mut self, now: Nanos, units: u64) {
        self.stamps.cost_less(now);
        self.give_back(units);
    }

    /// Units that others have used, and that come free at `until`, or as the units of this limit do if that is before.
    /// They may be more than the limit.
    pub fn stamp_foreign(&mut self, now: Nanos, units: u64, until: Option<Nanos>) {
        if self.stamps.stamp_foreign(now, units) {
            return;
        }
        let latest = self.frees_at(now);
        let until = until.map_or(latest, |until| until.min(latest));
        let interval = self.interval();
        self.others.get_or_insert_default().add(now, interval, units, until);
        self.recount(now);
    }

    /// So many units of others at least were used when the exchange counted: they count as [`Window::stamp_foreign`] has it.
    fn hold_others(&mut self, now: Nanos, units: u64, told: &Told) {
        if units > 0 {
            self.stamps.stamp_foreign(now, 0);
        }
        let latest = self.frees_at(now);
        let told_end = told.until.map(|until| until.min(latest)).filter(|&until| until > now);
        let until = told.until.map_or(latest, |until| until.min(latest));
        let interval = self.interval();
        // Where a window ends for all units at once, they are expected again from its end on.
        let told_window = told_end.map(|end| (end.saturating_sub(interval), end));
        let window = told_window.or_else(|| self.stamps.window_at(now));
        let cap = self.told_limit() / 2;
        let (own, in_flight) = (self.stamps.units_of_window(now), self.in_flight);
        let limit = self.limit();
        let room = limit.saturating_sub(own + in_flight);
        let others = self.others.get_or_insert_default();
        others.hold(now, interval, units, until, (told.expect && window.is_none()).then_some(now));
        if told.expect {
            // It may be of the window before, of which others' last share stands until this one is told of.
            let is_doubtful = told_window.is_none() && window.is_some_and(|(began, _)| told.since < began);
            if !is_doubtful {
                let unused = others.newest(told.remaining, interval, window);
                let most = beyond(limit, own, unused);
                // Of what is in flight, half has arrived by then on the average.
                let middle = if window.is_some() { most.saturating_sub(in_flight / 2) } else { most };
                others.expect(now, Likely { since: told.since, middle, most, room, cap }, interval, window);
            }
        }
        self.recount(now);
    }

    /// Units of others, and what the exchange said of the limit, are those of another limit, of which this one is a part.
    pub fn follow(&mut self, now: Nanos, other: &Window) {
        self.expire(now);
        let told = part_told(other.told, other.nominal, self.nominal);
        self.told = if other.told == u64::MAX { u64::MAX } else { told };
        self.stamps.drain_by(now, self.told_limit());
        self.stamps.follow(now, &other.stamps);
        self.others.clone_from(&other.others);
        self.recount(now);
    }

    /// Units of others that are known to be used, and of those kept for them no more than the limit leaves, as of the last
    /// [`Window::expire`] at `now`. In one window more may be kept than there are: nothing passes then, but they are not used.
    pub fn others(&self, now: Nanos) -> u64 {
        let (own, known) = self.stamps.known_units();
        let used = self.others.as_ref().map_or(known - own, |others| others.used_at(now));
        let all = self.used() - own - self.in_flight;
        all.min(used.max(self.limit().saturating_sub(self.own())))
    }

    /// Units of others that count at `at`, without those of a bucket.
    #[cfg(test)]
    pub fn others_used_at(&self, at: Nanos) -> u64 {
        self.others.as_ref().map_or(0, |others| others.used_at(at))
    }

    /// Learns from an answer how much others have used: so much at least that no more is left here than the exchange had
    /// left. How many units are new; `None` if the answer is too old, or may tell of the window before.
    ///
    /// The exchange counted at some instant since the request left. Every own unit that may have been among them counts as
    /// if it had been: those in flight, and those that were in the window at any time since.
    pub fn hear(&mut self, now: Nanos, mut told: Told) -> Option<u64> {
        let oldest = self.remember(now);
        if told.until.is_none()
            && let Stamps::First(first) = &mut self.stamps
        {
            told.until = first.hear(now, told.since, told.remaining);
        }
        let used = beyond(self.limit(), 0, told.remaining);
        if let Stamps::Bucket(bucket) = &mut self.stamps {
            let told =
                ToldOfBucket { since: told.since, used, in_flight: self.in_flight, expect: told.expect };
            return (now.saturating_sub(told.since) <= oldest).then(|| bucket.hear(now, &told));
        }
        let known =
            if now.saturating_sub(told.since) <= oldest { self.units_since(told.since) } else { None };
        let own = known?.saturating_add(self.in_flight);
        let others_at = |at| self.others.as_ref().map_or(0, |others| others.used_at(at));
        let (known, ended) = (others_at(now), others_at(told.since).saturating_sub(others_at(now)));
        let others = beyond(self.limit(), own.saturating_add(ended), told.remaining);
        if others > 0 || told.expect {
            self.hold_others(now, others, &told);
        }
        Some(others.saturating_sub(known))
    }

    /// Own units that were in the window at `since` or came later. If the exchange has a counter that falls, it showed no more
    /// of them than one that falls at this process's part of the rate: all such parts together are no less than its own.
    fn units_since(&self, since: Nanos) -> Option<u64> {
        let units = self.stamps.units_since(since)?;
        match &self.stamps {
            Stamps::Rolling(rolling) if self.drains => {
                Some(units.min(rolling.level_since(since, self.limit())))
            }
            _ => Some(units),
        }
    }

    /// From now on it is known what leaves the window, for as long as this returns: what was in it at an instant.
    fn remember(&mut self, now: Nanos) -> Nanos {
        let oldest = self.interval().min(OLDEST_ANSWER);
        self.expire(now);
        self.stamps.remember(now, oldest);
        oldest
    }

    /// The most own units that the exchange may have counted at any instant from `since` until now. What left the window in
    /// that time is left out where it is not known; and what came before `began`, where the exchange's window began then.
    pub fn counted_since(&mut self, now: Nanos, since: Nanos, began: Option<Nanos>) -> u64 {
        self.remember(now);
        let own = self.units_since(since).unwrap_or_else(|| self.stamps.units());
        own.min(self.came_since(now, began)).saturating_add(self.in_flight)
    }

    /// Units in a window that rolls whose requests ended at `began` or later, as of the last [`Window::expire`] at `now`; no
    /// bound where that is not known of all.
    pub fn came_since(&self, now: Nanos, began: Option<Nanos>) -> u64 {
        let left = began.and_then(|began| began.saturating_add(self.interval()).checked_sub(1));
        left.filter(|&left| left > now).map_or(u64::MAX, |left| self.stamps.units_at(left))
    }

    /// Somebody else counts the units of others from now on, and allows so much less. Whether there were any.
    pub fn forget_others(&mut self, now: Nanos) -> bool {
        let had_some = self.others.take().is_some();
        self.recount(now);
        had_some
    }

    /// Some of what is in flight counts no more already.
    #[cold]
    pub(super) fn give_back_credited(&mut self, units: u64) {
        let rest = units - std::mem::take(&mut self.in_flight).min(units);
        debug_assert!(rest <= self.credit, "gave back {units}, {rest} too many");
        self.credit = self.credit.saturating_sub(rest);
    }

    /// Who leaves first leaves fewer: those that leave later stay for longer.
    #[cold]
    pub(super) fn settle_credited(&mut self, now: Nanos, units: u64) {
        let credit = self.credit.min(units);
        self.credit -= credit;
        self.give_back(units - credit);
        self.stamps.stamp(now, units - credit);
    }
}

/// The first instant at which at most `units` are left, those of others among them, if own ones are down to so many
/// at `own(so many)`.
#[cold]
pub(super) fn down_beside(others: &Others, own: impl Fn(u64) -> Nanos, units: u64) -> Nanos {
    let mut first = Nanos::MAX;
    // As others leave, more own ones may stay: the earliest of both together.
    for (at, level) in others.levels() {
        if at >= first {
            break;
        }
        if let Some(room) = units.checked_sub(level) {
            first = first.min(own(room).max(at));
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::super::window::{Shape, Span};
    use super::*;

    fn rolling(limit: u64, interval: Nanos) -> Window {
        Window::new(Shape { limit, span: Span::Rolling(interval) })
    }

    #[test]
    fn nothing_comes_free_during_a_pause_whether_in_flight_or_not() {
        let mut window = rolling(2, 10);
        window.take(1);
        window.stamp(0, 1);
        window.pause(30);
        assert_eq!([1, 0].map(|room| window.used_down_to(room, 5)), [30, 30]);
        window.expire(29);
        assert_eq!((window.fits(1), window.next_change(29)), (false, Some(30)));
        window.expire(30);
        assert_eq!((window.fits(1), window.next_change(30), window.expired_at()), (true, None, 30));
    }

    #[test]
    fn own_units_that_have_drained_at_the_exchange_hide_no_others_where_a_bucket_is_shared() {
        const SECOND: Nanos = 1_000_000_000;
        let (limit, interval) = (15, 45 * SECOND);
        let mut window = Window::new(Shape { limit, span: Span::Bucket { limit, interval } });
        window.share(0, 0);
        window.stamp(SECOND, 10);
        let told = |now: Nanos, used: i32| Told {
            since: now,
            remaining: 15 - i128::from(used),
            until: None,
            expect: false,
        };
        assert_eq!(window.hear(SECOND, told(SECOND, 10)), Some(0));
        // Of the ten, six have drained.
        let now = 19 * SECOND;
        assert_eq!((window.counted_since(now, now, None), window.counted_since(now, SECOND, None)), (4, 10));
        assert_eq!(window.hear(now, told(now, 12)), Some(8));
        window.expire(46 * SECOND);
        assert_eq!((window.own(), window.used()), (0, 8));
        // With a third of the budget, it counts a third of what drains.
        window.allow(5);
        window.stamp(46 * SECOND, 5);
        let now = 55 * SECOND;
        assert_eq!(window.counted_since(now, now, None), 4);
    }

    #[test]
    fn units_of_others_leave_before_and_after_own_ones() {
        let mut window = rolling(9, 10);
        window.stamp(10, 1);
        window.stamp(14, 2);
        for (units, until) in [(4, 22), (1, 24), (8, 5), (1, 99)] {
            window.stamp_foreign(15, units, Some(until));
        }
        assert_eq!([19, 20, 22, 24, 25].map(|at| window.in_window_at(at)), [9, 8, 4, 1, 0]);
        assert_eq!((window.window_down_to(8), window.window_down_to(4)), (20, 22));
        window.stamp_foreign(15, u64::MAX, Some(23));
        assert!(!window.fits(1) && window.used() <= 2 * crate::MAX_LIMIT);
    }
}
