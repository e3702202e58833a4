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

/// What is left of a pause of all limits of the scope. A member's table may have others than the one who was told, and more of
/// them later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScopePause {
    pub left: Nanos,
    pub reason: String,
}

/// An end that is later by no more is the same: told back and forth, a pause must not grow.
pub(crate) const SAME_END: Nanos = 10_000_000;

impl PausedUntil {
    /// Of two pauses the one that ends later holds. Whether that is this one.
    fn hear(&mut self, clock: Nanos, left: Nanos, reason: &str) -> bool {
        let until = clock.saturating_add(left);
        let is_later = until > self.until.max(clock).saturating_add(SAME_END);
        if is_later {
            *self = Self { until, reason: reason.to_owned() };
        }
        is_later
    }

    fn end_by(&mut self, clock: Nanos) {
        if 0 < self.until && self.until <= clock {
            *self = Self::default();
        }
    }

    fn left(&self, clock: Nanos) -> Option<Nanos> {
        self.until.checked_sub(clock).filter(|&left| left > 0)
    }
}

impl ScopeState {
    /// Notes what the visitor was told; all must hear of it.
    pub(super) fn hear_pauses(&mut self, member: usize, request: &Request) {
        let clock = self.clock;
        for Pause { limit, left, reason } in &request.pauses {
            let Some(part) = self.members[member].parts.get(*limit) else { continue };
            self.terms_changed |= self.budgets[part.budget as usize].pause.hear(clock, *left, reason);
        }
        if let Some(ScopePause { left, reason }) = &request.scope_pause {
            self.terms_changed |= self.pause.hear(clock, *left, reason);
        }
        self.budgets.iter_mut().for_each(|budget| budget.pause.end_by(clock));
        self.pause.end_by(clock);
    }

    /// The pauses of a member's limits, whether they are of one of them or of all.
    pub(super) fn tell_pauses(&self, member: usize) -> Vec<Pause> {
        let parts = self.members[member].parts.iter().enumerate();
        let pauses = parts.filter_map(|(limit, part)| {
            let own = &self.budgets[part.budget as usize].pause;
            let pause = if own.until < self.pause.until { &self.pause } else { own };
            Some(Pause { limit, left: pause.left(self.clock)?, reason: pause.reason.clone() })
        });
        pauses.collect()
    }

    /// The pause of the scope.
    pub(super) fn tell_scope_pause(&self) -> Option<ScopePause> {
        Some(ScopePause { left: self.pause.left(self.clock)?, reason: self.pause.reason.clone() })
    }
}
