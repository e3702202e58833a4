//! What a limit *is*: pure data and arithmetic. No lock, no waiting, no clock call.

mod rate_limit;
mod rolling;

pub use rate_limit::{Link, MAX_LIMIT, RateLimit};
pub(crate) use rolling::Rolling;
