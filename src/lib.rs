//! Sluicegate decides, exactly, when a trading bot's next exchange request may leave.

pub mod cache;
mod clock;
mod error;
mod gate;
mod limit;
#[cfg(feature = "python")]
mod python;
mod wait;

pub use clock::{Clock, Nanos, WallNanos};
pub use error::Error;
pub use gate::{Hold, Options, Usage};
pub use limit::{Link, MAX_LIMIT, Period, RateLimit, Resets, Zone};
pub use wait::{ManualClock, Pass, Throttler};
