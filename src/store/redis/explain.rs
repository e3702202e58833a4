//! What the errors of a server and of its connection mean, in plain words, with what helps. None shows a password.

use std::io::{self, ErrorKind};

use super::connection::PATIENCE;
use crate::store::StoreError;
use crate::store::url::Endpoint;

/// What a user of the server needs; a test tries it.
pub(super) const RIGHTS: &str = "~{sluicegate:* resetchannels &sluicegate:* +@read +@write +@scripting +@pubsub +@connection +select +time +info";

/// An error while connecting.
pub(super) fn unreachable(shown: &str, node: &Endpoint, error: &io::Error) -> StoreError {
    match node {
        Endpoint::Unix(path) if error.kind() == ErrorKind::PermissionDenied => {
            StoreError::denied(format_args!(
                "{shown} cannot be reached: this process may not write to the socket {}. See unixsocketperm in redis.conf",
                path.display()
            ))
        }
        _ => StoreError::away(format_args!("{shown} cannot be reached: {error}")),
    }
}

/// An error before the first reply.
pub(super) fn silent(shown: &str, node: &Endpoint, error: &io::Error) -> StoreError {
    match (error.kind(), node) {
        // A server without TLS waits for the end of what it takes for a command.
        (ErrorKind::TimedOut | ErrorKind::UnexpectedEof, Endpoint::Tcp { tls: true, .. }) => {
            StoreError::away(format_args!(
                "{shown} did not answer in TLS within {} s. Look at the port, or use \"redis://…\" if the server has no TLS",
                PATIENCE.as_secs()
            ))
        }
        (ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset, Endpoint::Tcp { tls: false, .. }) => {
            StoreError::away(format_args!(
                "{shown} closed the connection at once. If the server wants TLS, use \"rediss://…\""
            ))
        }
        _ => lost(shown, error),
    }
}

/// An error of a connection that worked before.
pub(super) fn lost(shown: &str, error: &io::Error) -> StoreError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            return StoreError::denied(format_args!(
                "the certificate of {shown} is not trusted ({why:?}). If it is your own, name the file of its authority \
                 in the environment variable SSL_CERT_FILE"
            ));
        }
        Some(error) => {
            return StoreError::refused(format_args!(
                "{shown} does not speak TLS as expected ({error}). Look at the port, or use \"redis://…\" if the server \
                 has no TLS"
            ));
        }
        None => {}
    }
    match error.kind() {
        ErrorKind::TimedOut => {
            StoreError::away(format_args!("{shown} did not answer within {} s", PATIENCE.as_secs()))
        }
        ErrorKind::UnexpectedEof => StoreError::away(format_args!("{shown} closed the connection")),
        ErrorKind::InvalidData => not_redis(shown),
        _ => StoreError::away(format_args!("the connection to {shown} is lost: {error}")),
    }
}

pub(super) fn not_redis(shown: &str) -> StoreError {
    StoreError::refused(format_args!(
        "{shown} does not answer as Redis or Valkey does. Look at the host and the port, and whether the server wants TLS \
         (\"rediss://…\")"
    ))
}

/// An error that the server answered.
pub(super) fn refusal(shown: &str, text: &str) -> StoreError {
    // The code comes first; Redis 6 puts it into a sentence if a script meets it.
    let code = |code: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code);
    let lower = text.to_lowercase();
    let says = |what: &str| lower.contains(what);
    if code("NOAUTH") || says("operation not permitted") {
        let (start, host) =
            if shown.contains("unix://") { ("unix", "/path/of/socket") } else { ("redis", "host") };
        StoreError::denied(format_args!(
            "{shown} wants a password. Write it into the address: \"{start}://user:password@{host}\", or \
             \"{start}://:password@{host}\" without a user"
        ))
    } else if code("WRONGPASS") || says("invalid password") {
        StoreError::denied(format_args!(
            "{shown} does not know this user with this password. Put the address right; what has \"@\", \":\", \"/\" or \
             \"%\" in it needs %40, %3A, %2F or %25 instead"
        ))
    } else if says("no password is set") || says("without any password") {
        StoreError::denied(format_args!(
            "{shown} has no password, and refuses one. Leave it out of the address, or set it on the server (requirepass)"
        ))
    } else if says("wrong number of arguments for 'auth'") {
        StoreError::denied(format_args!(
            "{shown} knows no users, only a password (it is older than Redis 6). Leave out the user: \
             \"redis://:password@host\""
        ))
    } else if code("NOPERM") || says("the user executing the script can't") || says("no permissions") {
        StoreError::denied(format_args!(
            "{shown} does not allow its user what is needed ({text}). Allow it: ACL SETUSER name {RIGHTS}"
        ))
    } else if code("READONLY") {
        StoreError::away(format_args!("{shown} is a replica, which cannot be written. Name its primary"))
    } else if code("OOM") {
        StoreError::away(format_args!("the memory of {shown} is full. Raise its maxmemory, or free some"))
    } else if code("MISCONF") {
        StoreError::away(format_args!("{shown} cannot save to its disk, and takes no writes ({text})"))
    } else if code("WRONGTYPE") {
        StoreError::corrupt(format_args!(
            "a key of another program has the name of ours in {shown}. Use another database: \"redis://host:6379/1\""
        ))
    } else if says("db index") || says("select is not allowed") {
        StoreError::refused(format_args!("{shown} does not have this database ({text}). Use number 0"))
    } else if says("max number of clients") {
        StoreError::away(format_args!("{shown} has too many clients. Raise its maxclients"))
    } else if says("unknown command") {
        StoreError::refused(format_args!(
            "{shown} does not know a command that is needed ({text}). Use Redis 6 or later, or Valkey"
        ))
    } else {
        // Not ready: LOADING, BUSY, MASTERDOWN, TRYAGAIN, ASK, CLUSTERDOWN; and what nobody has thought of.
        StoreError::away(format_args!("{shown} answers with an error: {text}"))
    }
}
