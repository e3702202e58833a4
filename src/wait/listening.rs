//! What programs tell a throttler of the exchange's answers: see [`gate::listening`](crate::gate).

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::gate::{Observation, Seen, check_pause};
use crate::limit::Scope;

use super::event::EventKind;
use super::sharing::Sharing;
use super::throttler::Throttler;

impl Throttler {
    /// Learns from an answer of the exchange how much of a limit everybody uses, and how large it is.
    ///
    /// It only ever adds. What others have used is at least what the exchange counted, less all own units that may have been
    /// among them: those in flight, and those that were in the window since the request left. It counts until the window
    /// ends. A number that is smaller than expected frees nothing. A smaller limit holds at once; a larger one as far as the
    /// table allows: what the table says is never exceeded. All who share the limit learn it.
    ///
    /// Call it as soon as the answer is there, within the request's block or after it: the result is the same.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`]; [`Error::Invalid`] for an observation without any number, or with a limit of 0.
    pub fn observe(&self, id: &str, answer: Observation) -> Result<Seen, Error> {
        let seen = self.locked(|shared, now, effects| {
            let route = shared.gate.lookup(id)?.clone();
            let seen = shared.gate.observe_answer(now, &route, &answer)?;
            if let Some(limit) = seen.limit {
                shared.happened(Some(route.id.clone()), now, EventKind::LimitChanged { limit });
                shared.sharing.iter().for_each(Sharing::tell_others);
                shared.settle_unknown(now, effects);
            }
            if shared.sharing.is_some() && shared.gate.has_news(&route) {
                shared.sharing.iter().for_each(Sharing::tell_others);
            }
            if seen.foreign > 0 {
                shared.happened(Some(route.id.clone()), now, EventKind::ForeignUse { units: seen.foreign });
            }
            shared.advance(now, effects);
            Ok(seen)
        })?;
        if seen.limit.is_some() {
            self.check_nested();
        }
        Ok(seen)
    }

    /// Lets nothing that takes from a limit leave for so long, nor any request for its id; `None`: nothing at all. Of two
    /// pauses the one that ends later holds. Who waits keeps its place. Returns whether this is the later one.
    /// All who share these limits pause as well.
    ///
    /// ```
    /// # use sluicegate::{Options, RateLimit, Throttler};
    /// # use std::time::Duration;
    /// # let throttler = Throttler::new(&[RateLimit::new("/ping", 20, Duration::from_secs(1))], Options::default())?;
    /// // HTTP 418 with "Retry-After: 120": nothing leaves for two minutes.
    /// assert!(throttler.pause(None, Duration::from_secs(121), "banned")?);
    /// // Another request was in flight, and was refused as well: no second offence.
    /// assert!(!throttler.pause(None, Duration::from_secs(120), "banned")?);
    /// assert!(!throttler.charge("/ping", 1)?);
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownLimit`]; [`Error::Invalid`] for over 100 years.
    pub fn pause(&self, id: Option<&str>, length: Duration, reason: &str) -> Result<bool, Error> {
        let length = check_pause(length)?;
        let reason: Arc<str> = reason.into();
        self.locked(|shared, now, effects| {
            let route = id.map(|id| shared.gate.lookup(id).cloned()).transpose()?;
            if length == 0 {
                return Ok(false);
            }
            let until = now.saturating_add(length);
            let (later, without_units) = shared.gate.pause_for(route.as_deref(), until, &reason);
            if later {
                shared.note_pause(route.map(|route| route.id.clone()), now, until, &reason);
                shared.sharing.iter().for_each(Sharing::tell_others);
            }
            if without_units {
                let table = shared.table.clone();
                shared.set_table(now, table, effects)?;
            }
            shared.advance(now, effects);
            Ok(later)
        })
    }

    /// Lets nothing that takes from a limit of this scope leave for so long: a ban of one account, and not of all who ask from
    /// this address, or the other way round. Limits that come into the table meanwhile are paused as well.
    /// Everything else is as for [`Throttler::pause`]. Returns whether any of these pauses is the later one.
    ///
    /// ```
    /// # use sluicegate::{Options, RateLimit, Scope, Throttler};
    /// # use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// let ip = RateLimit::new("IP", 20, second).scope(Scope::Address);
    /// let throttler = Throttler::new(&[ip, RateLimit::new("ORDERS", 5, second)], Options::default())?;
    /// assert!(throttler.pause_scope(Scope::Account, Duration::from_secs(900), "locked out")?);
    /// throttler.add_rate_limits(&[RateLimit::new("CANCELS", 5, second)])?;
    /// assert!(throttler.charge("IP", 1)? && !throttler.charge("CANCELS", 1)?);
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for over 100 years.
    pub fn pause_scope(&self, scope: Scope, length: Duration, reason: &str) -> Result<bool, Error> {
        let length = check_pause(length)?;
        let reason: Arc<str> = reason.into();
        self.locked(|shared, now, effects| {
            if length == 0 {
                return Ok(false);
            }
            let until = now.saturating_add(length);
            let (mut any, mut table_changes) = (false, false);
            let (of_new, routes) = shared.gate.pause_scope(scope, until, &reason);
            for route in routes {
                let (later, without_units) = shared.gate.pause_for(Some(&route), until, &reason);
                (any, table_changes) = (any | later, table_changes | without_units);
                if later {
                    shared.note_pause(Some(route.id.clone()), now, until, &reason);
                }
            }
            if any || of_new {
                // Others may have limits that are not in this table.
                shared.sharing.iter().for_each(Sharing::tell_others);
            }
            if table_changes {
                let table = shared.table.clone();
                shared.set_table(now, table, effects)?;
            }
            shared.advance(now, effects);
            Ok(any)
        })
    }

    /// Corrects what is counted, where the cost of a request is known only afterwards: as soon as it is, within the request's
    /// pass or right after it. (Where the pass is at hand, [`Pass::correct`](super::Pass::correct) gives back its own
    /// units.) A positive number of units counts
    /// from now on; a negative one is given back: of the oldest in the window, and then of those in flight. Units of others
    /// are not given back. Returns how many were counted or given back: never more than there were.
    ///
    /// ```
    /// # use sluicegate::{Options, RateLimit, Throttler};
    /// # use std::time::Duration;
    /// # let throttler = Throttler::new(&[RateLimit::new("/fills", 20, Duration::from_secs(1))], Options::default())?;
    /// {
    ///     let _pass = throttler.enter_blocking("/fills", 10, None)?; // 10 at most
    /// }
    /// assert_eq!(throttler.correct("/fills", -7)?, -7); // it was 3
    /// assert_eq!(throttler.usage("/fills")?.used, 3);
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownLimit`].
    pub fn correct(&self, id: &str, units: i64) -> Result<i64, Error> {
        self.locked(|shared, now, effects| {
            let route = shared.gate.lookup(id)?.clone();
            let done = shared.gate.correct(now, &route, units);
            shared.advance(now, effects);
            Ok(done)
        })
    }
}
