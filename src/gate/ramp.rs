//! What is reserved of a bucket: its level over time, with a jump at each reservation, falling in between.
//!
//! Units that are taken earlier make the level higher for as long as it does not reach 0: while it would have been 0 without
//! them, they drain. So a request fits at an instant if the level has room for it then, and if at each later jump no more is
//! left of it than that jump, and those after it, have room for.

use crate::clock::Nanos;
use crate::limit::{Slope, Window, drained};

use super::plan::NEVER;

/// Units reserved at an instant.
#[derive(Clone, Copy, Debug)]
struct Jump {
    at: Nanos,
    units: u64,
    /// The level right after it.
    level: u128,
    /// How much higher the level may be right after it, without being too high here or at any later jump.
    room: u128,
}

/// The reservations of a bucket, sorted by time.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    jumps: Vec<Jump>,
}

/// The level at `at`, and how much of `more` that comes on top of it at `from` is left then.
fn fallen(level: u128, more: u128, drain: u64, span: Nanos) -> (u128, u128) {
    let without = drained(level, drain, span);
    (without, drained(level + more, drain, span) - without)
}

impl Ramp {
    pub fn clear(&mut self) {
        self.jumps.clear();
    }

    pub fn reserve(&mut self, at: Nanos, units: u64, slope: Slope, limit: &Window) {
        let next = self.jumps.partition_point(|jump| jump.at <= at);
        self.jumps.insert(next, Jump { at, units, level: 0, room: 0 });
        self.measure(slope, limit);
    }

    /// To be called when what is used has changed.
    pub fn measure(&mut self, slope: Slope, limit: &Window) {
        let most = slope.amount(limit.limit());
        let (mut at, mut level) = (slope.at, slope.level);
        for jump in &mut self.jumps {
            level = drained(level, slope.drain, jump.at.saturating_sub(at)) + slope.amount(jump.units);
            at = jump.at;
            (jump.level, jump.room) = (level, most.saturating_sub(level));
        }
        for later in (1..self.jumps.len()).rev() {
            let next = self.jumps[later];
            let jump = &mut self.jumps[later - 1];
            let span = next.at - jump.at;
            let before = drained(jump.level, slope.drain, span);
            // As much as has drained while the level was 0 may come on top.
            let idle = u128::from(slope.drain) * u128::from(span) - (jump.level - before);
            jump.room = jump.room.min(next.room + idle);
        }
    }

    /// The earliest instant from `from` on at which units fit, and leave all that is reserved whole.
    pub fn earliest(&self, units: u64, from: Nanos, slope: Slope, limit: &Window) -> Nanos {
        let Some(room) = limit.limit().checked_sub(units) else { return NEVER };
        let (amount, room) = (slope.amount(units), slope.amount(room));
        let from = from.max(slope.at).max(limit.paused_until().unwrap_or(0));
        let mut next = self.jumps.partition_point(|jump| jump.at <= from);
        let before = next.checked_sub(1).map(|before| self.jumps[before]);
        let (mut at, mut level) = before.map_or((slope.at, slope.level), |jump| (jump.at, jump.level));
        loop {
            #[cfg(test)]
            super::profile::count_sweep();
            let free = Slope { at, level, ..slope }.down_to(room);
            let start = free.max(at).max(from);
            let Some(&jump) = self.jumps.get(next) else { return start };
            if start < jump.at {
                let here = drained(level, slope.drain, start.saturating_sub(at));
                let (_, left) = fallen(here, amount, slope.drain, jump.at - start);
                if left <= jump.room {
                    return start;
                }
            }
            (at, level) = (jump.at, jump.level);
            next += 1;
        }
    }
}
