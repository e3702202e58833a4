//! What is reserved of one limit, over time: the one place that knows the shape of a reservation.
//!
//! Units of most kinds leave all at once, so that a reservation is a rectangle: so many units, from its start until
//! [`Window::frees_at`]. (Of limits without windows that is its start, with all answered at once.) Those of a bucket drain: see
//! [`ramp`](super::ramp). [`plan`](super::plan) asks for starts, and never how the units leave.

use crate::clock::Nanos;
use crate::limit::Window;

use super::plan::NEVER;
use super::ramp::Ramp;

/// Units of one limit, set aside for a waiting request from `start` on.
#[derive(Clone, Copy, Debug)]
struct Reservation {
    start: Nanos,
    /// Until then they count as held where nobody knows how long requests are in flight: for good, if the request is
    /// the next one of its route.
    held_until: Nanos,
    units: u64,
    /// What is reserved at `start`, this reservation's units included, beside what is in the window then.
    load: u64,
}

/// From `at` until the next step, so many units are reserved.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: Nanos,
    level: u64,
}

/// What is reserved of one limit.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// With every request answered at once. Sorted by time; before the first step nothing is reserved.
    steps: Vec<Step>,
    /// The same, of a bucket.
    ramp: Ramp,
    reservations: Vec<Reservation>,
    /// The largest load of any reservation.
    heaviest: u64,
}

impl Profile {
    pub fn clear(&mut self) {
        self.steps.clear();
        self.ramp.clear();
        self.reservations.clear();
        self.heaviest = 0;
    }

    /// Whether nothing is reserved.
    pub fn is_clear(&self) -> bool {
        self.reservations.is_empty()
    }

    /// Sets units aside from `start` until `end`, and for a longer time where nobody knows how long requests last.
    /// Units in flight count as answered at `event`.
    pub fn reserve(&mut self, start: Nanos, held_until: Nanos, units: u64, event: Nanos, limit: &Window) {
        match limit.slope(event) {
            Some(slope) => self.ramp.reserve(start, units, slope, limit),
            None => self.raise(start, limit.frees_at(start), units),
        }
        self.load(start, held_until, units, limit);
    }

    /// What is used of the limit has changed.
    pub fn follow(&mut self, event: Nanos, limit: &Window) {
        if let Some(slope) = limit.slope(event) {
            self.ramp.measure(slope, limit);
        }
    }

    /// Whether units taken now leave every reservation as it is, with what is in flight, and them, held for good.
    pub fn leaves_whole(&self, units: u64, limit: &Window) -> bool {
        let held = limit.in_flight().saturating_add(units);
        units == 0 || self.reservations.is_empty() || self.heaviest.saturating_add(held) <= limit.limit()
    }

    /// The earliest instant from `from` on at which units fit, for as long as they stay if the request is answered at
    /// once. One sweep over the steps: the start only ever moves on.
    pub fn earliest(&self, units: u64, from: Nanos, event: Nanos, limit: &Window) -> Nanos {
        if units == 0 {
            return limit.paused_until().map_or(from, |until| until.max(from));
        }
        if let Some(slope) = limit.slope(event) {
            return self.ramp.earliest(units, from, slope, limit);
        }
        let Some(room) = limit.limit().checked_sub(units) else { return NEVER };
        let mut next = self.steps.partition_point(|step| step.at <= from);
        let mut level = next.checked_sub(1).map_or(0, |at| self.steps[at].level);
        let (mut start, mut at) = (from, from);
        loop {
            #[cfg(test)]
            count_sweep();
            // What is used only falls: from `free` on the units fit, until the next step.
            let free = room.checked_sub(level).map_or(NEVER, |room| limit.used_down_to(room, event).max(at));
            let Some(&step) = self.steps.get(next) else { return if free > at { free } else { start } };
            if free < step.at {
                if free > at {
                    start = free;
                }
                if step.at >= limit.frees_at(start) {
                    return start;
                }
            } else {
                start = step.at;
            }
            (at, level) = (step.at, step.level);
            next += 1;
        }
    }

    fn raise(&mut self, start: Nanos, end: Nanos, units: u64) {
        let (first, last) = (self.step_at(start), self.step_at(end));
        for step in &mut self.steps[first..last] {
            step.level = step.level.saturating_add(units);
        }
    }

    /// The step at `at`; a new one where there is none.
    fn step_at(&mut self, at: Nanos) -> usize {
        let next = self.steps.partition_point(|step| step.at < at);
        if self.steps.get(next).is_none_or(|step| step.at != at) {
            let level = next.checked_sub(1).map_or(0, |before| self.steps[before].level);
            self.steps.insert(next, Step { at, level });
        }
        next
    }

    /// Keeps the loads of all reservations, so that a younger request need not go through them.
    fn load(&mut self, start: Nanos, held_until: Nanos, units: u64, limit: &Window) {
        let mut load = limit.in_window_at(start).saturating_add(units);
        for other in &mut self.reservations {
            if other.start <= start && start < other.held_until {
                load = load.saturating_add(other.units);
            }
            if start <= other.start && other.start < held_until {
                other.load = other.load.saturating_add(units);
                self.heaviest = self.heaviest.max(other.load);
            }
        }
        self.heaviest = self.heaviest.max(load);
        self.reservations.push(Reservation { start, held_until, units, load });
    }
}

#[cfg(test)]
thread_local! {
    static SWEEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Another step.
#[cfg(test)]
pub(super) fn count_sweep() {
    SWEEPS.with(|sweeps| sweeps.set(sweeps.get() + 1));
}

/// How many steps of profiles this thread has gone through.
#[cfg(test)]
pub(super) fn sweeps() -> u64 {
    SWEEPS.get()
}
