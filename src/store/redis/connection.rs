//! One connection to a server: logs in, asks, and says in plain words what is wrong.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::resp::{self, Reply};
use super::stream::Stream;
use crate::store::StoreError;
use crate::store::url::{Place, Server};

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
    pub(super) fn open(server: &Server, node: &Place) -> Result<Self, StoreError> {
        let until = Instant::now() + PATIENCE;
        let shown = match (node, &server.at) {
            (Place::Tcp { host, port, .. }, at) if node != at => {
                format!("{} (its node {host}:{port})", server.shown)
            }
            _ => server.shown.clone(),
        };
        let stream = Stream::connect(node, until).map_err(|error| unreachable(&shown, node, &error))?;
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
        let replies = connection.ask_until(&commands, until).map_err(|error| match error.kind() {
            ErrorKind::InvalidData | ErrorKind::TimedOut => connection.lost(&error),
            _ => unreachable(&connection.shown, node, &error),
        })?;
        // The name is for those who look at the server's list of clients; it may be forbidden.
        for reply in &replies[..replies.len() - 1] {
            if let Reply::Error(text) = reply {
                return Err(connection.refusal(text));
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
        let shown = &self.shown;
        match error.kind() {
            ErrorKind::TimedOut => {
                StoreError::away(format_args!("{shown} did not answer within {} s", PATIENCE.as_secs()))
            }
            ErrorKind::UnexpectedEof => StoreError::away(format_args!("{shown} closed the connection")),
            ErrorKind::InvalidData if error.get_ref().is_none_or(|inner| !inner.is::<rustls::Error>()) => {
                StoreError::refused(format_args!(
                    "{shown} does not answer as Redis or Valkey does. Look at the host and the port, and whether the server \
                     wants TLS (\"rediss://…\")"
                ))
            }
            _ => StoreError::away(format_args!("the connection to {shown} is lost: {error}")),
        }
    }

    /// What an error that the server answered means.
    pub(super) fn refusal(&self, text: &str) -> StoreError {
        let shown = &self.shown;
        let code = text.split(' ').next().unwrap_or("");
        let lower = text.to_lowercase();
        match code {
            "NOAUTH" => StoreError::denied(format_args!(
                "{shown} wants a password. Write it into the address: \"redis://user:password@host\", or \
                 \"redis://:password@host\" without a user"
            )),
            "WRONGPASS" => StoreError::denied(format_args!(
                "{shown} does not know this user with this password. Put the address right; what has \"@\", \":\", \"/\" \
                 or \"%\" in it needs %40, %3A, %2F or %25 instead"
            )),
            "NOPERM" => StoreError::denied(format_args!(
                "{shown} does not allow its user what is needed ({text}). Allow it: ACL SETUSER name \
                 ~{{sluicegate:* &sluicegate:* +@read +@write +@scripting +@pubsub +@connection +time +info"
            )),
            "READONLY" => StoreError::away(format_args!(
                "{shown} is a replica, which cannot be written. Name its primary"
            )),
            "OOM" => {
                StoreError::away(format_args!("the memory of {shown} is full ({text}). Raise its maxmemory"))
            }
            "MISCONF" => {
                StoreError::away(format_args!("{shown} cannot save to its disk and takes no writes ({text})"))
            }
            "WRONGTYPE" => StoreError::corrupt(format_args!(
                "a key of another program has the name of ours in {shown} ({text}). Use another database: \
                 \"redis://host:6379/1\""
            )),
            "LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN" | "ASK" | "CLUSTERDOWN" => {
                StoreError::away(format_args!("{shown} is not ready ({text})"))
            }
            _ if lower.contains("invalid password")
                || lower.contains("without any password")
                || lower.contains("no password is set") =>
            {
                StoreError::denied(format_args!("{shown} does not take this password ({text})"))
            }
            _ if lower.contains("wrong number of arguments for 'auth'") => StoreError::denied(format_args!(
                "{shown} knows no users, only a password (it is older than Redis 6): leave out the user, as in \
                 \"redis://:password@host\""
            )),
            _ if lower.contains("db index") || lower.contains("select is not allowed") => {
                StoreError::refused(format_args!(
                    "{shown} does not have this database ({text}). Use number 0"
                ))
            }
            _ if lower.contains("max number of clients") => {
                StoreError::away(format_args!("{shown} has too many clients ({text})"))
            }
            _ if lower.contains("unknown command") => StoreError::refused(format_args!(
                "{shown} does not know a command that is needed ({text}). Use Redis 5 or later, or Valkey"
            )),
            _ => StoreError::away(format_args!("{shown} answers with an error: {text}")),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// What an error while connecting means.
fn unreachable(shown: &str, node: &Place, error: &io::Error) -> StoreError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, node) {
        (Some(rustls::Error::InvalidCertificate(why)), _) => StoreError::denied(format_args!(
            "the certificate of {shown} is not trusted ({why:?}). If it is your own, name the file of its authority in the \
             environment variable SSL_CERT_FILE"
        )),
        (Some(error), _) => StoreError::refused(format_args!(
            "{shown} does not speak TLS as expected ({error}). Look at the port, or use \"redis://…\" if the server has no \
             TLS"
        )),
        (None, Place::Unix(path)) if error.kind() == ErrorKind::PermissionDenied => {
            StoreError::denied(format_args!(
                "{shown} cannot be reached: this process may not write to the socket {}. See unixsocketperm in redis.conf",
                path.display()
            ))
        }
        _ => StoreError::away(format_args!("{shown} cannot be reached: {error}")),
    }
}
