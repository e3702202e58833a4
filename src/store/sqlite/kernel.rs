//! The kernel that runs this process: its identity and its clock.

use rustix::time::{ClockId, clock_gettime};

use crate::clock::{Clock, Nanos, WallNanos};
use crate::store::StoreError;

/// The identity of this kernel since it started. Another one means another machine, or a restart of this one.
pub(super) fn boot_id() -> Result<String, StoreError> {
    let path = "/proc/sys/kernel/random/boot_id";
    std::fs::read_to_string(path).map(|id| id.trim().to_owned()).map_err(|error| {
        StoreError::refused(format_args!(
            "a file cannot be shared here: this kernel does not say which one it is ({path}: {error}). Use Redis or \
             Valkey: \"redis://host:6379/0\""
        ))
    })
}

/// The time since this kernel started, counted also while the machine sleeps. It never steps.
pub(super) fn now() -> Nanos {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec as Nanos * 1_000_000_000 + time.tv_nsec as Nanos
}

pub(super) fn wall() -> WallNanos {
    Clock::monotonic().wall()
}
