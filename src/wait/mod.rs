//! Ways to wait at a gate: the lock around it, the timers that advance it, and how a thread or a task waits its turn.
//! (How Python waits is in `python/`.)

mod block;
#[cfg(test)]
mod block_tests;
mod blocking;
mod effects;
mod fork;
mod groups;
mod leases;
mod log;
mod loop_timer;
mod manual;
#[cfg(test)]
mod model_tests;
mod pass;
mod route;
mod shared;
mod throttler;
#[cfg(feature = "tokio")]
mod tokio;
mod turn;

pub use manual::ManualClock;
pub use pass::Pass;
pub use route::Route;
pub use throttler::Throttler;

// What Python's ways to wait are made of.
pub(crate) use self::{
    block::{Block, Deadlock, Entered, Nested},
    groups::WakeGroup,
    loop_timer::{Call, EventLoop, LoopTimer},
    pass::HeldUnits,
    throttler::{Admission, WeakThrottler},
    turn::{Claim, Ticket, Turn},
};
