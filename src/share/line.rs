//! Which ticket goes first: the oldest one of the highest class.
//!
//! Where its throttler has a *patience*, a request rises by one class for each length of it that it waits, without steps in
//! between, up to the highest class of any ticket. Those that have reached it go by age, so that no later one is served
//! first. A ticket says of what class it is and how it rises, not how far it has risen: so the order is that of each visit.
//! Its member visits when it has reached the highest class, so that the others hear of it.

use serde::{Deserialize, Serialize};

use crate::clock::Nanos;

use super::state::{Member, MemberId, ScopeState, Ticket};

/// The class of a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Class {
    /// The higher goes first. `None`: before all, as what others wait for hangs on it.
    pub priority: Option<i16>,
    /// How long it waits for each class that it rises by; `None`: it keeps its own.
    pub patience: Option<Nanos>,
}

/// Where a ticket stands: the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TicketOrder {
    /// How far it is below the highest class, in 65536ths of a class; `None`: before all.
    below: Option<u64>,
    since: i64,
    member: MemberId,
}

/// Parts of a class.
const CLASS: u128 = 1 << 16;

/// The order of the tickets at one visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    clock: Nanos,
    /// The highest class of any ticket.
    highest: i16,
}

impl Line {
    pub(super) fn of(state: &ScopeState) -> Self {
        let tickets = state.members.iter().filter_map(|member| member.ticket.as_ref());
        let highest = tickets.filter_map(|ticket| ticket.class.priority).max();
        Self { clock: state.clock, highest: highest.unwrap_or(i16::MAX) }
    }

    fn below(&self, ticket: &Ticket) -> Option<u64> {
        let priority = ticket.class.priority?;
        let below = u128::from(self.highest.abs_diff(priority.min(self.highest)));
        let waited = u128::try_from(i128::from(self.clock) - i128::from(ticket.since)).unwrap_or(0);
        let risen = ticket.class.patience.map_or(0, |patience| waited * CLASS / u128::from(patience.max(1)));
        let left = (CLASS * below).saturating_sub(risen);
        Some(u64::try_from(left).unwrap_or(u64::MAX))
    }

    /// In how long a member's ticket will have risen to the highest class; `None` if it has, or never does.
    pub(super) fn rises_in(&self, member: &Member) -> Option<Nanos> {
        let ticket = member.ticket.as_ref()?;
        let (below, patience) = (self.below(ticket).filter(|&below| below > 0)?, ticket.class.patience?);
        let left = (u128::from(below) * u128::from(patience)).div_ceil(CLASS);
        Some(u64::try_from(left).unwrap_or(Nanos::MAX))
    }

    /// Where a member's ticket stands; `None` if it has none.
    pub(super) fn standing(&self, member: &Member) -> Option<TicketOrder> {
        let ticket = member.ticket.as_ref()?;
        Some(TicketOrder { below: self.below(ticket), since: ticket.since, member: member.id })
    }
}
