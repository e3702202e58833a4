//! Sluicegate decides, exactly, when a trading bot's next exchange request may leave.

#[cfg(feature = "python")]
mod python;
