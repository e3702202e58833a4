//! Sluicegate decides, exactly, when a trading bot's next exchange request may leave.
//!
//! [`Throttler`] takes a table of [`RateLimit`]s and lets each request through at the earliest instant at which it goes
//! over none of them and delays nobody who came before. [`ManualClock`] makes its time stand still in tests.
//! [`cache::TtlCache`] is a map whose entries expire, and of which the one used longest ago goes first.
//!
//! # Who goes first
//!
//! Of the requests that wait, those of a higher [priority](RateLimit::priority()) go first. A full limit is full for them, too: a
//! [reserve](RateLimit::reserve()) keeps a part of it for them, so that they need not wait at all. With
//! [patience](Options::patience) a waiting request rises by one class each time that it has waited so long, so that the
//! others get their turn.
//!
//! ```
//! use sluicegate::{Options, RateLimit, Throttler};
//! use std::time::Duration;
//!
//! let second = Duration::from_secs(1);
//! let table = [
//!     RateLimit::new("WEIGHT", 100, second).reserve(2, 10),
//!     RateLimit::route("GET /depth").link("WEIGHT", 5),
//!     RateLimit::route("DELETE /order").link("WEIGHT", 1).priority(2),
//! ];
//! let throttler = Throttler::new(&table, Options { patience: Some(second), ..Options::default() })?;
//! let (depth, cancel) = (throttler.route("GET /depth")?, throttler.route("DELETE /order")?);
//!
//! assert!(depth.charge(18)?); // 90 units,
//! assert!(!depth.charge(1)?); // and the other 10 are for priority 2 and more:
//! assert!(cancel.charge(1)?);
//! assert_eq!(throttler.usage("WEIGHT")?.reserved, 9);
//!
//! // One request for market data that is as urgent as a cancel.
//! assert_eq!(depth.priority(2)?.wait_time(1)?, 0);
//! # Ok::<(), sluicegate::Error>(())
//! ```
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
