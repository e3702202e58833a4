//! A budget that several processes share, for Python: what its user chooses, what he sees of it, and how it gets over
//! forks and the program's end. What it does is in `member/`.

mod at_exit;
mod fork;
mod notices;
mod options;
mod overview;
mod usage;

use pyo3::prelude::*;

use crate::clock::Clock;
use crate::gate::Options;
use crate::limit::RateLimit;
use crate::wait::Throttler;

pub use crate::member::Share;

pub use self::options::{check_share, hide_password, read};
pub use self::overview::{share_overview, share_visits};
pub use self::usage::{PyShareMember, PySharedUsage, shared_usage};

/// A throttler that shares its limits. Other threads run meanwhile: a store may take its time.
pub fn throttler(
    py: Python<'_>,
    table: &[RateLimit],
    options: Options,
    share: Share,
    clock: Clock,
) -> PyResult<Throttler> {
    at_exit::check_end()?;
    // Not by the thread that takes part: an import that is under way when a process forks never ends in the child.
    py.import("logging")?;
    let share = share.on_notice(notices::log);
    Ok(py.detach(|| Throttler::shared_with_clock(table, options, share, clock))?)
}

/// See `Throttler.close`.
pub fn close(py: Python<'_>, throttler: &Throttler, timeout: std::time::Duration) -> bool {
    py.detach(|| throttler.close(timeout))
}

/// Has forks and the program's end look after what is shared.
pub fn install(py: Python<'_>) -> PyResult<()> {
    fork::install(py)?;
    at_exit::install(py)
}
