//! A limit and a part of it: two limits, of which the second counts some of the requests of the first, as the first does.

use crate::clock::Nanos;

use super::bucket::Slope;
use super::stamps::Stamps;
use super::window::Window;

/// What a part has of a limit, if the exchange says that the limit is so large: what is kept from the part becomes smaller as
/// the limit does, so that something is left as long as anything is there. `all` and `part`: by the table.
pub(crate) fn part_told(told: u64, all: u64, part: u64) -> u64 {
    let kept = u128::from(all.saturating_sub(part)) * u128::from(told) / u128::from(all.max(1));
    told.saturating_sub(u64::try_from(kept).unwrap_or(u64::MAX))
}

impl Window {
    /// How many units of this limit are none of `part`, now or at any time from now on, as long as nothing enters: those
    /// who enter both make it no more. `event`: up to then buckets count as drained, if not longer.
    pub fn beyond(&self, part: &Self, now: Nanos, event: Nanos) -> u64 {
        if self.interval() > part.interval() {
            // Here units of the part stay when they are gone there.
            return self.used();
        }
        let in_flight = i128::from(self.in_flight) - i128::from(part.in_flight);
        if let (Some(own), Some(of_part)) = (self.slope(event), part.slope(event)) {
            if own.unit != of_part.unit || own.drain < of_part.drain {
                return self.used();
            }
            let level = |slope: Slope| slope.level_at(event.max(slope.at)) as i128;
            let more = u128::try_from(level(own) - level(of_part)).unwrap_or(0).div_ceil(own.unit.into());
            // This one drains faster. When nothing of it is left but what is in flight, the part still drains.
            return u64::try_from(i128::try_from(more).unwrap_or(i128::MAX).max(in_flight))
                .unwrap_or(u64::MAX);
        }
        let differ = |at: Nanos| i128::from(self.in_window_at(at)) - i128::from(part.in_window_at(at));
        let mut most = differ(now);
        if let Stamps::First(first) = &self.stamps {
            // What came free of the part alone makes the difference larger until more of this comes free.
            let ends = first.ends().iter().map(|(end, _)| end).filter(|&end| end > now);
            most = ends.map(|end| differ(end - 1)).fold(most, i128::max);
        }
        u64::try_from((most.max(0) + in_flight).max(0)).unwrap_or(u64::MAX)
    }
}
