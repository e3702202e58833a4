//! Sluicegate decides, exactly, when a trading bot's next exchange request may leave.
//!
//! [`Throttler`] takes a table of [`RateLimit`]s and lets each request through at the earliest instant at which it goes
//! over none of them and delays nobody who came before. [`ManualClock`] makes its time stand still in tests.
//! [`cache::TtlCache`] is a map whose entries expire, and of which the one used longest ago goes first.
//!
//! Each module knows only the modules under it: `python → wait → gate → limit → clock`.

// The core is compiled whole, whatever the features: what is tested is what ships. Some of it only Python uses, some only
// tokio; the build with all of them and a store, which has no exception, finds what nobody uses.
#![cfg_attr(
    not(all(feature = "python", feature = "tokio", feature = "share")),
    allow(dead_code, unused_imports, reason = "only a feature that is off uses it")
)]

pub mod cache;
mod clock;
mod error;
mod gate;
mod limit;
#[cfg(feature = "share")]
mod member;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "share")]
mod share;
#[cfg(feature = "share")]
mod store;
mod wait;

pub use clock::{Clock, Nanos, WallNanos};
pub use error::Error;
pub use gate::{Counters, Hold, Observation, Options, Seen, Usage, WAIT_BUCKETS, Waits};
pub use limit::{Kind, Link, MAX_LIMIT, PRIORITIES, Period, RateLimit, Resets, Scope, Zone};
#[cfg(feature = "share")]
pub use member::{MemberUsage, Notice, Share, SharedUsage};
pub use wait::{Event, EventKind, Listener, ManualClock, Pass, Route, Throttler};
