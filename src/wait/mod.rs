//! Ways to wait at a gate: the lock around it, the timers that advance it, and how a thread or a task waits its turn.
//! (How Python waits is in `python/`.)
//!
//! A request enters at once (`enter.rs`), or waits (`turn.rs`): it joins the queue, is granted its units and claims them
//! (`grants.rs`). Those who wait form groups (`wake_groups.rs`), which poll the gate in time (`polling.rs`): a thread that parks
//! (`thread.rs`), a tokio runtime (`tokio.rs`) or another event loop with its timer (`loop_timer.rs`). A new way to wait begins
//! beside these.

mod block;
mod correcting;
mod deadlock;
mod effects;
mod enter;
mod epoch;
mod event;
mod events;
mod fork;
mod grants;
mod leases;
mod listening;
mod log;
mod loop_timer;
mod manual_clock;
mod nested;
mod pass;
mod polling;
mod route;
mod shared;
mod sharing;
mod thread;
mod throttler;
#[cfg(feature = "tokio")]
mod tokio;
mod turn;
mod wake_groups;

#[cfg(test)]
mod events_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_loop;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod nested_context;
#[cfg(test)]
mod nested_model_tests;
#[cfg(test)]
mod nested_tests;

pub use event::{Event, EventKind};
pub use events::Listener;
pub use manual_clock::ManualClock;
pub use pass::Pass;
pub use route::Route;
pub use throttler::Throttler;

// What Python's ways to wait are made of.
pub(crate) use self::{
    block::{Block, Entered},
    deadlock::Deadlock,
    enter::Admission,
    epoch::Epoch,
    events::tell_nothing_here,
    loop_timer::{Call, EventLoop, LoopTimer},
    nested::Nested,
    pass::HeldUnits,
    sharing::{NewLimit, NewPause, NewPauses, Sharer},
    throttler::{Snapshot, WeakThrottler},
    turn::{Claim, Turn, WaitHandle},
    wake_groups::WakeGroup,
};
