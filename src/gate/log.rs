//! What is in the windows, to be read and rewritten: Hummingbot's log of tasks is made of it.

use std::sync::Arc;

use crate::clock::Nanos;

use super::enter::Gate;

/// Units in the window of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    /// The limit's id.
    pub id: Arc<str>,
    /// When they began to count down: one interval later they leave.
    pub stamp: Nanos,
    pub units: u64,
}

impl<W> Gate<W> {
    /// What is in the rolling windows since they were last rewritten: (id, stamp, units), by limit, oldest first. Limits
    /// that the table no longer has are left out, and so are quotas, which keep a count alone.
    pub fn log(&mut self, now: Nanos) -> Vec<LogEntry> {
        let mut log = Vec::new();
        for limit in self.limits.iter_mut().filter(|limit| limit.route.is_some() && limit.base.is_none()) {
            let Some(rolling) = limit.window.rolling_mut() else { continue };
            rolling.expire(now);
            let entry = |(stamp, units)| LogEntry { id: limit.id.clone(), stamp, units };
            log.extend(rolling.since_rewritten().map(entry));
        }
        log
    }

    /// Makes the rolling windows hold what the log says and nothing else; what is in flight stays so. Unknown ids are left
    /// out, and nothing counts from later than `now`. [`Gate::advance`] must follow.
    pub fn rewrite_log(&mut self, now: Nanos, mut log: Vec<LogEntry>) {
        self.changed = true;
        log.sort_by_key(|entry| entry.stamp);
        for limit in &mut self.limits {
            let own = log.iter().filter(|entry| entry.id == limit.id);
            if let Some(rolling) = limit.window.rolling_mut() {
                rolling.rewrite(now, own.map(|entry| (entry.stamp.min(now), entry.units)));
            }
        }
    }
}
