//! What a limit *is*: pure data and arithmetic. No lock, no waiting, no clock call.

mod bucket;
mod ends;
mod first;
mod fixed;
mod kind;
mod listening;
mod others;
mod others_of_bucket;
mod part;
mod period;
mod quota;
#[cfg(test)]
mod quota_apart_tests;
mod rate_limit;
mod resets;
mod rolling;
mod server_clock;
mod stamps;
mod window;
#[cfg(test)]
mod window_examples;
#[cfg(test)]
mod window_tests;
mod zone;

pub(crate) use bucket::{Slope, drained};
pub use kind::Kind;
pub(crate) use listening::Told;
pub(crate) use part::part_told;
pub(crate) use period::MAX_PERIOD;
pub use period::Period;
pub use rate_limit::{Link, MAX_LIMIT, PRIORITIES, RateLimit, Scope};
pub use resets::Resets;
pub(crate) use server_clock::ServerClock;
pub(crate) use stamps::{End, Settled};
pub(crate) use window::{Shape, Span, Window};
pub use zone::Zone;
