//! When to connect again: at once after a loss, then after pauses that grow to some seconds.

use std::time::{Duration, Instant};

use crate::store::{StoreError, random_part};

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// What is known of a server that could not be reached.
#[derive(Default)]
pub(super) struct Retry {
    failure: Option<(StoreError, Instant)>,
    pause: Duration,
}

impl Retry {
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, error: StoreError) {
        self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
        self.failure = Some((error, Instant::now() + random_part(self.pause)));
    }

    /// The instant before which there is nothing to try.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.failure.as_ref().map(|(_, at)| *at)
    }

    /// What was wrong, while it is too early to try again.
    pub(super) fn too_early(&self) -> Option<&StoreError> {
        self.failure.as_ref().filter(|(_, at)| Instant::now() < *at).map(|(error, _)| error)
    }
}
