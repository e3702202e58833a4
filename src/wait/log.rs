//! Reading and rewriting what is in the windows of a throttler, as Hummingbot's log of tasks.

use crate::gate::LogEntry;

use super::throttler::Throttler;

impl Throttler {
    /// What is in the windows, since they were last rewritten.
    pub(crate) fn log(&self) -> Vec<LogEntry> {
        let mut shared = self.shared.lock();
        let now = shared.now();
        shared.gate.log(now)
    }

    /// Makes the windows hold what the log says and nothing else. What is in flight stays so.
    pub(crate) fn rewrite_log(&self, log: Vec<LogEntry>) {
        self.locked(|shared, now, effects| {
            shared.gate.rewrite_log(now, log);
            shared.advance(now, effects);
        });
    }
}
