//! Why a store could not do what it was asked: the cause, and what helps.

use std::fmt;

/// What kind of trouble a store is in. It decides whether asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreErrorKind {
    /// The address of the store cannot be. Asking again does not help.
    Address,
    /// The store cannot be used in this place or by this build. Asking again helps only after somebody changed something.
    Refused,
    /// The user or the process has no right to it: a password, a file's mode. Asking again helps once that is put right.
    Denied,
    /// What the store holds is not readable.
    Corrupt,
    /// The store cannot be reached or does not answer now. Asking again is right.
    Away,
}

/// Why a store could not do what it was asked. Its text never shows a password.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct StoreError {
    kind: StoreErrorKind,
    /// Whether the store may have carried out what was asked in spite of the error.
    unsure: bool,
    text: String,
}

impl StoreError {
    pub(crate) fn new(kind: StoreErrorKind, text: impl fmt::Display) -> Self {
        Self { kind, unsure: false, text: text.to_string() }
    }

    pub(crate) fn address(text: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Address, text)
    }

    pub(crate) fn refused(text: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Refused, text)
    }

    pub(crate) fn denied(text: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Denied, text)
    }

    pub(crate) fn corrupt(text: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Corrupt, text)
    }

    pub(crate) fn away(text: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Away, text)
    }

    /// The same error, of a request that the store may have carried out.
    pub(crate) fn unsure(mut self) -> Self {
        self.unsure = true;
        self
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether what was to be written may be in the store in spite of the error. If not, it is not there. (The rules need
    /// not know: a request without an answer is made again, and counts once.)
    #[cfg(test)]
    pub(crate) fn may_have_written(&self) -> bool {
        self.unsure
    }
}
