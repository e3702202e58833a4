//! What the model's cluster is made of: processes, and what happens to them.

use crate::clock::Nanos;

use super::membership::Membership;
use super::model::Cluster;
use super::model_gate::{Block, ModelGate, ModelRequest};
use super::model_news::Saying;
use super::model_world::{Random, World};
use super::state::{MemberId, ScopeState};
use super::visit::{Answer, Request};

#[derive(Debug)]
pub(super) enum Event {
    /// A process looks whether anything may pass and whether it must visit.
    Poll(usize, MemberId),
    Woken(usize, MemberId),
    Commit(usize, Box<Request>),
    /// And the number of the visit.
    Answered(usize, MemberId, u64, Box<Answer>),
    /// An answer of the exchange tells how much was left: limits, when the request left, and when the exchange counted.
    Hears(usize, MemberId, Vec<usize>, Nanos, (Nanos, Nanos)),
    /// The exchange says something of a limit.
    Tells(usize, usize, Saying),
    /// Others use units beside the budget.
    Foreign(usize, u64),
    Retry(usize, MemberId),
    /// A request's blocks end: its own, and those around it.
    Ends(usize, MemberId, Vec<Block>),
    /// Another request is made within a block.
    Nested(usize, MemberId, Box<ModelRequest>),
    Arrives(usize, Vec<(usize, u64)>),
    Table(usize),
    Restart(usize),
    Fault(usize),
}

pub(super) struct Process {
    pub id: MemberId,
    pub alive: bool,
    pub stopped_until: Nanos,
    pub ppm: i64,
    pub skew: i64,
    pub membership: Membership,
    pub gate: ModelGate,
    pub asking: bool,
    pub leaving: bool,
    pub polls_at: Option<Nanos>,
    pub joined: u64,
    /// When the request had left and the exchange had counted whose answer the visit under way tells, by limit.
    pub news: Vec<(Nanos, Nanos)>,
    /// The last visit that was answered.
    pub answered: u64,
}

/// A question that was answered by all: of a limit, when the exchange had counted, and since when all keep to it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub limit: usize,
    /// When the request had left, and when the exchange had counted.
    pub truly: (Nanos, Nanos),
    /// The number of the visit that closed it.
    pub closed: u64,
    pub spread_at: Option<Nanos>,
}

/// How far a clock is off.
pub(super) fn skew(random: &mut Random, world: &World) -> i64 {
    let most = world.margin / 2;
    if most == 0 { 0 } else { random.within(0, 2 * most) as i64 - most as i64 }
}

impl Cluster {
    /// How long reading and writing the document takes.
    pub fn time_coding(&self) -> (std::time::Duration, std::time::Duration) {
        let state = self.document.as_ref().expect("there is one");
        let began = std::time::Instant::now();
        let bytes: Vec<Vec<u8>> = (0..100).map(|_| state.encode()).collect();
        let encode = began.elapsed() / 100;
        let began = std::time::Instant::now();
        bytes.iter().for_each(|bytes| assert!(ScopeState::decode(bytes).is_ok()));
        (began.elapsed() / 100, encode)
    }

    /// Each process, in a line.
    pub fn describe(&self) -> String {
        let line = |at: usize| {
            let one = &self.processes[at];
            format!(
                "{:?} alive {} now {} {:?}\n{:?}\n",
                one.id,
                one.alive,
                self.local_of(at),
                one.gate,
                one.membership
            )
        };
        (0..self.processes.len()).map(line).collect()
    }
}
