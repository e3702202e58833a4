//! At most N units in each window of the server's clock, which is known between two bounds only.
//!
//! A request arrives between entering and its answer. In flight it counts in every window; answered, in the latest one that it
//! may have arrived in, and so in all before. A window is over when the server's clock has surely shown its end. As long as
//! too little is known of that clock, units stay for an interval after the answer: no window is longer.

use crate::clock::Nanos;

use super::ends::Ends;
use super::server_clock::ServerClock;

/// What is in the windows of such a limit.
#[derive(Debug)]
pub(crate) struct Fixed {
    interval: Nanos,
    /// Windows count as over so much later than they are.
    margin: Nanos,
    clock: Option<ServerClock>,
    ends: Ends,
}

impl Fixed {
    pub fn new(interval: Nanos, margin: Nanos, now: Nanos, units: u64) -> Self {
        let mut fixed = Self { interval, margin, clock: None, ends: Ends::default() };
        fixed.stamp(now, units);
        fixed
    }

    pub fn interval(&self) -> Nanos {
        self.interval
    }

    /// Its windows last so long from now on. What is in them counts as stamped now.
    pub fn reshape(&mut self, now: Nanos, interval: Nanos, margin: Nanos) {
        if (interval, margin) != (self.interval, self.margin) {
            let (units, clock) = (self.ends.units(), self.clock);
            *self = Self::new(interval, margin, now, 0);
            self.clock = clock;
            self.stamp(now, units);
        }
    }

    /// What is known of the server's clock from now on. What is in the windows comes free no later than it would have.
    pub fn learn(&mut self, now: Nanos, clock: ServerClock) {
        self.ends.expire(now);
        let first = self.clock.replace(clock.at(now)).is_none();
        for (end, units) in self.ends.take_all() {
            // What counted as rolling was answered so long before its end.
            let answered = end.checked_sub(self.longest()).filter(|_| first);
            let end = answered.map_or(end, |at| end.min(self.frees_at(at)));
            self.ends.insert(end, units, self.interval);
        }
        self.ends.expire(now);
    }

    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    pub fn ends_mut(&mut self) -> &mut Ends {
        &mut self.ends
    }

    /// Drops what has ended by `now`.
    pub fn expire(&mut self, now: Nanos) {
        self.ends.expire(now);
        if let Some(clock) = &mut self.clock {
            *clock = clock.at(now);
        }
    }

    /// Units of a request that was answered at `now`.
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        let end = self.frees_at(now);
        self.ends.insert(end, units, self.interval);
    }

    /// When units of a request that is answered at `at` come free.
    pub fn frees_at(&self, at: Nanos) -> Nanos {
        let rolled = at.saturating_add(self.longest());
        let Some(clock) = &self.clock else { return rolled };
        let interval = i128::from(self.interval);
        let boundary = (clock.latest_at(at).div_euclid(interval) + 1) * interval;
        clock.surely_shows(boundary, self.interval).saturating_add(self.margin).min(rolled)
    }

    /// When the latest window that may be open at `at` has surely begun, and has surely ended; `None` as long as too little is
    /// known of the clock.
    pub fn window_at(&self, at: Nanos) -> Option<(Nanos, Nanos)> {
        self.clock.as_ref()?;
        let end = self.frees_at(at);
        Some((end.saturating_sub(self.interval), end))
    }

    /// Units that may be in the latest window that may be open at `at`.
    pub fn units_of_window(&self, at: Nanos) -> u64 {
        let Some(clock) = &self.clock else { return self.ends.units() };
        // Those of this window end with it, as it was known when they were answered: no earlier but for the drift.
        self.ends.units_at(self.frees_at(at).saturating_sub(2 * clock.drift() + 1))
    }

    /// No unit need stay longer, whatever the server's clock shows.
    pub fn longest(&self) -> Nanos {
        self.interval.saturating_add(self.margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(now: Nanos, shown: i64, uncertainty: Nanos) -> ServerClock {
        ServerClock::observed(now, shown, uncertainty)
    }

    const SECOND: Nanos = 1_000_000_000;
    const MINUTE: Nanos = 60 * SECOND;
    /// What a minute's drift adds to each bound, and to an end.
    const DRIFT: Nanos = 6_000_000;

    #[test]
    fn without_the_servers_clock_it_counts_as_rolling() {
        let mut fixed = Fixed::new(MINUTE, 0, 0, 0);
        fixed.stamp(7 * SECOND, 2);
        assert_eq!(fixed.ends().down_to(0), 67 * SECOND);
    }

    #[test]
    fn units_come_free_when_the_servers_clock_has_surely_shown_the_end_of_the_latest_window_they_may_be_in() {
        let mut fixed = Fixed::new(MINUTE, 0, 0, 0);
        // 20 s into a minute of the server's, give or take half a second.
        fixed.learn(0, clock(0, 20 * SECOND as i64, SECOND / 2));
        assert_eq!(fixed.frees_at(0), 40 * SECOND + SECOND / 2 + 2 * DRIFT);
        assert_eq!(fixed.frees_at(39 * SECOND), 40 * SECOND + SECOND / 2 + 2 * DRIFT);
        // It may be the next minute there, and no unit need stay longer than one.
        assert_eq!(fixed.frees_at(39 * SECOND + SECOND / 2), 99 * SECOND + SECOND / 2);
        assert_eq!(fixed.frees_at(41 * SECOND), 100 * SECOND + SECOND / 2 + 2 * DRIFT);
    }

    #[test]
    fn what_was_used_before_the_clock_was_known_belongs_to_its_windows() {
        let mut fixed = Fixed::new(MINUTE, 0, 0, 0);
        fixed.stamp(5 * SECOND, 3);
        fixed.stamp(45 * SECOND, 4);
        fixed.learn(50 * SECOND, clock(50 * SECOND, 70 * SECOND as i64, SECOND / 2));
        let end = |boundary: Nanos| boundary + SECOND / 2 + 2 * DRIFT;
        assert_eq!(fixed.ends().iter().collect::<Vec<_>>(), [(end(100 * SECOND), 4)]);
    }

    #[test]
    fn a_margin_keeps_windows_open_for_longer() {
        let mut fixed = Fixed::new(MINUTE, SECOND, 0, 0);
        fixed.learn(0, clock(0, 20 * SECOND as i64, 0));
        assert_eq!(fixed.frees_at(0), 41 * SECOND + 2 * DRIFT);
    }
}
