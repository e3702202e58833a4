//! Who holds what of a shared budget, from outside: nothing is written, and nobody is disturbed.

use std::time::Duration;

use crate::error::Error;
use crate::gate::id_below;
use crate::share::{LimitOverview, MemberOverview, Overview, PartOverview, ScopeState, overview};
use crate::store;
use crate::wait::Throttler;

use super::fork;

/// A limit of a shared budget, all members together.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedUsage {
    /// The limit's id.
    pub id: String,
    /// The document of the scope: `account:NAME` or `address:NAME`.
    pub scope: String,
    /// How many units there are for all.
    pub limit: u64,
    /// The length of the window.
    pub interval: Duration,
    /// Units that are used or in use: what waits to come free, what this process uses, and of the others what they used and
    /// held ready for their next requests when they last told.
    pub used: u64,
    /// Units that nobody holds.
    pub free: u64,
    /// Who takes part.
    pub members: Vec<MemberUsage>,
}

/// One process's part of a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberUsage {
    /// The process's number on its host.
    pub pid: u32,
    /// The host's name.
    pub host: String,
    /// How it was started.
    pub command: String,
    /// Units that are the process's, free or used.
    pub held: u64,
    /// Units in use or waited for, when it last told.
    pub demand: u64,
    /// For how long it has been asked for units and not come, in seconds: it may be stopped. `None` where it is not asked.
    pub called_for: Option<f64>,
}

impl Throttler {
    /// The whole of the shared budget that a limit is of; `None` where it is not shared.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`]; [`Error::Store`] if the store cannot be read now.
    pub fn shared_usage(&self, id: &str) -> Result<Option<SharedUsage>, Error> {
        fork::guarded(|| self.look_up_shared(id))
    }

    fn look_up_shared(&self, id: &str) -> Result<Option<SharedUsage>, Error> {
        let own = self.usage(id)?;
        let Some(seat) = fork::seat_of(self) else { return Ok(None) };
        let Some(limit) = self.rate_limits().into_iter().rfind(|limit| limit.id == id) else {
            return Ok(None);
        };
        let document = seat.share.document(limit.scope);
        let mut found = None;
        let mut look = |read: &store::Read<'_>| {
            found = read
                .bytes
                .map(|bytes| ScopeState::decode(bytes).map(|state| overview(&state, read.now, read.wall)));
            None
        };
        let looked = match &mut *seat.store.lock() {
            Some(store) => store.update(&document, &mut look),
            None => Err(store::StoreError::away("the store is not open")),
        };
        looked.map_err(|error| Error::Store(error.to_string()))?;
        let Some(found) = found else { return Ok(None) };
        let found = found.map_err(|error| Error::Store(error.to_string()))?;
        let place = found.members.iter().position(|member| Some(member.id) == seat.member());
        let known = place.map(|place| (place, own.used.saturating_sub(own.foreign)));
        let limit = found.limits.iter().find(|limit| limit.id == id);
        Ok(limit.map(|limit| usage_of(&document, &found, limit, known)))
    }
}

/// A limit of a scope. `known`: the place of this process among the members, and what it uses now.
fn usage_of(
    document: &str,
    overview: &Overview,
    limit: &LimitOverview,
    known: Option<(usize, u64)>,
) -> SharedUsage {
    let parts = overview.members.iter().zip(&limit.members);
    let members = parts.filter_map(|(member, part)| {
        let PartOverview { held, demand, .. } = (*part)?;
        Some(MemberUsage {
            pid: member.about.pid,
            host: member.about.host.clone(),
            command: member.about.command.clone(),
            held,
            demand,
            called_for: member.called_for.map(|span| span as f64 / 1e9),
        })
    });
    SharedUsage {
        id: limit.id.clone(),
        scope: document.to_owned(),
        limit: limit.limit,
        interval: Duration::from_nanos(limit.interval),
        used: limit.used_beside(known),
        free: u64::try_from(limit.pool).unwrap_or(0),
        members: members.collect(),
    }
}

/// A document of a store, and what the rules alone do not know of it.
#[derive(Debug)]
pub(crate) struct ScopeOverview {
    /// The document's name.
    pub scope: String,
    pub overview: Overview,
    /// By member: whether the store knows it to be dead.
    pub dead: Vec<bool>,
    /// By limit: free units that are kept for requests of higher priorities than the lowest; `None` of a limit that stands
    /// for what lower ones may use of another.
    pub reserved: Vec<Option<u64>>,
}

/// See [`ScopeOverview::reserved`].
fn reserved(overview: &Overview) -> Vec<Option<u64>> {
    let mut reserved = vec![Some(0); overview.limits.len()];
    for (at, limit) in overview.limits.iter().enumerate() {
        for &(priority, _) in &limit.reserve {
            let id = id_below(&limit.id, priority);
            let Some(below) = overview.limits.iter().position(|other| other.id == id) else { continue };
            let kept = limit.unused().saturating_sub(overview.limits[below].unused());
            (reserved[at], reserved[below]) = (reserved[at].max(Some(kept)), None);
        }
    }
    reserved
}

/// All documents of the store at `url`.
pub(crate) fn overview_of(url: &str) -> Result<Vec<ScopeOverview>, Error> {
    let failed = |error: store::StoreError| Error::Store(error.to_string());
    let mut store = store::open(url).map_err(failed)?;
    let mut all = Vec::new();
    for document in store.scopes().map_err(failed)? {
        let mut found = None;
        let mut look = |read: &store::Read<'_>| {
            found = read.bytes.map(|bytes| {
                ScopeState::decode(bytes).map(|state| {
                    let overview = overview(&state, read.now, read.wall);
                    let is_dead = |member: &MemberOverview| {
                        member
                            .lease
                            .map_or_else(|| (read.is_dead)(store::MemberId(member.id.0)), |left| left == 0)
                    };
                    let dead = overview.members.iter().map(is_dead).collect();
                    (overview, dead)
                })
            });
            None
        };
        store.update(&document, &mut look).map_err(failed)?;
        match found {
            Some(Ok((overview, dead))) => {
                let reserved = reserved(&overview);
                all.push(ScopeOverview { scope: document, overview, dead, reserved });
            }
            Some(Err(error)) => return Err(Error::Store(format!("{document}: {error}"))),
            None => {}
        }
    }
    Ok(all)
}
