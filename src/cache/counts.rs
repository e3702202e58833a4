//! What a cache has done since it was made.

/// Counters of one cache, read in one go so that they fit together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that found none, or an expired one.
    pub misses: u64,
    /// Entries removed to make room.
    pub evictions: u64,
    /// Entries removed because their time was over.
    pub expirations: u64,
    /// Keys that a loader was asked for.
    pub loads: u64,
    /// Reads that waited for a load which somebody else had begun.
    pub joined: u64,
    /// Loaded keys for which the loader failed.
    pub errors: u64,
    /// Reads answered with a remembered error.
    pub error_hits: u64,
    /// Keys loaded ahead of their end, part of `loads`.
    pub refreshes: u64,
    /// Calls of a loader; a batch is one.
    pub calls: u64,
    /// Seconds spent in loaders.
    pub load_time: f64,
    /// The longest of them, in seconds.
    pub longest_load: f64,
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

    /// Notes one call of a loader.
    pub fn called(&mut self, seconds: f64) {
        self.calls += 1;
        self.load_time += seconds;
        self.longest_load = self.longest_load.max(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn hit_rate_of_an_unread_cache_is_zero() {
        assert_eq!(Counts::default().hit_rate(), 0.0);
    }

    #[test]
    fn a_call_adds_to_the_total_and_keeps_the_longest() {
        let mut counts = Counts::default();
        counts.called(0.5);
        counts.called(0.25);
        assert_eq!((counts.calls, counts.load_time, counts.longest_load), (2, 0.75, 0.5));
    }
}
