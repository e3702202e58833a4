//! Answers for the map that take no Python: most operations need no others.

use crate::cache::Compare;

use super::clock::Tick;
use super::key::{Key, Query};
use super::pending_answers::Pending;
use super::time::TimeValue;

/// Answers at once, or leaves the answer pending: it notes nothing that was asked, and is the faster for it.
pub(super) struct QuickAnswers<'a, 'py> {
    pub(super) query: &'a Query<'a, 'py>,
    pub(super) now: Now,
}

/// The instant of an operation that looks at the cache once.
#[derive(Clone, Copy)]
pub(super) enum Now {
    /// Of a cache without a clock: nothing ever expires.
    Never,
    /// Of the native clock, which is read only when an entry was found: a miss needs no time.
    Unread,
    Native(Tick),
}

impl Now {
    /// Reads the native clock, if there is one.
    #[inline(always)]
    pub(super) fn instant(&mut self) -> Option<Tick> {
        if let Self::Unread = self {
            *self = Self::Native(Tick::now());
        }
        match self {
            Self::Native(instant) => Some(*instant),
            Self::Never | Self::Unread => None,
        }
    }
}

impl From<Now> for TimeValue {
    fn from(mut now: Now) -> Self {
        now.instant().map_or(Self::ZERO, Self::Native)
    }
}

impl Compare<Key, TimeValue> for QuickAnswers<'_, '_> {
    type Pending = Pending;

    #[inline(always)]
    fn same_key(&mut self, stored: &Key) -> Result<bool, Pending> {
        self.query.is(stored).ok_or(Pending)
    }

    #[inline(always)]
    fn has_expired(&mut self, expires: &TimeValue) -> Result<bool, Pending> {
        if let (Now::Unread, TimeValue::Native(expires)) = (self.now, expires)
            && expires.is_far()
        {
            return Ok(false);
        }
        match (self.now.instant(), expires) {
            (None, _) => Ok(false),
            (Some(now), TimeValue::Native(expires)) => Ok(now >= *expires),
            (Some(now), TimeValue::Number(_)) => {
                TimeValue::Native(now).before(expires).map(|before| !before).ok_or(Pending)
            }
            (Some(_), TimeValue::Object(_)) => Err(Pending),
        }
    }
}
