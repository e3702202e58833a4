//! Who holds what, for people.

use crate::clock::{Nanos, WallNanos};

use super::state::{About, MemberId, ScopeState};
use super::terms::Kind;

/// What a scope looks like at its last visit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Overview {
    pub members: Vec<MemberOverview>,
    pub limits: Vec<LimitOverview>,
    /// The store may have forgotten something: nobody grows until this is over.
    pub learning: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemberOverview {
    pub id: MemberId,
    pub about: About,
    /// How long until it counts as dead unless it visits; `None` where the store knows who lives.
    pub lease: Option<Nanos>,
    /// For how long it has been called and not come: it may be stopped.
    pub called_for: Option<Nanos>,
    /// For how long the oldest request that its fair share cannot serve has waited, and what it needs: (id, units).
    pub ticket: Option<(Nanos, Vec<(String, u64)>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LimitOverview {
    pub id: String,
    pub limit: u64,
    pub interval: Nanos,
    pub kind: Kind,
    /// By member of the overview: units held, and units in use or waited for at its last visit; `None` if its table lacks
    /// the limit.
    pub members: Vec<Option<(u64, u64)>>,
    /// Units that anybody may take; negative while a lowered limit is being paid off.
    pub pool: i64,
    /// Units that come free by themselves: (after, units).
    pub quarantine: Vec<(Nanos, u64)>,
    /// How long until anybody can get more, if the store has forgotten.
    pub locked_for: Nanos,
}

impl LimitOverview {
    /// Units that are used, waited for or held ready, as far as the members have told.
    pub(crate) fn used(&self) -> u64 {
        self.used_beside(None)
    }

    /// The same, where it is known what one member uses now: (its place, units).
    pub(crate) fn used_beside(&self, known: Option<(usize, u64)>) -> u64 {
        let quarantined: u64 = self.quarantine.iter().map(|&(_, units)| units).sum();
        // Of a long window, that counts what a member keeps at hand for what comes: it may be used by now.
        let used = |(at, part): (usize, &Option<(u64, u64)>)| match (known, *part) {
            (Some((known, used)), Some((held, _))) if known == at => held.min(used),
            (_, part) => part.map_or(0, |(held, demand)| held.min(demand)),
        };
        quarantined + self.members.iter().enumerate().map(used).sum::<u64>()
    }
}

/// The state at `now` and `wall`, by the store's clocks.
pub(crate) fn overview(state: &ScopeState, now: Nanos, wall: WallNanos) -> Overview {
    let clock = state.clock + now.saturating_sub(state.seen);
    let members = (state.members.iter())
        .map(|member| MemberOverview {
            id: member.id,
            about: member.about.clone(),
            lease: member.lease_end.map(|end| end.saturating_sub(clock)),
            called_for: member.called.map(|since| clock.saturating_sub(since)),
            ticket: member.ticket.as_ref().map(|ticket| {
                let needs = ticket.needs.iter().map(|&(at, n)| (state.budgets[at as usize].id.clone(), n));
                (u64::try_from(clock as i64 - ticket.since).unwrap_or(0), needs.collect())
            }),
        })
        .collect();
    let limits = (state.budgets.iter().enumerate())
        .map(|(at, budget)| {
            let on_line = if budget.kind == Kind::Rolling { clock as i64 } else { wall };
            let after = |instant: i64| u64::try_from(instant - on_line).unwrap_or(0);
            // Who visits next finds them in the pool.
            let due = |budget: &super::state::Budget| -> u64 {
                let due = budget.quarantine.iter().filter(|some| after(some.at) == 0);
                due.map(|some| some.units).sum()
            };
            let part = |member: &super::state::Member| {
                let part = member.parts.iter().find(|part| part.budget as usize == at)?;
                Some((part.held, part.demand))
            };
            LimitOverview {
                id: budget.id.clone(),
                limit: budget.limit,
                interval: budget.interval,
                kind: budget.kind.clone(),
                members: state.members.iter().map(part).collect(),
                pool: budget.pool + due(budget) as i64,
                quarantine: (budget.quarantine.iter())
                    .map(|some| (after(some.at), some.units))
                    .filter(|&(after, _)| after > 0)
                    .collect(),
                locked_for: budget.locked_until.saturating_sub(clock),
            }
        })
        .collect();
    Overview { members, limits, learning: state.learning }
}
