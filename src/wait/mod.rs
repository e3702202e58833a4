//! Ways to wait at a gate: the lock around it, the timers that advance it, and how a thread or a task waits its turn.
//! (How Python waits is in `python/`.)

#[cfg_attr(not(any(test, feature = "python")), allow(dead_code, reason = "only Python's blocks are nested"))]
mod block;
#[cfg(test)]
mod block_tests;
mod blocking;
#[cfg(feature = "python")]
mod fork;
#[cfg(feature = "python")]
mod log;
mod manual;
mod pass;
mod state;
mod throttler;
#[cfg(feature = "tokio")]
mod tokio;
mod turn;
mod watch;

pub use manual::ManualClock;
pub use pass::Pass;
pub use throttler::Throttler;

// What Python's ways to wait are made of.
#[cfg(feature = "python")]
pub(crate) use self::{
    block::{Block, Held, Nested},
    pass::Charge,
    throttler::{Entered, Entry, WeakThrottler},
    turn::{Ticket, Turn},
    watch::{Alarm, Looker, Station},
};
