//! Units that come free by themselves: what was spent and posted, and what the dead held.

use serde::{Deserialize, Serialize};

use crate::clock::{Nanos, WallNanos};

use super::state::{Budget, Member, ScopeState};
use super::terms::{CHUNKS, Kind};
use super::time::{Moment, STALE, span};

/// Units of a budget that nobody may take before an instant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Quarantined {
    /// By the scope's clock; of a quota, by wall time.
    pub at: i64,
    pub units: u64,
    pub why: Why,
}

/// Why units are in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Why {
    /// A member has used them: the exchange has certainly counted them.
    Used,
    /// A dead member held them, used or not; or nobody knows who has used them.
    Unknown,
    /// Others have used them: see [`tally`](super::tally).
    Others,
    /// Others are expected to use them.
    Expected,
    /// Others may have used them, if the exchange had not counted what was in flight.
    Doubted,
}

impl Why {
    /// Whether it is given up when the next number of the exchange says more.
    pub(super) fn is_guess(self) -> bool {
        matches!(self, Self::Expected | Self::Doubted)
    }
}

/// When units that a member has used come free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FreeAt {
    /// Of requests that may be under way still: as if the member died now.
    InFlight,
    /// After so long.
    In(Nanos),
    /// At this boundary of a quota.
    Boundary(WallNanos),
}

/// How carefully instants are computed.
#[derive(Clone, Copy)]
pub(super) struct Care {
    /// For how long what was sent may still arrive.
    pub arrival: Nanos,
    /// How far the clocks of the wall may be apart.
    pub margin: WallNanos,
    /// Whether the store's time may be a little old ([`STALE`]).
    pub leases: bool,
}

impl Budget {
    /// Locks units up until `at`.
    pub(super) fn quarantine(&mut self, at: i64, units: u64, why: Why) {
        if units == 0 {
            return;
        }
        match self.quarantine.binary_search_by_key(&(at, why), |some| (some.at, some.why)) {
            Ok(place) => self.quarantine[place].units += units,
            Err(place) => self.quarantine.insert(place, Quarantined { at, units, why }),
        }
    }

    /// The instant on the time line of this budget's quarantine.
    pub(super) fn instant(&self, clock: Nanos, wall: WallNanos) -> i64 {
        if self.kind == Kind::Rolling { clock as i64 } else { wall }
    }

    /// When units come free that `free` says this about, on the time line of this budget's quarantine.
    pub(super) fn free_at(&self, free: FreeAt, clock: Nanos, care: Care, moment: &Moment<'_>) -> i64 {
        let stale = if care.leases { STALE } else { 0 };
        match (&self.kind, free) {
            (Kind::Rolling, FreeAt::In(after)) => {
                let bucket = (self.interval / CHUNKS).max(1);
                (clock + after + stale).div_ceil(bucket).saturating_mul(bucket) as i64
            }
            (Kind::Rolling, _) => (clock + care.arrival + self.interval + stale) as i64,
            (Kind::Quota(_), FreeAt::Boundary(at)) => at.saturating_add(care.margin),
            (Kind::Quota(_), FreeAt::In(_) | FreeAt::InFlight) => {
                let last_arrival = moment.wall.saturating_add_unsigned(care.arrival + stale);
                self.boundary(last_arrival + care.margin, moment) + care.margin
            }
        }
    }

    /// A quota's first boundary after `wall`. One that nobody can work out here comes after two periods at the latest.
    fn boundary(&self, wall: WallNanos, moment: &Moment<'_>) -> WallNanos {
        let known = match &self.kind {
            Kind::Quota(resets) => (moment.boundary_after)(resets, wall),
            Kind::Rolling => None,
        };
        known.unwrap_or_else(|| wall.saturating_add_unsigned(self.interval.saturating_mul(2)))
    }

    /// When units of a member that died at `death` come free.
    fn free_after_death(&self, death: Nanos, clock: Nanos, care: Care, moment: &Moment<'_>) -> i64 {
        match self.kind {
            Kind::Rolling => (death + care.arrival + self.interval) as i64,
            Kind::Quota(_) => {
                let ago = clock.saturating_sub(death);
                let last_arrival =
                    moment.wall.saturating_add_unsigned(care.arrival).saturating_sub_unsigned(ago);
                self.boundary(last_arrival + care.margin, moment) + care.margin
            }
        }
    }

    /// How long until the next units come free.
    pub(super) fn next_due(&self, clock: Nanos, wall: WallNanos) -> Option<Nanos> {
        let next = self.quarantine.first()?.at;
        Some(match self.kind {
            Kind::Rolling => u64::try_from(next).unwrap_or(0).saturating_sub(clock),
            Kind::Quota(_) => span(wall, next),
        })
    }
}

impl ScopeState {
    /// Moves units of a member into quarantine. It cannot post more than it holds.
    pub(super) fn post(
        &mut self,
        (member, part): (usize, usize),
        units: u64,
        free: FreeAt,
        care: Care,
        moment: &Moment<'_>,
    ) {
        let part = &mut self.members[member].parts[part];
        let units = units.min(part.held);
        part.held -= units;
        // It has said that it had used them: that they are in quarantine says it from now on.
        part.counted.iter_mut().for_each(|counted| counted.units = counted.units.saturating_sub(units));
        let budget = &mut self.budgets[part.budget as usize];
        let at = budget.free_at(free, self.clock, care, moment);
        budget.quarantine(at, units, if free == FreeAt::InFlight { Why::Unknown } else { Why::Used });
    }

    /// What has come free goes into the pool.
    pub(super) fn free_due(&mut self, wall: WallNanos) {
        for budget in &mut self.budgets {
            let now = budget.instant(self.clock, wall);
            let due = budget.quarantine.partition_point(|some| some.at <= now);
            let units: u64 = budget.quarantine.drain(..due).map(|some| some.units).sum();
            budget.pool += units as i64;
        }
    }

    /// Removes members that are dead; what they held comes free once nothing of theirs can arrive any more, and an
    /// interval later. The visitor lives.
    pub(super) fn reap(&mut self, visitor: super::MemberId, care: Care, moment: &Moment<'_>) {
        let clock = self.clock;
        let death = |member: &Member| match member.lease_end {
            _ if member.id == visitor => None,
            Some(end) => Some(end).filter(|&end| end <= clock),
            None => (moment.is_dead)(member.id).then_some(clock),
        };
        let dead: Vec<(Member, Nanos)> =
            self.members.extract_if(.., |member| death(member).is_some()).map(|one| (one, clock)).collect();
        if dead.is_empty() {
            return;
        }
        for (member, now) in dead {
            let death = member.lease_end.unwrap_or(now);
            let care = Care { arrival: member.arrival, ..care };
            for part in member.parts {
                let budget = &mut self.budgets[part.budget as usize];
                let at = budget.free_after_death(death, now, care, moment);
                budget.quarantine(at, part.held, Why::Unknown);
            }
        }
        self.settle_terms();
        self.tidy();
    }
}
