//! Who should hold how much: a pure function of the state.
//!
//! Requests that their members' fair share cannot serve (tickets) come first, in order of class and age (see
//! [`line`](super::line)): for each, all that it needs of all its limits is reserved, if what is left has it whole; only the
//! first is reserved a part. So the first gets everything first, and those reserved beside it all fit at once: nobody gathers
//! a part of something for ever.
//!
//! What remains of each limit is shared max-min by demand: units in use or waited for. What nobody demands stays where it
//! is.
//!
//! A member that was called and did not come (stopped, or gone and not yet known to be) keeps what it has, and gets nothing:
//! nobody waits for it.

use crate::clock::Nanos;

use super::line::Line;
use super::state::{Member, ScopeState};
use super::water::{Want, share_out};

/// Who has not come for so long after a call is absent.
pub(super) const ABSENT: Nanos = 1_000_000_000;

pub(super) struct Targets {
    /// By member and part.
    pub targets: Vec<Vec<u64>>,
    /// What is reserved for the tickets, by member and part.
    pub floors: Vec<Vec<u64>>,
    /// The members whose tickets were admitted, in their order.
    pub admitted: Vec<usize>,
    /// By budget: whether more is demanded than there is.
    pub contended: Vec<bool>,
    /// By budget: units in the pool that nobody demands.
    pub spare: Vec<u64>,
    /// By budget: the present members that have a part of it, and which part.
    pub users: Vec<Vec<(usize, usize)>>,
}

impl ScopeState {
    pub(super) fn is_present(&self, member: &Member) -> bool {
        member.called.is_none_or(|since| self.clock < since.saturating_add(ABSENT))
    }

    pub(super) fn targets(&self) -> Targets {
        let members = &self.members;
        let zeros = || members.iter().map(|member| vec![0; member.parts.len()]).collect::<Vec<Vec<u64>>>();
        let present: Vec<bool> = members.iter().map(|member| self.is_present(member)).collect();
        let mut users: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.budgets.len()];
        let mut totals: Vec<i128> = self.budgets.iter().map(|budget| budget.pool.into()).collect();
        let (mut targets, mut floors) = (zeros(), zeros());
        for (at, member) in members.iter().enumerate() {
            for (nth, part) in member.parts.iter().enumerate() {
                if present[at] {
                    users[part.budget as usize].push((at, nth));
                    totals[part.budget as usize] += i128::from(part.held);
                } else {
                    targets[at][nth] = part.held;
                }
            }
        }
        let totals: Vec<u64> = totals.into_iter().map(|total| u64::try_from(total).unwrap_or(0)).collect();
        let mut left = totals.clone();
        let mut is_short = vec![false; self.budgets.len()];
        for (budget, users) in users.iter().enumerate().filter(|&(at, _)| self.budgets[at].pool < 0) {
            // Free units pay first: who has others in use keeps these, so that nobody uses free ones beside them.
            let used =
                |&(at, nth): &(usize, usize)| members[at].parts[nth].used.min(members[at].parts[nth].held);
            let all = users.iter().map(used).fold(0, u64::saturating_add);
            is_short[budget] = all > totals[budget];
            left[budget] = totals[budget].saturating_sub(all);
            if !is_short[budget] {
                users.iter().for_each(|user| floors[user.0][user.1] = used(user));
            }
        }
        let admitted = self.admit(&present, left, &mut floors);

        let mut contended = vec![false; self.budgets.len()];
        let mut spare = vec![0; self.budgets.len()];
        for (budget, users) in users.iter().enumerate() {
            let limit = self.budgets[budget].limit;
            let held = |&(at, nth): &(usize, usize)| members[at].parts[nth].held;
            if is_short[budget] {
                // More is in use than there is: nobody uses what comes free.
                contended[budget] = true;
                continue;
            }
            if self.is_locked(budget) {
                // Nobody grows. But a limit that has become smaller is paid off.
                let wants: Vec<Want> =
                    users.iter().map(|user| Want { cap: held(user), ..Want::default() }).collect();
                for (user, share) in users.iter().zip(share_out(totals[budget], &wants)) {
                    targets[user.0][user.1] = share;
                }
                contended[budget] = true;
                continue;
            }
            let wants: Vec<Want> = (users.iter())
                .map(|user| {
                    let floor = floors[user.0][user.1];
                    let part = &members[user.0].parts[user.1];
                    Want { floor, cap: part.demand.min(limit).max(floor), has: part.held, grain: part.need }
                })
                .collect();
            let total = totals[budget];
            let demanded: u128 = wants.iter().map(|want| u128::from(want.cap)).sum();
            contended[budget] = demanded > u128::from(total);
            let shares = share_out(total, &wants);
            for (user, share) in users.iter().zip(&shares) {
                targets[user.0][user.1] = *share;
            }
            if !contended[budget] {
                let left = total - demanded as u64;
                let surplus: Vec<Want> = (users.iter().zip(&shares))
                    .map(|(user, share)| Want { cap: held(user).saturating_sub(*share), ..Want::default() })
                    .collect();
                let kept = share_out(left, &surplus);
                users.iter().zip(&kept).for_each(|(user, kept)| targets[user.0][user.1] += kept);
                spare[budget] = left - kept.iter().sum::<u64>();
            }
        }
        Targets { targets, floors, admitted, contended, spare, users }
    }

    /// Reserves what tickets need, and returns the members whose ticket was admitted, in the order of the tickets.
    /// `left`: what is not reserved yet.
    fn admit(&self, present: &[bool], mut left: Vec<u64>, floors: &mut [Vec<u64>]) -> Vec<usize> {
        let mut tickets: Vec<_> = (self.members.iter().enumerate())
            .filter(|&(at, _)| present[at])
            .filter_map(|(at, member)| Some((at, member.ticket.as_ref()?)))
            // One that never passes, as another table has a smaller limit, must not keep others waiting.
            .filter(|(_, ticket)| {
                ticket.needs.iter().all(|&(budget, n)| n <= self.budgets[budget as usize].limit)
            })
            .collect();
        let line = Line::of(self);
        tickets.sort_by_key(|&(at, _)| line.standing(&self.members[at]));
        let mut admitted = Vec::new();
        for (at, ticket) in tickets {
            let whole = ticket.needs.iter().all(|&(budget, units)| units <= left[budget as usize]);
            if !whole && !admitted.is_empty() {
                continue;
            }
            for &(budget, units) in &ticket.needs {
                let units = units.min(left[budget as usize]);
                left[budget as usize] -= units;
                let parts = &self.members[at].parts;
                if let Some(nth) = parts.iter().position(|part| part.budget == budget) {
                    floors[at][nth] += units;
                }
            }
            admitted.push(at);
        }
        admitted
    }
}
