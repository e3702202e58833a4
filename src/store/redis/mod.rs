//! A store on a Redis or Valkey server, for processes of several machines.
//!
//! Each scope has one key with its document. An update is one round trip: the client decides upon the document and the
//! server's time as it knows them, and the [`script`] writes if both are still so. Otherwise it returns what is there,
//! with the turn to write, and the client decides again. A client whose last update came too late in this way begins with
//! the turn and the newest document. The server's time is the only clock; who lives is told by leases in the document.
//!
//! The protocol is spoken here, not by a client library: the sleeping thread must wait for the server and for its own
//! process at once, which needs the socket; every wait must end by an instant, also within a reply; and no error may show
//! a password.

#[cfg(test)]
mod access_tests;
mod cluster;
mod connection;
mod explain;
mod resp;
mod retry;
mod script;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;
mod wake;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use self::cluster::{moved, scanned};
use self::connection::{Connection, PATIENCE};
use self::resp::Reply;
use self::retry::Retry;
use self::script::{Answer, Micros, Outcome, SCRIPT, TAKE};
use self::wake::ServerWakeups;
use super::url::{Endpoint, Server};
use super::{Life, MemberId, Read, Store, StoreError, Wakeups, Write, random, random_part};

/// By how much the clocks of client and server may drift apart, per million. Far more than they do: a time that is too
/// late costs a second round trip, one that is too early is only early.
const DRIFT: u32 = 500;

/// Who waits for a turn that has been lost looks at most so long after it should have ended.
const LOST_TURN: Duration = Duration::from_millis(50);

/// A server, or a cluster of them.
pub(crate) struct RedisServer {
    server: Server,
    /// By node: of a cluster there may be several.
    connections: HashMap<Endpoint, Loaded>,
    /// Where a cluster has a scope, if not at the node of the address.
    moved: HashMap<String, Endpoint>,
    /// The documents as this process last saw them.
    seen: HashMap<String, Seen>,
    retry: Retry,
    /// A number of this process's own, and how many versions it has made.
    maker: MemberId,
    versions: u64,
    warnings: Vec<String>,
    warned: bool,
}

struct Loaded {
    connection: Connection,
    /// The script's name on this server; `None` where it may not be loaded.
    sha: Option<Vec<u8>>,
}

/// A document, with what an update must find unchanged.
struct Seen {
    version: String,
    bytes: Option<Vec<u8>>,
    run: String,
    /// The first part of every version of this document. Where there is no document yet: of the one to be made.
    first: String,
    incarnation: String,
    at: Micros,
    when: Instant,
    /// Whether others have written between this client's last two updates: it is then likely that they have again.
    crowded: bool,
}

impl Seen {
    /// The server's time now, at the latest: it was `at` when the answer had not come yet.
    fn now(&self) -> Micros {
        let passed = self.when.elapsed();
        let passed = passed.saturating_sub(passed / (1_000_000 / DRIFT));
        Micros(self.at.0 + passed.as_micros() as u64)
    }
}

/// Why a round trip brought no answer.
enum Lost {
    /// A cluster has the key elsewhere.
    Moved(Endpoint),
    Error(StoreError),
}

impl RedisServer {
    pub(crate) fn open(server: Server) -> Result<Self, StoreError> {
        let mut store = Self {
            server,
            connections: HashMap::new(),
            moved: HashMap::new(),
            seen: HashMap::new(),
            retry: Retry::default(),
            maker: random()?,
            versions: 0,
            warnings: Vec::new(),
            warned: false,
        };
        let node = store.server.at.clone();
        store.link(&node)?;
        Ok(store)
    }

    /// The connection to a node, made where there is none.
    fn link(&mut self, node: &Endpoint) -> Result<&mut Loaded, StoreError> {
        if self.connections.get(node).is_some_and(|link| link.connection.is_stale()) {
            self.connections.remove(node);
        }
        if !self.connections.contains_key(node) {
            if let Some(error) = self.retry.too_early() {
                return Err(error.clone());
            }
            let link = self.connect(node).inspect_err(|error| self.retry.failed(error.clone()))?;
            self.retry.succeeded();
            self.connections.insert(node.clone(), link);
        }
        Ok(self.connections.get_mut(node).expect("just inserted"))
    }

