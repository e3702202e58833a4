//! Who may pass, and in what order: many limits taken together, nobody starved, nothing idle.
//!
//! State, instant and request go in; a verdict comes out. No lock, no waiting, and one clock call: the one that the
//! fast path saves.

mod advance;
mod correcting;
mod counts;
#[cfg_attr(not(test), allow(dead_code, reason = "for tests alone"))]
mod effective;
mod enter;
mod full;
mod listening;
mod log;
mod nesting;
mod plan;
mod profile;
mod queue;
mod ramp;
mod reserve;
mod rising;
mod route;
mod sharing;
mod table;
mod table_swap;
mod usage;
mod wait_time;
#[cfg(test)]
mod wait_time_tests;
mod waited;

#[cfg(test)]
mod brute_force;
#[cfg(test)]
mod bucket_model;
#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod crowd_tests;
#[cfg(test)]
mod effective_tests;
#[cfg(test)]
mod flood_tests;
#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod known_instants;
#[cfg(test)]
mod listening_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod patience_tests;
#[cfg(test)]
mod quota_tests;
#[cfg(test)]
mod ranked_worlds;
#[cfg(test)]
mod reserve_tests;
#[cfg(test)]
mod told_tests;

pub use counts::{Counters, WAIT_BUCKETS, Waits};
pub(crate) use enter::{Decided, Gate};
pub(crate) use listening::{Left, check_pause};
pub use listening::{Observation, Seen};
pub(crate) use log::LogEntry;
pub(crate) use queue::{Order, Place, Rank, Waiter};
pub(crate) use reserve::id_below;
pub(crate) use route::{Index, Route};
pub use table::{Hold, Options};
pub(crate) use table::{MAX_INTERVAL, MAX_PATIENCE};
pub use usage::Usage;
