//! One connection to a server: logs in, asks, and says in plain words what is wrong.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::explain;
use super::resp::{self, Reply};
use super::stream::Stream;
use crate::store::StoreError;
use crate::store::url::{Endpoint, Server};

/// For how long a connection may be under way, and a reply.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    stream: Stream,
    unread: Vec<u8>,
    /// The server's address without the password, for messages.
    shown: String,
}

impl Connection {
    /// Connects to one node of `server` and logs in.
    pub(super) fn open(server: &Server, node: &Endpoint) -> Result<Self, StoreError> {
        let until = Instant::now() + PATIENCE;
        let shown = match (node, &server.at) {
            (Endpoint::Tcp { host, port, .. }, at) if node != at => {
                format!("{} (its node {host}:{port})", server.shown)
            }
            _ => server.shown.clone(),
        };
        let stream =
            Stream::connect(node, until).map_err(|error| explain::unreachable(&shown, node, &error))?;
        let mut connection = Self { stream, unread: Vec::new(), shown };
        let number = server.database.to_string();
        let mut login: Vec<Vec<&[u8]>> = Vec::new();
        if let Some(password) = &server.password {
            let mut auth: Vec<&[u8]> = vec![b"AUTH"];
            auth.extend(server.user.as_ref().map(|user| user.as_bytes()));
            auth.push(password.as_bytes());
            login.push(auth);
        }
        if server.database > 0 {
            login.push(vec![b"SELECT", number.as_bytes()]);
        }
        login.push(vec![b"CLIENT", b"SETNAME", b"sluicegate"]);
        let commands: Vec<&[&[u8]]> = login.iter().map(Vec::as_slice).collect();
        let replies = connection
            .ask_until(&commands, until)
            .map_err(|error| explain::silent(&connection.shown, node, &error))?;
        // The name is for those who look at the server's list of clients; it may be forbidden.
        for reply in &replies[..replies.len() - 1] {
            if let Reply::Error(text) = reply {
                // A server that does not know AUTH repeats what followed it.
                let secret = server.password.as_deref().filter(|password| !password.is_empty());
                let text = secret.map_or_else(|| text.clone(), |secret| text.replace(secret, "***"));
                return Err(connection.refusal(&text));
            }
        }
        if let Some(Reply::Error(text)) =
            replies.last().filter(|reply| matches!(reply, Reply::Error(text) if text.starts_with("NOAUTH")))
        {
            return Err(connection.refusal(text));
        }
        Ok(connection)
    }

    /// Sends commands and reads a reply to each.
    pub(super) fn ask(&mut self, commands: &[&[&[u8]]]) -> io::Result<Vec<Reply>> {
        self.ask_until(commands, Instant::now() + PATIENCE)
    }

    fn ask_until(&mut self, commands: &[&[&[u8]]], until: Instant) -> io::Result<Vec<Reply>> {
        let mut bytes = Vec::with_capacity(256);
        commands.iter().for_each(|command| resp::command(&mut bytes, command));
        self.stream.write(&bytes, until)?;
        (0..commands.len()).map(|_| self.next(until)).collect()
    }

    fn next(&mut self, until: Instant) -> io::Result<Reply> {
        loop {
            if let Some(reply) = self.unread()? {
                return Ok(reply);
            }
            self.stream.read(&mut self.unread, until)?;
        }
    }

    /// A reply that is here already; `None` if there is none.
    pub(super) fn poll(&mut self) -> io::Result<Option<Reply>> {
        loop {
            if let Some(reply) = self.unread()? {
                return Ok(Some(reply));
            }
            match self.stream.read_now(&mut self.unread) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                other => other?,
            }
        }
    }

    fn unread(&mut self) -> io::Result<Option<Reply>> {
        let parsed = resp::reply(&self.unread).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        Ok(parsed.map(|(reply, used)| {
            self.unread.drain(..used);
            reply
        }))
    }

    /// Sends a command whose reply [`poll`](Self::poll) will bring.
    pub(super) fn send(&mut self, command: &[&[u8]]) -> io::Result<()> {
        let mut bytes = Vec::new();
        resp::command(&mut bytes, command);
        self.stream.write(&bytes, Instant::now() + PATIENCE)
    }

    /// Whether the connection has ended while nobody looked. What is asked on it would be lost for sure.
    pub(super) fn is_stale(&self) -> bool {
        self.stream.is_stale()
    }

    /// What an error of a connection that worked before means.
    pub(super) fn lost(&self, error: &io::Error) -> StoreError {
        explain::lost(&self.shown, error)
    }

    /// What an error that the server answered means.
    pub(super) fn refusal(&self, text: &str) -> StoreError {
        explain::refusal(&self.shown, text)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