    fn connect(&mut self, node: &Endpoint) -> Result<Loaded, StoreError> {
        let mut connection = Connection::open(&self.server, node)?;
        let load: &[&[u8]] = &[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()];
        let replies =
            connection.ask(&[load, &[b"INFO", b"memory"]]).map_err(|error| connection.lost(&error))?;
        let mut replies = replies.into_iter();
        let sha = match replies.next() {
            Some(Reply::Bytes(sha)) => Some(sha),
            Some(Reply::Error(text)) if !text.starts_with("NOPERM") => return Err(connection.refusal(&text)),
            _ => None,
        };
        if let Some(Reply::Bytes(info)) = replies.next() {
            self.warn_of_eviction(&String::from_utf8_lossy(&info));
        }
        Ok(Loaded { connection, sha })
    }

    /// A server that throws out keys when its memory is full may throw out ours.
    fn warn_of_eviction(&mut self, info: &str) {
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        let policy = field("maxmemory_policy:");
        if field("maxmemory:") != "0" && policy.starts_with("allkeys") && !self.warned {
            self.warned = true;
            self.warnings.push(format!(
                "{} may forget the shared budget when its memory is full (maxmemory-policy {policy}); all bots then \
                 pause until they have told each other what they hold. Set maxmemory-policy to noeviction, or use a server \
                 of its own",
                self.server.shown
            ));
        }
    }

    /// One run of the script.
    fn trip(&mut self, scope: &str, arguments: &[&[u8]]) -> Result<Answer, Lost> {
        let node = self.moved.get(scope).unwrap_or(&self.server.at).clone();
        let link = self.link(&node).map_err(Lost::Error)?;
        let (key, queue) = (script::key(scope), script::queue(scope));
        let mut command: Vec<&[u8]> = Vec::with_capacity(arguments.len() + 5);
        let sha = link.sha.clone();
        match &sha {
            Some(sha) => command.extend([&b"EVALSHA"[..], sha]),
            None => command.extend([&b"EVAL"[..], SCRIPT.as_bytes()]),
        }
        command.extend([&b"2"[..], key.as_bytes(), queue.as_bytes()]);
        command.extend(arguments);
        let mut replies = link.connection.ask(&[&command]);
        if matches!(replies.as_deref(), Ok([Reply::Error(text)]) if text.starts_with("NOSCRIPT")) {
            // Forgotten: it comes along this once, and the server keeps it.
            command[..2].copy_from_slice(&[b"EVAL", SCRIPT.as_bytes()]);
            replies = link.connection.ask(&[&command]);
        }
        let reply = self.sole(&node, replies)?;
        script::answer(reply).ok_or_else(|| {
            // What comes on this connection now may be the answer to something else.
            self.connections.remove(&node);
            Lost::Error(self.odd().unsure())
        })
    }

    /// Sleeps until it is this client's turn, or for so long: the token that it was handed, if any.
    fn sleep(&mut self, scope: &str, at_most: Duration) -> Result<Option<Vec<u8>>, Lost> {
        let node = self.moved.get(scope).unwrap_or(&self.server.at).clone();
        let link = self.link(&node).map_err(Lost::Error)?;
        // To the server, no time at all means for ever.
        let seconds = format!("{:.3}", at_most.as_secs_f64().max(0.001));
        let replies =
            link.connection.ask(&[&[b"BLPOP", script::queue(scope).as_bytes(), seconds.as_bytes()]]);
        Ok(match self.sole(&node, replies)? {
            Reply::List(list) => match list.into_iter().nth(1) {
                Some(Reply::Bytes(token)) => Some(token),
                _ => None,
            },
            _ => None,
        })
    }

