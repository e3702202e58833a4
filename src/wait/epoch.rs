//! Epochs of a throttler: what was taken in an earlier one was settled with everything else, and is not given back.

/// How often everything in flight was settled at once: by forks (the upper half), and in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epoch(pub u32);

const FORK: u32 = 1 << 16;

impl Epoch {
    /// In the child of a fork.
    pub(super) fn after_fork(self) -> Self {
        Self(self.0.wrapping_add(FORK))
    }

    /// What concurrent limits hold was not settled.
    pub(super) fn after_settling(self) -> Self {
        Self(self.0 & !(FORK - 1) | (self.0.wrapping_add(1) & (FORK - 1)))
    }

    /// Whether no fork lies between the two.
    pub(super) fn is_of_same_process(self, other: Self) -> bool {
        self.0 / FORK == other.0 / FORK
    }
}
