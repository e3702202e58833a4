//! What the model's cluster is made of: processes, and what happens to them.

use crate::clock::Nanos;

use super::membership::Membership;
use super::model::Cluster;
use super::model_gate::{Block, ModelGate, ModelRequest};
use super::model_news::Saying;
use super::model_server::Truly;
use super::model_world::{MS, Random, World};
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
    /// Of the request whose answer the visit under way tells, by limit.
    pub news: Vec<Truly>,
    /// The last visit that was answered.
    pub answered: u64,
}

/// A question that was answered by all: of a limit, when the exchange had counted, and since when all keep to it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub limit: usize,
    pub truly: Truly,
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

    pub(super) fn new_request(&mut self, needs: Vec<(usize, u64)>, outer: Vec<Block>) -> ModelRequest {
        self.next_request += 1;
        let arrives_after = self.random.within(0, self.world.arrival + 1);
        let hangs = self.now < self.world.calm_from && self.random.chance(3);
        let nests = self.now < self.world.calm_from && self.world.nests > 0;
        let inner = (nests && self.random.chance(self.world.nests)).then(|| {
            let routes = &self.world.routes;
            routes[self.random.within(0, routes.len() as u64) as usize].clone()
        });
        ModelRequest {
            number: self.next_request,
            since: 0,
            priority: if outer.is_empty() { Some(self.world.priority_of(&needs)) } else { None },
            needs,
            arrives_after,
            ends_after: (!hangs).then(|| arrives_after + self.random.within(0, 50 * MS)),
            inner,
            outer,
        }
    }

    /// The blocks of a request that has passed end, or another one is made within its own first.
    pub(super) fn go_on(
        &mut self,
        at: usize,
        request: ModelRequest,
        first: usize,
        heaviest: &[u64],
    ) -> Event {
        let id = self.processes[at].id;
        let gate = &mut self.processes[at].gate;
        let mut blocks = vec![Block { needs: request.needs, first }];
        match request.inner.filter(|_| gate.is_roomy(&blocks[0].needs, heaviest)) {
            Some(inner) => {
                gate.nest(&blocks[0].needs, false);
                blocks.extend(request.outer);
                self.nested += 1;
                Event::Nested(at, id, Box::new(self.new_request(inner, blocks)))
            }
            None => {
                blocks.extend(request.outer);
                Event::Ends(at, id, blocks)
            }
        }
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