    /// The reply to one command, or what its error means. A connection with an error is not used again.
    fn sole(&mut self, node: &Endpoint, replies: std::io::Result<Vec<Reply>>) -> Result<Reply, Lost> {
        let link = self.connections.get(node).expect("just asked");
        let error = match replies.map(|mut replies| replies.pop()) {
            Ok(Some(Reply::Error(text))) => match moved(&text, node) {
                Some(to) => return Err(Lost::Moved(to)),
                None => link.connection.refusal(&text),
            },
            Ok(Some(reply)) => return Ok(reply),
            Ok(None) => link.connection.lost(&ErrorKind::InvalidData.into()).unsure(),
            // The command may be on its way, or its answer.
            Err(error) => link.connection.lost(&error).unsure(),
        };
        // What comes on this connection now may be the answer to something else.
        self.connections.remove(node);
        Err(Lost::Error(error))
    }

    /// Goes to where a cluster has the scope.
    fn follow<T>(
        &mut self,
        scope: &str,
        mut ask: impl FnMut(&mut Self) -> Result<T, Lost>,
    ) -> Result<T, StoreError> {
        for _ in 0..5 {
            match ask(self) {
                Ok(answer) => return Ok(answer),
                Err(Lost::Error(error)) => {
                    // The node may be gone from the cluster: the one of the address knows.
                    self.moved.remove(scope);
                    return Err(error);
                }
                Err(Lost::Moved(to)) => {
                    self.moved.insert(scope.to_owned(), to);
                }
            }
        }
        self.moved.remove(scope);
        Err(StoreError::away(format_args!(
            "the cluster of {} is moving the budget of {scope:?}",
            self.server.shown
        )))
    }

    fn ask(&mut self, scope: &str, arguments: &[&[u8]]) -> Result<Answer, StoreError> {
        self.follow(scope, |store| store.trip(scope, arguments))
    }

    /// Waits for the turn, and learns the newest document with it. When that was asked for.
    fn take_turn(&mut self, scope: &str, deadline: Instant) -> Result<Instant, StoreError> {
        let maker = self.maker.to_string();
        let mut token = Vec::new();
        loop {
            let asked = Instant::now();
            let known = self.seen.get(scope).map(|seen| (seen.version.clone(), seen.run.clone()));
            let (version, run) = known.unwrap_or_else(|| (TAKE.to_owned(), String::new()));
            let arguments: [&[u8]; 6] =
                [version.as_bytes(), run.as_bytes(), b"0", maker.as_bytes(), TAKE.as_bytes(), &token];
            let answer = self.ask(scope, &arguments)?;
            let Outcome::Wait(left) = answer.outcome else {
                self.learn(scope, answer, true)?;
                return Ok(asked);
            };
            if Instant::now() >= deadline {
                return Err(self.others(scope));
            }
            // Should that one be dead, not all who wait come at the same instant.
            let at_most = left + random_part(left.min(LOST_TURN));
            token = self.follow(scope, |store| store.sleep(scope, at_most))?.unwrap_or_default();
        }
    }

    /// A version that nobody else makes, and this process makes once.
    fn version(&mut self, seen: &Seen) -> String {
        self.versions += 1;
        format!("{}-{}-{}", seen.first, self.maker, self.versions)
    }

    /// Keeps what the script has returned.
    fn learn(&mut self, scope: &str, answer: Answer, crowded: bool) -> Result<(), StoreError> {
        let when = Instant::now();
        let (version, bytes) = match answer.outcome {
            Outcome::Newer { version, bytes } => (version, bytes),
            Outcome::Known => {
                let seen = self.seen.get_mut(scope).ok_or_else(|| explain::not_redis(&self.server.shown))?;
                (seen.at, seen.when, seen.crowded) = (answer.at, when, false);
                return Ok(());
            }
            Outcome::Done | Outcome::Wait(_) => return Ok(()),
        };
        let first = match version.split_once('-') {
            Some((first, _)) => first.to_owned(),
            None => random()?.to_string(),
        };
        let incarnation = format!("{}-{first}", answer.run);
        let seen = Seen { version, bytes, run: answer.run, first, incarnation, at: answer.at, when, crowded };
        self.seen.insert(scope.to_owned(), seen);
        Ok(())
    }
}

