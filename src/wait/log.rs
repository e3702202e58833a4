//! Reading what a throttler holds, and telling it what it should.

use crate::gate::LogEntry;

use super::throttler::Throttler;

impl Throttler {
    /// What is in the windows, since they were last rewritten.
    pub(crate) fn log(&self) -> Vec<LogEntry> {
        let mut state = self.state.lock();
        let now = state.now();
        state.gate.log(now)
    }

    /// Makes the windows hold what the log says and nothing else. What is in flight stays so.
    pub(crate) fn rewrite_log(&self, log: Vec<LogEntry>) {
        self.locked(|state, now, effects| {
            state.gate.rewrite_log(now, log);
            state.advance(now, effects);
        });
    }
}
