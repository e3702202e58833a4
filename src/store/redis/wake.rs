//! What the sleeping thread of a server's member waits for: a message on its channel, or a waker of its own process.
//!
//! A subscription has a connection of its own. When it breaks, wake-ups may be lost; so who comes back looks.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::connection::{Connection, PATIENCE};
use super::resp::Reply;
use super::retry::Retry;
use super::script::channel;
use crate::store::url::Server;
use crate::store::waker::{Asleep, sleep};
use crate::store::{MemberId, StoreError, Waker, Wakeups, Woken};

/// After so much silence the server is asked whether it is there: a connection can end without a word.
const SILENCE: Duration = Duration::from_secs(10);

pub(super) struct ServerWakeups {
    server: Server,
    member: MemberId,
    link: Option<Subscription>,
    retry: Retry,
    asleep: Asleep,
    waker: Waker,
}

struct Subscription {
    connection: Connection,
    heard: Instant,
    /// Whether the server was asked and has not answered.
    asked: bool,
}

impl Subscription {
    fn open(server: &Server, member: MemberId) -> Result<Self, StoreError> {
        let mut connection = Connection::open(server, &server.at)?;
        let replies = connection.ask(&[&[b"SUBSCRIBE", channel(member).as_bytes()]]);
        match replies.map_err(|error| connection.lost(&error))?.pop() {
            Some(Reply::Error(text)) => Err(connection.refusal(&text)),
            _ => Ok(Self { connection, heard: Instant::now(), asked: false }),
        }
    }

    /// When the server must be asked, or must have answered.
    fn next(&self) -> Instant {
        self.heard + SILENCE + if self.asked { PATIENCE } else { Duration::ZERO }
    }

    /// Reads all that has come. Whether a wake-up was among it.
    fn read(&mut self) -> Result<bool, StoreError> {
        let mut woken = false;
        loop {
            match self.connection.poll() {
                Ok(None) => return Ok(woken),
                Ok(Some(Reply::List(list))) => {
                    woken |= list.first() == Some(&Reply::Bytes(b"message".to_vec()));
                    (self.heard, self.asked) = (Instant::now(), false);
                }
                Ok(Some(Reply::Error(text))) => return Err(self.connection.refusal(&text)),
                Ok(Some(_)) => (self.heard, self.asked) = (Instant::now(), false),
                Err(error) => return Err(self.connection.lost(&error)),
            }
        }
    }

    fn ask(&mut self) -> Result<(), StoreError> {
        if self.asked {
            return Err(self.connection.lost(&ErrorKind::TimedOut.into()));
        }
        self.asked = true;
        self.connection.send(&[b"PING"]).map_err(|error| self.connection.lost(&error))
    }
}

impl ServerWakeups {
    pub(super) fn open(server: Server, member: MemberId) -> Result<Self, StoreError> {
        let (asleep, waker) = Asleep::new()
            .map_err(|error| StoreError::away(format_args!("no pair of sockets can be had: {error}")))?;
        let link = Some(Subscription::open(&server, member)?);
        Ok(Self { server, member, link, retry: Retry::default(), asleep, waker })
    }

    /// Connects again if it is time. Whether it is done.
    fn reconnect(&mut self) -> bool {
        if self.retry.not_before().is_some_and(|at| Instant::now() < at) {
            return false;
        }
        match Subscription::open(&self.server, self.member) {
            Ok(link) => {
                self.link = Some(link);
                self.retry.succeeded();
                true
            }
            Err(error) => {
                self.retry.failed(error);
                false
            }
        }
    }
}

impl Wakeups for ServerWakeups {
    fn wait(&mut self, until: Option<Instant>) -> Woken {
        loop {
            if self.link.is_none() && self.reconnect() {
                return Woken::Store;
            }
            let next = self.link.as_ref().map(Subscription::next).or(self.retry.not_before());
            let next = next.into_iter().chain(until).min();
            let heard = sleep(&self.asleep, self.link.as_ref().map(|link| link.connection.as_fd()), next);
            if let Some(link) = &mut self.link {
                let read = if heard.store {
                    link.read()
                } else if link.next() <= Instant::now() {
                    link.ask().map(|()| false)
                } else {
                    Ok(false)
                };
                match read {
                    Ok(true) => return Woken::Store,
                    Ok(false) => {}
                    Err(error) => {
                        self.link = None;
                        self.retry.failed(error.clone());
                        return Woken::Away(error);
                    }
                }
            }
            if heard.local {
                self.asleep.clear();
                return Woken::Local;
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Woken::Timeout;
            }
        }
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}
