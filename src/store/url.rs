//! Reads the address of a store: `sqlite:///file`, `redis://host`, `rediss://host`, `unix:///socket`.
//!
//! No error shows a password, also where the address is wrong in front of it.

use std::fmt;
use std::path::PathBuf;

use super::StoreError;

const FORMS: &str = "\"sqlite:////absolute/path.db\", \"sqlite:///relative/path.db\", \
    \"redis://user:password@host:6379/0\", \"rediss://…\" (with TLS) or \"unix:///path/of/socket?db=0\"";

/// Where a store is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StoreUrl {
    Sqlite(PathBuf),
    Redis(Server),
}

/// A Redis or Valkey server.
#[derive(Clone, PartialEq)]
pub(crate) struct Server {
    pub(crate) at: Endpoint,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
    /// The address without the password.
    pub(crate) shown: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.shown).finish()
    }
}

impl StoreUrl {
    pub(crate) fn parse(address: &str) -> Result<Self, StoreError> {
        let Some((scheme, rest)) = address.split_once("://") else {
            return Err(wrong(address, format_args!("it must be one of {FORMS}")));
        };
        match scheme {
            "sqlite" => sqlite(address, rest),
            "redis" | "valkey" => tcp(address, rest, false),
            "rediss" | "valkeys" => tcp(address, rest, true),
            "unix" | "redis+unix" | "valkey+unix" => unix(address, rest),
            _ => {
                Err(wrong(address, format_args!("{scheme:?} is no kind of store; it must be one of {FORMS}")))
            }
        }
    }
}

fn sqlite(address: &str, rest: &str) -> Result<StoreUrl, StoreError> {
    let Some(path) = rest.strip_prefix('/') else {
        return Err(wrong(
            address,
            format_args!(
                "a file takes three slashes, or four for an absolute path: \"sqlite:///{rest}\" or \
                 \"sqlite:////{rest}\""
            ),
        ));
    };
    if path.contains(['?', '#']) {
        return Err(wrong(
            address,
            "the address of a file takes no options: leave out what follows \"?\" or \"#\"",
        ));
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(wrong(address, "the name of the file is missing: \"sqlite:////var/lib/bots/budget.db\""));
    }
    if path == ":memory:" {
        return Err(wrong(
            address,
            "other processes cannot see a database in memory; name a file: \"sqlite:///budget.db\"",
        ));
    }
    // As a file of settings ends with a line break: it would be one budget more, without a word.
    if path.contains(char::is_control) || path.trim() != path {
        return Err(wrong(
            address,
            "the path has a control character, or white space at an end: leave that out",
        ));
    }
    Ok(StoreUrl::Sqlite(PathBuf::from(path)))
}

fn tcp(address: &str, rest: &str, tls: bool) -> Result<StoreUrl, StoreError> {
    if let Some(cut) = rest.find(['?', '#']) {
        let what = &rest[cut..=cut];
        return Err(wrong(
            address,
            format_args!(
                "it takes no options after {what:?}; in a password write \"?\" as %3F and \"#\" as %23"
            ),
        ));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None if path.contains('@') => {
            return Err(wrong(address, "write \"/\" in a user or password as %2F"));
        }
        None => (None, authority),
    };
    let (host, port) = host_and_port(address, place)?;
    let (user, password) = login.map_or(Ok((None, None)), |login| credentials(address, login))?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let database = if path.is_empty() { 0 } else { database(address, path)? };
    let at = Endpoint::Tcp { host, port, tls };
    Ok(StoreUrl::Redis(Server { at, user, password, database, shown: shown(address) }))
}

fn host_and_port(address: &str, place: &str) -> Result<(String, u16), StoreError> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| {
            wrong(address, "the \"]\" behind an IPv6 address is missing: \"redis://[::1]:6379\"")
        })?;
        if !rest.is_empty() && !rest.starts_with(':') {
            return Err(wrong(address, "only a port may follow \"]\": \"redis://[::1]:6379\""));
        }
        (host, rest.strip_prefix(':'))
    } else if place.matches(':').count() > 1 {
        return Err(wrong(address, "an IPv6 address stands in brackets: \"redis://[::1]:6379\""));
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    if host.is_empty() {
        return Err(wrong(address, "the host is missing: \"redis://localhost:6379/0\""));
    }
    let port = match port {
        None | Some("") => 6379,
        // What is no port may be a password without its "@host": it is not shown.
        Some(port) => port.parse().ok().filter(|&port| port > 0).ok_or_else(|| {
            wrong(address, "the port must be a number from 1 to 65535: \"redis://localhost:6379/0\"")
        })?,
    };
    Ok((host.to_owned(), port))
}

