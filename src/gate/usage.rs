//! How much of a limit is used.

use std::time::Duration;

/// The state of one limit at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The limit's id.
    pub id: String,
    /// Units that fit in a window: this bot's share of the limit.
    pub limit: u64,
    /// Units used up: in the window or in flight.
    pub used: u64,
    /// Of these, the units of requests that have entered and not yet left.
    pub in_flight: u64,
    /// Requests that wait to pass this limit, and those that wait under its id.
    pub waiting: usize,
    /// The length of the window, margin included.
    pub interval: Duration,
    /// Until the next units come free: 0 where nothing is used, and the shortest it can take, one interval, where
    /// everything used is still in flight.
    pub resets_in: Duration,
}
