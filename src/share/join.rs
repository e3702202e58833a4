//! Joining with a table, changing it, and which terms hold when tables differ.

use crate::clock::Nanos;

use super::reclaim::{Care, FreeAt, Why};
use super::state::{Budget, Member, MemberPart, PausedUntil, ScopeState};
use super::terms::{Conflict, Kind, OnConflict, Terms, in_words};
use super::time::Moment;
use super::visit::Request;

impl ScopeState {
    /// Gives the visitor the parts that its table has, in the order of the table, and returns its index. What it held of
    /// limits that its table no longer has is locked up as if it had died with them. `behind`: how much later than the
    /// scope's clock it may be.
    pub(super) fn declare(
        &mut self,
        request: &Request,
        care: Care,
        behind: Nanos,
        moment: &Moment<'_>,
    ) -> Result<usize, Box<Conflict>> {
        let member = self.position(request.member).unwrap_or_else(|| {
            self.members.push(Member {
                id: request.member,
                about: request.about.clone(),
                // What it released as a member of another document, or before it was taken for dead, counts no more.
                sequence: request.sequence,
                lease_end: None,
                arrival: request.arrival,
                // No table has this number yet: it has no part.
                table: request.table_id.wrapping_sub(1),
                called: None,
                ticket: None,
                parts: Vec::new(),
            });
            self.members.len() - 1
        });
        if self.members[member].table == request.table_id {
            return Ok(member);
        }
        let mut parts = Vec::with_capacity(request.table.len());
        let mut refused = None;
        for terms in request.table.iter() {
            let budget = match self.budget_for(member, terms, request, behind) {
                Ok(budget) => budget,
                // One who surely lives may disagree about another limit.
                Err(conflict) if conflict.is_overdue => {
                    refused.get_or_insert(conflict);
                    continue;
                }
                Err(conflict) => return Err(conflict),
            };
            let old = self.members[member].parts.iter().position(|part| part.budget == budget);
            let old = old.map(|at| self.members[member].parts.swap_remove(at)).unwrap_or_default();
            let variant = self.variant_of(budget, terms);
            parts.push(MemberPart { budget, variant, ..old });
        }
        if let Some(conflict) = refused {
            return Err(conflict);
        }
        // What the table no longer has.
        for left in 0..self.members[member].parts.len() {
            let held = self.members[member].parts[left].held;
            self.post((member, left), held, FreeAt::InFlight, care, moment);
        }
        let member_row = &mut self.members[member];
        (member_row.parts, member_row.table, member_row.ticket) = (parts, request.table_id, None);
        self.settle_terms();
        self.tidy();
        Ok(member)
    }

    /// The budget of an id, new if there is none yet.
    fn budget_for(
        &mut self,
        member: usize,
        terms: &Terms,
        request: &Request,
        behind: Nanos,
    ) -> Result<u32, Box<Conflict>> {
        let Some(at) = self.budgets.iter().position(|budget| budget.id == terms.id) else {
            self.budgets.push(Budget {
                id: terms.id.clone(),
                kind: terms.kind.clone(),
                reserve: terms.reserve.clone(),
                variants: vec![(terms.limit, terms.interval)],
                tabled: terms.limit,
                told: None,
                limit: terms.limit,
                interval: terms.interval,
                pool: terms.limit as i64,
                quarantine: Vec::new(),
                tally: None,
                locked_until: self.lock_for(terms.interval, request),
                pause: PausedUntil::default(),
            });
            return Ok(self.budgets.len() as u32 - 1);
        };
        let budget = &self.budgets[at];
        let users = (self.members.iter().enumerate())
            .filter(|&(other, _)| other != member)
            .flat_map(|(_, one)| one.parts.iter().map(move |part| (one, part)))
            .filter(|(_, part)| part.budget as usize == at);
        let mut shared = false;
        let mut refused: Option<Box<Conflict>> = None;
        for (other, part) in users {
            shared = true;
            let (limit, interval) = budget.variants[part.variant as usize];
            let differs = (limit, interval) != (terms.limit, terms.interval);
            // Neither table's kind or reserve is right for both.
            let smallest_helps = budget.kind == terms.kind && budget.reserve == terms.reserve;
            if !smallest_helps || (differs && request.on_conflict == OnConflict::Refuse) {
                let is_overdue = other.lease_end.is_some_and(|end| end <= self.clock + behind);
                if is_overdue && refused.is_some() {
                    continue;
                }
                let conflict = refused.insert(Box::new(Conflict {
                    id: terms.id.clone(),
                    ours: in_words(terms.limit, terms.interval, &terms.kind, &terms.reserve),
                    theirs: in_words(limit, interval, &budget.kind, &budget.reserve),
                    holder: other.about.to_string(),
                    smallest_helps,
                    is_overdue,
                    epoch: self.epoch,
                    clock: self.clock,
                }));
                if !conflict.is_overdue {
                    break;
                }
            }
        }
        if let Some(conflict) = refused {
            return Err(conflict);
        }
        if !shared {
            if budget.kind != terms.kind {
                self.change_kind(at, &terms.kind);
            }
            self.budgets[at].reserve.clone_from(&terms.reserve);
        }
        Ok(at as u32)
    }