fn database(address: &str, number: &str) -> Result<u32, StoreError> {
    number.parse().map_err(|_| {
        wrong(address, "behind the host stands the number of a database: \"redis://localhost:6379/0\"")
    })
}

type Credentials = (Option<String>, Option<String>);

fn credentials(address: &str, login: &str) -> Result<Credentials, StoreError> {
    let (user, password) =
        login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let given = |text: &str| {
        if text.is_empty() { Ok(None) } else { decoded(address, text).map(Some) }
    };
    let user = given(user)?;
    let password = password.map_or(Ok(None), given)?;
    if user.is_some() && password.is_none() {
        return Err(wrong(
            address,
            "the user has no password; write \"user:password@host\", or \":password@host\" without a user",
        ));
    }
    Ok((user, password))
}

fn unix(address: &str, rest: &str) -> Result<StoreUrl, StoreError> {
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, path) = match place.find('/') {
        Some(0) => (None, place),
        Some(at) if place[..at].ends_with('@') => (Some(&place[..at - 1]), &place[at..]),
        _ => {
            return Err(wrong(
                address,
                "the path of the socket must be absolute: \"unix:///run/redis/redis.sock?db=0\"",
            ));
        }
    };
    let (mut user, mut password) = login.map_or(Ok((None, None)), |login| credentials(address, login))?;
    let mut number = 0;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "db" => number = database(address, value)?,
            "user" | "username" => user = Some(decoded(address, value)?),
            "pass" | "password" => password = Some(decoded(address, value)?),
            _ => return Err(wrong(address, "its options can be \"db\", \"user\" and \"password\"")),
        }
    }
    let at = Endpoint::Unix(PathBuf::from(decoded(address, path)?));
    Ok(StoreUrl::Redis(Server { at, user, password, database: number, shown: shown(address) }))
}

/// Puts characters for `%XX`.
fn decoded(address: &str, text: &str) -> Result<String, StoreError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let value = tail.get(..2).and_then(|digits| {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            Some(digit(digits[0])? * 16 + digit(digits[1])?)
        });
        let Some(value) = value else {
            return Err(wrong(
                address,
                "two hexadecimal digits must follow \"%\"; write \"%\" itself as %25",
            ));
        };
        bytes.push(value as u8);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong(address, "what \"%\" encodes must be UTF-8"))
}

fn wrong(address: &str, what: impl fmt::Display) -> StoreError {
    StoreError::address(format_args!("the store's address {:?} cannot be: {what}", shown(address)))
}

