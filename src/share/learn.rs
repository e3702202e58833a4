//! A store that has forgotten: members say again what they hold, and nobody grows until all have.
//!
//! A document that is not there may never have been, or may be lost; one of another incarnation may be older than what
//! its members were told. A member that comes from another epoch of the document claims what its gate may use; these
//! claims cannot add up to more than the limit, as the gates' limits never did. Those who do not come by then are dead:
//! with leases after a lease and what they sent after an arrival and an interval; with a file, the store knows who lives.
//!
//! Of a long window, what had been posted is lost with the document. If anybody knows of a loss, its pool opens after a
//! whole interval. If nobody does, it counts as a first start.

use crate::clock::Nanos;

use super::state::ScopeState;
use super::terms::LONG;
use super::time::{Moment, STALE};
use super::visit::Request;

impl ScopeState {
    /// The scope as a visit finds it: begun anew if there is no document, and emptied of members if it may be an old one.
    pub(super) fn find(document: Option<Self>, request: &Request, moment: &Moment<'_>) -> Self {
        let mut state = match document {
            Some(state) if state.incarnation == moment.incarnation => return state,
            Some(mut old) => {
                for part in old.members.drain(..).flat_map(|member| member.parts) {
                    old.budgets[part.budget as usize].pool += part.held as i64;
                }
                old
            }
            None => Self {
                timeline: moment.timeline.to_owned(),
                seen: moment.now,
                seen_wall: moment.wall,
                ..Self::default()
            },
        };
        state.epoch = moment.fresh;
        state.incarnation = moment.incarnation.to_owned();
        state.born = state.clock;
        state.learning = true;
        for at in 0..state.budgets.len() {
            let interval = state.budgets[at].interval;
            state.budgets[at].tally = None;
            state.budgets[at].locked_until = state.lock_for(interval, request);
        }
        state
    }

    /// Until when nobody grows of a limit with this interval.
    pub(super) fn lock_for(&self, interval: Nanos, request: &Request) -> Nanos {
        let interval = if self.lost { interval } else { interval.min(LONG) };
        match request.lease {
            Some(lease) => self.born + lease + request.arrival + interval + 2 * STALE,
            None if self.lost => self.born + request.arrival + interval,
            None => 0,
        }
    }

    /// The visitor knows of an older document: pools open only when what that one knew of is free.
    pub(super) fn know_loss(&mut self, request: &Request) {
        self.lost = true;
        for at in 0..self.budgets.len() {
            let until = self.lock_for(self.budgets[at].interval, request);
            self.budgets[at].locked_until = self.budgets[at].locked_until.max(until);
        }
    }

    /// The visitor was no member of this document. If it was one of a document that is lost, it holds what it says.
    pub(super) fn claim(&mut self, member: usize, request: &Request) {
        if !self.comes_from_another(request) {
            return;
        }
        self.know_loss(request);
        for (part, said) in self.members[member].parts.iter_mut().zip(&request.limits) {
            let budget = &mut self.budgets[part.budget as usize];
            // With leases, one who comes too late has lost what it held by its own clock, too.
            if request.lease.is_none() || self.clock < budget.locked_until {
                part.held += said.in_hand;
                budget.pool -= said.in_hand as i64;
            }
        }
    }

    /// Ends the learning of a store that knows who lives, once all have come who may hold what the document lacks. One
    /// who ends before has not said what it held, and may have used it until just now: nobody grows until that is free.
    pub(super) fn learn(&mut self, request: &Request, moment: &Moment<'_>) {
        if !self.learning {
            return;
        }
        self.learning = (moment.elders)().into_iter().any(|elder| self.position(elder).is_none());
        self.lost |= self.learning;
        if self.lost {
            for budget in &mut self.budgets {
                let until = self.clock + request.arrival + budget.interval;
                budget.locked_until = budget.locked_until.max(until);
            }
        }
    }

    /// Whether the visitor was a member of a document that is lost.
    pub(super) fn comes_from_another(&self, request: &Request) -> bool {
        request.epoch != 0 && request.epoch != self.epoch
    }

    pub(super) fn is_locked(&self, budget: usize) -> bool {
        self.learning || self.clock < self.budgets[budget].locked_until
    }
}