    /// Nobody else uses the budget: what is in quarantine stays there for as long as it would have.
    fn change_kind(&mut self, budget: usize, kind: &Kind) {
        let (clock, wall) = (self.clock as i64, self.seen_wall);
        let budget = &mut self.budgets[budget];
        let onto = |kind: &Kind| if *kind == Kind::Rolling { clock } else { wall };
        let shift = onto(kind) - onto(&budget.kind);
        budget.quarantine.iter_mut().for_each(|some| some.at += shift);
        budget.kind = kind.clone();
    }

    /// The place of a table's terms among the budget's; the place of terms that nobody has any more is used again.
    fn variant_of(&mut self, budget: u32, terms: &Terms) -> u32 {
        let wanted = (terms.limit, terms.interval);
        let variants = &mut self.budgets[budget as usize].variants;
        if let Some(at) = variants.iter().position(|&one| one == wanted) {
            return at as u32;
        }
        let mut used = vec![false; variants.len()];
        let parts = self.members.iter().flat_map(|member| &member.parts);
        parts.filter(|part| part.budget == budget).for_each(|part| used[part.variant as usize] = true);
        match used.iter().position(|&used| !used) {
            Some(at) => {
                variants[at] = wanted;
                at as u32
            }
            None => {
                variants.push(wanted);
                variants.len() as u32 - 1
            }
        }
    }

    /// Of each budget, the smallest limit and the longest interval of the tables that have it hold from now on.
    pub(super) fn settle_terms(&mut self) {
        let mut in_effect: Vec<Option<(u64, u64)>> = vec![None; self.budgets.len()];
        for part in self.members.iter().flat_map(|member| &member.parts) {
            let (limit, interval) = self.budgets[part.budget as usize].variants[part.variant as usize];
            let best = in_effect[part.budget as usize].get_or_insert((limit, interval));
            *best = (best.0.min(limit), best.1.max(interval));
        }
        for (budget, terms) in self.budgets.iter_mut().zip(in_effect) {
            let Some((limit, interval)) = terms else { continue };
            self.terms_changed |= (limit, interval) != (budget.tabled, budget.interval);
            if limit != budget.tabled {
                // The tables know better now, until the exchange says it again.
                (budget.tabled, budget.told) = (limit, None);
            }
            budget.enforce();
            let longer = interval as i64 - budget.interval as i64;
            budget.interval = interval;
            if longer != 0 && budget.kind == Kind::Rolling {
                budget.quarantine.iter_mut().for_each(|some| some.at += longer);
            }
            if longer > 0 && budget.kind == Kind::Rolling {
                // What had left the shorter window may still be in the longer one.
                let free = u64::try_from(budget.pool).unwrap_or(0);
                budget.pool -= free as i64;
                budget.quarantine(self.clock as i64 + longer, free, Why::Unknown);
            }
        }
    }
}
