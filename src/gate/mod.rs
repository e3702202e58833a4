//! Who may pass, and in what order: many limits taken together, nobody starved, nothing idle.
//!
//! State, instant and request go in; a verdict comes out. No lock, no waiting, and one clock call: the one that the
//! fast path saves.

mod advance;
mod full;
mod in_force;
mod log;
mod nesting;
mod plan;
mod questions;
mod queue;
mod route;
mod schedule;
mod table;
mod usage;

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod quota_tests;

pub(crate) use log::LogEntry;
pub(crate) use queue::{Place, Waiter};
pub(crate) use route::Route;
pub(crate) use schedule::{Decided, Gate};
pub(crate) use table::MAX_INTERVAL;
pub use table::{Hold, Options};
pub use usage::Usage;
