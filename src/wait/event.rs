//! What a program is told of a throttler's limits while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Nanos;

/// Something that happened to a throttler's limits: see [`Throttler::on_event`](super::Throttler::on_event). As text, it is
/// one line for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id of the limit; of a request that waits, the id that it named. `None`: all limits.
    pub id: Option<Arc<str>>,
    /// When it happened, on the throttler's clock.
    pub at: Nanos,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Nothing leaves that takes from the limit, for so long from then on. If it was paused already, this is the later end.
    Paused {
        /// For how long.
        length: Duration,
        /// Why; empty if nobody said.
        reason: Arc<str>,
    },
    /// The pause is over. Of a limit that all limits' pause keeps paused, this is told with the end of that one alone.
    Resumed,
    /// An answer told of units of others that were not known before.
    ForeignUse {
        /// So many.
        units: u64,
    },
    /// An answer told that the exchange's limit is another one.
    LimitChanged {
        /// What holds from now on: this program's share of it, and no more than the table says.
        limit: u64,
    },
    /// A request has waited for as long as the listener gave, and goes on waiting.
    Waited {
        /// For how long by now.
        length: Duration,
        /// How many times its weights it takes.
        units: u64,
    },
}

/// A span in seconds, with no more digits than are of use in a log.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0.as_secs_f64());
        write!(f, "{} s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// So many units.
struct Units(u64);

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("1 unit") } else { write!(f, "{} units", self.0) }
    }
}

/// Characters of a reason that a line has.
const LONGEST: usize = 200;

/// A reason in one line, and no longer than a line may be: it may be what an exchange wrote.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        let mut characters = self.0.trim().chars();
        for character in characters.by_ref().take(LONGEST) {
            let ends_a_line = character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
            f.write_char(if ends_a_line { ' ' } else { character })?;
        }
        if characters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{id:?}")?,
            None => f.write_str("every limit")?,
        }
        match &self.kind {
            EventKind::Paused { length, reason } => {
                write!(f, " is paused for {}", Seconds(*length))?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {}", OneLine(reason)) }
            }
            EventKind::Resumed => f.write_str(" is paused no longer"),
            EventKind::ForeignUse { units } => write!(f, ": others have used {} more", Units(*units)),
            EventKind::LimitChanged { limit } => write!(f, ": the limit is {} from now on", Units(*limit)),
            EventKind::Waited { length, .. } => write!(f, ": a request has waited for {}", Seconds(*length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_for_a_log() {
        let second = Duration::from_secs(1);
        let text = |id: Option<&str>, kind| Event { id: id.map(Arc::from), at: 0, kind }.to_string();
        let paused = |reason: &str| EventKind::Paused { length: 31 * second, reason: reason.into() };
        let limit = Some("/depth");
        assert_eq!(text(limit, paused("HTTP 429")), "\"/depth\" is paused for 31 s: HTTP 429");
        assert_eq!(text(None, paused("")), "every limit is paused for 31 s");
        assert_eq!(
            text(limit, paused(" HTTP 429:\r\n\u{1b}[2Jslow down\n")),
            "\"/depth\" is paused for 31 s: HTTP 429:   [2Jslow down"
        );
        let long = text(limit, paused(&"é".repeat(300)));
        assert_eq!(long, format!("\"/depth\" is paused for 31 s: {}…", "é".repeat(200)));
        assert_eq!(text(limit, EventKind::Resumed), "\"/depth\" is paused no longer");
        assert_eq!(
            text(limit, EventKind::ForeignUse { units: 3 }),
            "\"/depth\": others have used 3 units more"
        );
        assert_eq!(
            text(limit, EventKind::ForeignUse { units: 1 }),
            "\"/depth\": others have used 1 unit more"
        );
        let changed = EventKind::LimitChanged { limit: 600 };
        assert_eq!(text(limit, changed), "\"/depth\": the limit is 600 units from now on");
        let waited = EventKind::Waited { length: second * 3 / 2, units: 1 };
        assert_eq!(text(limit, waited), "\"/depth\": a request has waited for 1.5 s");
    }
}
