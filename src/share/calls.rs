//! Who is called: those who must give something back or hear something, and for whom there are units in the pool.
//!
//! Who is called for units must get some when it comes: one that does not would call the next one in vain, and that one
//! it again. So units are promised here in the order in which [`ScopeState::fill`] gives them: tickets first, oldest first, and
//! then those who have less.

use crate::clock::Nanos;

use super::state::{Member, MemberId, ScopeState};
use super::targets::Targets;
use super::visit::grain;

/// Who was called and did not come is called again after so long.
const CALL_AGAIN: Nanos = 250_000_000;

impl ScopeState {
    /// Which others must come: all if the terms have changed; those that should hold less than they think, those that did not
    /// know that units are short, and those for whom there are units in the pool, as far as these go.
    pub(super) fn wake(&self, targets: &Targets, visitor: Option<usize>) -> Vec<MemberId> {
        let served = self.served(targets);
        let calls = |(at, member): (usize, &Member)| {
            let absent = !self.is_present(member);
            let must_come = (member.parts.iter().zip(&targets.targets[at])).any(|(part, &target)| {
                let unaware = part.calm && targets.contended[part.budget as usize];
                // It relies on a share that it will not get, and has to show its ticket.
                let relies =
                    part.demand > part.held && member.ticket.is_none() && (unaware || target < part.told);
                // One who is stopped or missed a call: others want what it holds.
                let missed = absent && targets.contended[part.budget as usize];
                (part.held > 0 && ((target < part.held && target < part.told) || unaware || missed)) || relies
            });
            let heard = member.called.is_some_and(|since| self.clock < since + CALL_AGAIN);
            let asked = member.parts.iter().any(|part| self.asks(part));
            let must_come = must_come || served[at] || asked || self.terms_changed;
            (Some(at) != visitor && !heard && must_come).then_some(member.id)
        };
        self.members.iter().enumerate().filter_map(calls).collect()
    }

    /// By member: whether it would get units that are worth a visit.
    fn served(&self, targets: &Targets) -> Vec<bool> {
        let mut served = vec![false; self.members.len()];
        let mut rest = Vec::new();
        for (budget, users) in targets.users.iter().enumerate() {
            let mut pool = u64::try_from(self.budgets[budget].pool).unwrap_or(0);
            if pool == 0 || self.is_locked(budget) {
                continue;
            }
            let nth_of = |at: usize| users.iter().find(|user| user.0 == at).map(|user| user.1);
            for &at in &targets.admitted {
                let Some(nth) = nth_of(at) else { continue };
                let units =
                    targets.floors[at][nth].saturating_sub(self.members[at].parts[nth].held).min(pool);
                served[at] |= units > 0;
                pool -= units;
            }
            rest.clear();
            rest.extend(users.iter().filter_map(|&(at, nth)| {
                let held = self.members[at].parts[nth].held;
                let lacks = targets.targets[at][nth].saturating_sub(held.max(targets.floors[at][nth]));
                (lacks > 0).then_some((held, at, lacks))
            }));
            rest.sort_unstable();
            for &(held, at, lacks) in &rest {
                let units = lacks.min(pool);
                if units == 0 {
                    break;
                }
                served[at] |= units == lacks || held == 0 || units >= grain(self.budgets[budget].limit);
                pool -= units;
            }
        }
        served
    }

    pub(super) fn call(&mut self, wake: &[MemberId]) {
        let clock = self.clock;
        let called = self.members.iter_mut().filter(|member| wake.contains(&member.id));
        called.for_each(|member| member.called = member.called.or(Some(clock)));
    }
}