impl Store for RedisServer {
    fn join(&mut self) -> Result<(MemberId, Box<dyn Wakeups>), StoreError> {
        let member = random()?;
        Ok((member, Box::new(ServerWakeups::open(self.server.clone(), member)?)))
    }

    fn told_all(&mut self, _incarnation: &str) -> Result<(), StoreError> {
        Ok(())
    }

    fn leave(&mut self) {}

    fn update(
        &mut self,
        scope: &str,
        change: &mut dyn FnMut(&Read<'_>) -> Option<Write>,
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + PATIENCE;
        if !self.seen.contains_key(scope) {
            let answer = self.ask(scope, &[TAKE.as_bytes(), b"", b"0", b"", b"", b""])?;
            self.learn(scope, answer, false)?;
        }
        let maker = self.maker.to_string();
        let mut needs_turn = self.seen.get(scope).is_some_and(|seen| seen.crowded);
        loop {
            let began = if needs_turn { self.take_turn(scope, deadline)? } else { Instant::now() };
            let seen = self.seen.remove(scope).ok_or_else(|| self.odd())?;
            let now = seen.now();
            let write = change(&Read {
                bytes: seen.bytes.as_deref(),
                now: now.nanos(),
                wall: now.wall(),
                timeline: "unix",
                incarnation: &seen.incarnation,
                is_dead: &|_| false,
                elders: &Vec::new,
                began,
            });
            let version = if write.is_some() { self.version(&seen) } else { String::new() };
            let micros = now.0.to_string();
            let channels: Vec<String> =
                write.iter().flat_map(|write| &write.wake).map(|id| script::channel(*id)).collect();
            let mut arguments: Vec<&[u8]> = vec![
                seen.version.as_bytes(),
                seen.run.as_bytes(),
                micros.as_bytes(),
                maker.as_bytes(),
                version.as_bytes(),
            ];
            arguments.push(write.as_ref().map_or(b"", |write| &write.bytes));
            arguments.extend(channels.iter().map(|channel| channel.as_bytes()));
            let answer = self.ask(scope, &arguments)?;
            match answer.outcome {
                Outcome::Done => {
                    let mut seen = Seen { at: answer.at, when: Instant::now(), ..seen };
                    if let Some(write) = write {
                        (seen.version, seen.bytes) = (version, Some(write.bytes));
                    }
                    self.seen.insert(scope.to_owned(), seen);
                    return Ok(());
                }
                Outcome::Wait(_) => {
                    self.seen.insert(scope.to_owned(), seen);
                    needs_turn = true;
                }
                _ => {
                    // With the turn, as far as it lasts.
                    self.learn(scope, answer, write.is_some())?;
                    needs_turn = false;
                }
            }
            if Instant::now() >= deadline {
                return Err(self.others(scope));
            }
        }
    }

    fn scopes(&mut self) -> Result<Vec<String>, StoreError> {
        let mut scopes = Vec::new();
        for node in self.nodes()? {
            let mut cursor = b"0".to_vec();
            loop {
                let scan: &[&[u8]] = &[b"SCAN", &cursor, b"MATCH", b"{sluicegate:*", b"COUNT", b"1000"];
                let (next, keys) = scanned(self.one(&node, scan)?).ok_or_else(|| self.odd())?;
                scopes.extend(keys.iter().filter_map(|key| script::scope(key)));
                cursor = next;
                if cursor == b"0" {
                    break;
                }
            }
        }
        scopes.sort();
        scopes.dedup();
        Ok(scopes)
    }

    fn life(&self) -> Life {
        Life::Lease
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn prepare_fork(&mut self) {}

    fn abandon(self: Box<Self>) {
        // TLS would say goodbye to the server in the parent's name.
        std::mem::forget(self);
    }
}

impl RedisServer {
    fn others(&self, scope: &str) -> StoreError {
        StoreError::away(format_args!(
            "others keep changing the budget of {scope:?} in {}: this process did not get its turn within {} s",
            self.server.shown,
            PATIENCE.as_secs()
        ))
    }

    fn odd(&self) -> StoreError {
        explain::not_redis(&self.server.shown)
    }
}
