//! Pauses that every member keeps: what the exchange tells one of them holds for all.
//!
//! A pause is told as the time that is left of it, and the scope's clock never runs faster than true time ([`super::time`]). So
//! the others end it when the one who was told does, or later by as long as a visit takes; never before.

use crate::clock::Nanos;

use super::state::{PausedUntil, ScopeState};
use super::visit::Request;

/// What is left of a pause of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// Index into the table.
    pub limit: usize,
    pub left: Nanos,
    pub reason: String,
}

/// An end that is later by no more is the same: told back and forth, a pause must not grow.
pub(crate) const SAME_END: Nanos = 10_000_000;

impl ScopeState {
    /// Of two pauses the one that ends later holds; all must hear of it.
    pub(super) fn hear_pauses(&mut self, member: usize, request: &Request) {
        for Pause { limit, left, reason } in &request.pauses {
            let Some(part) = self.members[member].parts.get(*limit) else { continue };
            let until = self.clock.saturating_add(*left);
            let budget = &mut self.budgets[part.budget as usize];
            if until > budget.pause.until.max(self.clock).saturating_add(SAME_END) {
                budget.pause = PausedUntil { until, reason: reason.clone() };
                self.terms_changed = true;
            }
        }
        for budget in self.budgets.iter_mut().filter(|budget| budget.pause.until > 0) {
            if budget.pause.until <= self.clock {
                budget.pause = PausedUntil::default();
            }
        }
    }

    /// The pauses of a member's limits.
    pub(super) fn tell_pauses(&self, member: usize) -> Vec<Pause> {
        let parts = self.members[member].parts.iter().enumerate();
        let pauses = parts.filter_map(|(limit, part)| {
            let PausedUntil { until, reason } = &self.budgets[part.budget as usize].pause;
            let left = until.checked_sub(self.clock).filter(|&left| left > 0)?;
            Some(Pause { limit, left, reason: reason.clone() })
        });
        pauses.collect()
    }
}
