//! Ways to wait at a gate: the lock around it, the timers that advance it, and how a thread or a task waits its turn.
//! (How Python waits is in `python/`.)

mod blocking;
mod manual;
mod pass;
mod state;
mod throttler;
#[cfg(feature = "tokio")]
mod tokio;
mod turn;
mod watch;

pub use manual::ManualClock;
pub(crate) use pass::Charge;
pub use pass::Pass;
pub use throttler::Throttler;
pub(crate) use throttler::{Entry, Held, WeakThrottler};
pub(crate) use turn::{Ticket, Turn};
pub(crate) use watch::{Alarm, Looker, Station};
