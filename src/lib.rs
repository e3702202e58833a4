//! Sluicegate decides, exactly, when a trading bot's next exchange request may leave.
//!
//! [`Throttler`] takes a table of [`RateLimit`]s and lets each request through at the earliest instant at which it goes
//! over none of them and delays nobody who came before. [`ManualClock`] makes its time stand still in tests.
//! [`cache`] is a map whose entries expire, and of which the one used longest ago goes first.
//!
//! Each room knows only the rooms under it: `python → wait → gate → limit → clock`.

pub mod cache;
mod clock;
mod error;
mod gate;
mod limit;
#[cfg(feature = "python")]
mod python;
// Not wired to the throttler yet.
#[allow(dead_code)]
mod store;
mod wait;

pub use clock::{Clock, Nanos, WallNanos};
pub use error::Error;
pub use gate::{Hold, Options, Usage};
pub use limit::{Link, MAX_LIMIT, Period, RateLimit, Resets, Zone};
pub use wait::{ManualClock, Pass, Route, Throttler};
