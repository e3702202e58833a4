//! Sluicegate decides, exactly, when a trading bot's next exchange request may leave.

pub mod cache;
#[cfg(feature = "python")]
mod python;
