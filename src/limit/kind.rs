//! How an exchange counts: the kinds of limits, as users name them.

use super::resets::Resets;

/// How the units of a limit come free.
///
/// | kind | an exchange that counts so |
/// |---|---|
/// | [`Rolling`](Self::Rolling) | counts in any window of `interval` |
/// | [`Quota`](Self::Quota) | counts between two times of the clock on the wall |
/// | [`Bucket`](Self::Bucket) | has a counter that falls by `limit` an `interval`, steadily |
/// | [`Concurrent`](Self::Concurrent) | counts the requests that are not answered yet |
/// | [`Fixed`](Self::Fixed) | counts between multiples of `interval` of its own clock |
/// | [`First`](Self::First) | counts in a window of `interval` that opens with its first request |
/// | [`Route`](Self::Route) | does not count these requests by themselves |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// At most `limit` units in any window of `interval`.
    #[default]
    Rolling,
    /// At most `limit` units between two resets.
    Quota(Resets),
    /// A counter that rises by the units of each request, falls by `limit` an `interval`, and never exceeds `limit`: a token
    /// bucket seen from below. It lets `limit` units through at once, and then one each `interval / limit`.
    Bucket,
    /// At most `limit` units in flight. They come free when the requests end, with any [`Hold`](crate::Hold). There is no
    /// interval. A charge without a block ([`Throttler::charge`](crate::Throttler::charge)) needs room, and holds nothing.
    Concurrent,
    /// At most `limit` units in each window of the server's clock. Windows begin at multiples of `interval` since 1970 (UTC).
    ///
    /// A request counts in each window that it may have arrived in, by what is known of that clock:
    /// see [`Throttler::set_server_time`](crate::Throttler::set_server_time). Before that is called, and while its
    /// uncertainty is half an interval or more, it counts as a rolling window, which is safe whatever that clock shows.
    Fixed,
    /// At most `limit` units in a window that its first request opens, and that ends `interval` later. The next request
    /// opens the next one.
    First,
    /// No limit at all: requests for this id take from the linked limits only.
    Route,
}

impl Kind {
    /// Whether its windows have a length.
    pub(crate) fn has_interval(self) -> bool {
        !matches!(self, Self::Concurrent | Self::Route)
    }
}
