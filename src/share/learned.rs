//! Limits that the exchange has changed: what it tells one member holds for all.
//!
//! The latest news counts, as far as the tables allow. News travels as its age, and the scope's clock never runs faster than
//! true time ([`super::time`]); of two that are of the same time, as far as anybody can tell, the smaller limit counts.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;

use super::pauses::SAME_END;
use super::state::{Budget, ScopeState};
use super::time::Moment;
use super::visit::Request;

/// What the exchange has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToldLimit {
    pub limit: u64,
    /// When the request left whose answer told it, by whatever clock. May be before its start.
    pub at: i64,
}

impl ToldLimit {
    /// What was told so long before `now`.
    pub(crate) fn of(limit: u64, age: Nanos, now: Nanos) -> Self {
        Self { limit, at: now as i64 - i64::try_from(age).unwrap_or(i64::MAX / 2) }
    }

    /// Its age at `now`.
    pub(crate) fn age(self, now: Nanos) -> Nanos {
        u64::try_from(now as i64 - self.at).unwrap_or(0)
    }

    /// Whether it holds in place of what is known. Of two, at most one holds in place of the other.
    pub(crate) fn replaces(self, known: Option<Self>) -> bool {
        let same = SAME_END as i64;
        known.is_none_or(|known| {
            let later = self.at > known.at.saturating_add(same);
            let at_once = self.at.saturating_add(same) >= known.at && self.limit < known.limit;
            self.limit != known.limit && (later || at_once)
        })
    }
}

impl Budget {
    /// Puts the smaller of the tables' limit and the exchange's in force. The pool is negative until a smaller one is paid
    /// off. Whether it is another one.
    pub(super) fn enforce(&mut self) -> bool {
        let limit = self.told.map_or(self.tabled, |told| told.limit.min(self.tabled));
        let changed = limit != self.limit;
        self.pool += limit as i64 - self.limit as i64;
        self.limit = limit;
        changed
    }
}

impl ScopeState {
    /// Notes what the visitor was told; all must hear of it. The process may have been stopped since it made the request.
    pub(super) fn hear_limits(&mut self, member: usize, request: &Request, moment: &Moment<'_>) {
        let waited = moment.local.saturating_sub(request.made_at);
        for (part, said) in self.members[member].parts.iter().zip(&request.limits) {
            let Some((limit, age)) = said.told else { continue };
            let told = ToldLimit::of(limit, age.saturating_add(waited), self.clock);
            let budget = &mut self.budgets[part.budget as usize];
            if told.replaces(budget.told) {
                budget.told = Some(told);
                budget.enforce();
                self.terms_changed = true;
            }
        }
    }
}