/// The address with "***" for everything that may be a password.
pub(crate) fn shown(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        // Perhaps a password without its scheme.
        return if address.contains('@') { "***".into() } else { address.into() };
    };
    if scheme == "sqlite" {
        return address.to_owned();
    }
    let (place, options) = match rest.rfind('@') {
        // Everything before the last "@" may belong to a password, whatever characters it has.
        Some(at) => {
            let user = rest[..at].split(':').next().filter(|user| !user.contains(['/', '?', '#', '@']));
            let login = user.map_or("***".to_owned(), |user| format!("{user}:***"));
            (format!("{login}{}", &rest[at..]), rest.find('?').filter(|&mark| mark < at))
        }
        None => {
            // "redis://:password" or "redis://host:password": a port is shown, nothing else that follows a colon.
            let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
            let authority = match authority.rsplit_once(':') {
                Some((host, port))
                    if !authority.ends_with(']') && port.parse::<u16>().is_err() && !port.is_empty() =>
                {
                    format!("{}:***", host.split(':').next().unwrap_or(""))
                }
                _ => authority.to_owned(),
            };
            (path.map_or(authority.clone(), |path| format!("{authority}/{path}")), None)
        }
    };
    // Options of which one holds the "@".
    let place = if options.is_some() { "***".to_owned() } else { place };
    let place = match place.split_once('?') {
        Some((path, options)) => {
            let options: Vec<String> = options
                .split('&')
                .map(|option| match option.split_once('=') {
                    Some((name @ ("db" | "user" | "username"), value)) => format!("{name}={value}"),
                    Some((name, _)) => format!("{name}=***"),
                    None => "***".into(),
                })
                .collect();
            format!("{path}?{}", options.join("&"))
        }
        None => place,
    };
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str) -> Server {
        match StoreUrl::parse(address) {
            Ok(StoreUrl::Redis(server)) => server,
            other => panic!("{address}: {other:?}"),
        }
    }

    fn host(host: &str, port: u16, tls: bool) -> Endpoint {
        Endpoint::Tcp { host: host.into(), port, tls }
    }

    #[test]
    fn three_slashes_are_a_relative_file_and_four_an_absolute_one() {
        let path = |address| match StoreUrl::parse(address) {
            Ok(StoreUrl::Sqlite(path)) => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(path("sqlite:////var/lib/bots/my budget.db"), PathBuf::from("/var/lib/bots/my budget.db"));
        assert_eq!(path("sqlite:///budget.db"), PathBuf::from("budget.db"));
    }

    #[test]
    fn servers_are_read_with_users_passwords_ports_and_databases() {
        let all = server("rediss://bot:p%40ss%3A%2F@example.org:6380/3");
        assert_eq!(all.at, host("example.org", 6380, true));
        assert_eq!((all.user.as_deref(), all.password.as_deref()), (Some("bot"), Some("p@ss:/")));
        assert_eq!(all.database, 3);
        assert_eq!(all.shown, "rediss://bot:***@example.org:6380/3");
        let least = server("redis://localhost");
        assert_eq!((least.at, least.password, least.database), (host("localhost", 6379, false), None, 0));
        let no_user = server("valkey://:secret@[::1]:7000/");
        assert_eq!((no_user.at, no_user.user), (host("::1", 7000, false), None));
        assert_eq!(no_user.password.as_deref(), Some("secret"));
    }

    #[test]
    fn sockets_are_read_as_redis_py_and_redis_rs_write_them() {
        for address in [
            "unix:///run/redis.sock?db=2&password=x%26y",
            "redis+unix:///run/redis.sock?db=2&pass=x%26y",
            "unix://:x%26y@/run/redis.sock?db=2",
        ] {
            let read = server(address);
            assert_eq!(read.at, Endpoint::Unix("/run/redis.sock".into()), "{address}");
            assert_eq!((read.password.as_deref(), read.database), (Some("x&y"), 2), "{address}");
            assert!(!read.shown.contains("x%26y"), "{}", read.shown);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_value_and_what_would_be_right() {
        for (address, expected) in [
            ("budget.db", "it must be one of \"sqlite:////absolute/path.db\""),
            ("mysql://host/db", "\"mysql\" is no kind of store"),
            ("sqlite://budget.db", "\"sqlite:///budget.db\" or \"sqlite:////budget.db\""),
            ("sqlite:///", "the name of the file is missing"),
            ("sqlite:////var/lib/", "the name of the file is missing"),
            ("sqlite:///:memory:", "name a file"),
            ("sqlite:////var/lib/budget.db\n", "white space at an end"),
            ("sqlite:////var/lib/budget.db ", "white space at an end"),
            ("sqlite:////var/lib/bud\0get.db", "a control character"),
            ("sqlite:///a.db?mode=ro", "takes no options"),
            ("redis://", "the host is missing"),
            ("redis://:6379", "the host is missing"),
            ("redis://host:0", "from 1 to 65535"),
            ("redis://host:66000", "from 1 to 65535"),
            ("redis://host/main", "the number of a database"),
            ("redis://host?db=1", "takes no options"),
            ("redis://bot@host", "the user has no password"),
            ("redis://::1:6379", "stands in brackets"),
            ("redis://[::1", "is missing"),
            ("redis://:a%zz@host", "two hexadecimal digits"),
            ("unix://redis.sock", "must be absolute"),
            ("unix:///redis.sock?database=0", "can be \"db\""),
        ] {
            let error = StoreUrl::parse(address).expect_err(address).to_string();
            assert!(error.contains(expected), "{address}: {error}");
        }
    }

    #[test]
    fn no_password_is_shown_wherever_the_address_is_wrong() {
        for address in [
            "redis://:hunter2@host:port",
            "redis://:hunter2",
            "redis://host:hunter2",
            "redis://bot:hunter2",
            "redis://bot:hunter2/more@host",
            "redis://bot:hu/hunter2@host/x",
            "redis://bot:hu?hunter2@host",
            "redis://bot:hu#hunter2@host",
            "redis://bot:hu@hunter2@host/x",
            "redis://bot:%zzhunter2@host",
            "unix:///sock?passwort=hunter2",
            "unix:///sock?hunter2",
            "unix:///sock?db=x&password=hunter2",
            "unix:///sock?db=x&password=a@hunter2",
            "unix:///sock?db=x&password=hunter2@a",
            "bot:hunter2@host",
            "mysql://bot:hunter2@host",
        ] {
            let error = StoreUrl::parse(address).map(|url| format!("{url:?}"));
            let text = error.unwrap_or_else(|error| error.to_string());
            assert!(!text.contains("hunter2"), "{address}: {text}");
        }
        assert!(!format!("{:?}", server("redis://:hunter2@host")).contains("hunter2"));
    }
}
