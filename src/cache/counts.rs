//! What a cache has done since it was made.

/// Counters of one cache, read in one go so that they fit together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that found none, or an expired one.
    pub misses: u64,
    /// Entries removed to make room.
    pub evictions: u64,
    /// Entries removed because their time was over.
    pub expirations: u64,
}

impl Counts {
    /// The share of reads that found a value; zero when nothing was read.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            reads => self.hits as f64 / reads as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn hit_rate_of_an_unread_cache_is_zero() {
        assert_eq!(Counts::default().hit_rate(), 0.0);
    }
}
