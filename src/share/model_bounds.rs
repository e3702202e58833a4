//! For how long units may be locked up in the model's store: no longer than is promised, whatever has happened.

use crate::clock::Nanos;

use super::model::Cluster;
use super::model_world::Fault;
use super::reclaim::Why;
use super::state::ScopeState;
use super::terms::{CHUNKS, Kind};
use super::time::STALE;

impl Cluster {
    /// The longest interval that any table ever has of a limit.
    fn longest(&self, limit: usize) -> Nanos {
        let later = self.world.faults.iter().filter_map(|(_, fault)| match fault {
            Fault::Table(at, _, interval) if *at == limit => Some(*interval),
            _ => None,
        });
        later.chain([self.world.table[limit].interval]).max().unwrap_or(0)
    }

    /// What a document says that is locked up for longer than it may be. `wall`: what the store's clock of the wall shows.
    pub(super) fn overdue(&self, state: &ScopeState, wall: i64) -> Option<String> {
        let (arrival, margin) = (self.world.arrival, self.world.margin);
        let lease = self.world.lease.unwrap_or(0);
        for budget in &state.budgets {
            let limit = self.table.iter().position(|terms| terms.id == budget.id)?;
            let interval = self.longest(limit);
            let now = budget.instant(state.clock, wall);
            for some in &budget.quarantine {
                let most = match some.why {
                    // Until the next boundary, by every clock.
                    _ if budget.kind != Kind::Rolling => arrival + STALE + 2 * margin + interval,
                    // From when a member has ended: then, something of it may still arrive.
                    Why::Unknown => arrival + interval + STALE,
                    Why::Used => interval + interval / CHUNKS + STALE,
                    // An eighth longer, if they may come again.
                    Why::Others => interval + interval / 8 + interval / CHUNKS + 1,
                    Why::Expected | Why::Doubted => interval + 1,
                };
                if some.at > now + most as i64 {
                    return Some(format!("{some:?} of limit {limit} at {now}, for at most {most}"));
                }
            }
            let locked = lease + arrival + interval + 2 * STALE;
            if budget.locked_until > state.clock + locked {
                return Some(format!(
                    "limit {limit} is locked until {} at {}",
                    budget.locked_until, state.clock
                ));
            }
        }
        let ends = |end: Nanos| end > state.clock + 2 * lease + STALE;
        let late = state.members.iter().find(|one| one.lease_end.is_some_and(ends));
        late.map(|one| format!("the lease of {:?} ends at {:?}, at {}", one.id, one.lease_end, state.clock))
    }
}
