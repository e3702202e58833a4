//! A cluster: which nodes there are, and where a key is.

use super::RedisServer;
use super::resp::Reply;
use crate::store::StoreError;
use crate::store::url::Endpoint;

impl RedisServer {
    /// Asks a node something that changes nothing.
    pub(super) fn one(&mut self, node: &Endpoint, command: &[&[u8]]) -> Result<Reply, StoreError> {
        let link = self.link(node)?;
        match link.connection.ask(&[command]) {
            Ok(mut replies) => match replies.pop() {
                Some(Reply::Error(text)) => Err(link.connection.refusal(&text)),
                reply => reply.ok_or_else(|| self.odd()),
            },
            Err(error) => {
                let error = link.connection.lost(&error);
                self.connections.remove(node);
                Err(error)
            }
        }
    }

    /// The nodes that have keys: of a cluster its primaries, otherwise the server itself.
    pub(super) fn nodes(&mut self) -> Result<Vec<Endpoint>, StoreError> {
        let node = self.server.at.clone();
        let alone = vec![node.clone()];
        // What may not be asked or is not known is no cluster of ours.
        let info = self.one(&node, &[b"INFO", b"cluster"]).unwrap_or(Reply::Nil);
        match info {
            Reply::Bytes(info) if String::from_utf8_lossy(&info).contains("cluster_enabled:1") => {}
            _ => return Ok(alone),
        }
        let Reply::List(ranges) = self.one(&node, &[b"CLUSTER", b"SLOTS"])? else { return Ok(alone) };
        let mut nodes = Vec::new();
        for range in ranges {
            let place = match range {
                // From, to, the primary, its replicas.
                Reply::List(range) => match range.get(2) {
                    Some(Reply::List(primary)) => match &primary[..] {
                        [Reply::Bytes(host), Reply::Number(port), ..] => {
                            named(&String::from_utf8_lossy(host), &port.to_string(), &node)
                        }
                        [Reply::Nil, Reply::Number(port), ..] => named("", &port.to_string(), &node),
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            };
            nodes.push(place.ok_or_else(|| self.odd())?);
        }
        nodes.dedup();
        Ok(nodes)
    }
}

/// The next cursor of a scan, and the keys.
pub(super) fn scanned(reply: Reply) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let Reply::List(list) = reply else { return None };
    let Ok([Reply::Bytes(next), Reply::List(keys)]) = <[Reply; 2]>::try_from(list) else { return None };
    let keys = keys.into_iter().filter_map(|key| match key {
        Reply::Bytes(key) => Some(key),
        _ => None,
    });
    Some((next, keys.collect()))
}

/// The node that a cluster names: "MOVED 3999 127.0.0.1:6381".
pub(super) fn moved(text: &str, from: &Endpoint) -> Option<Endpoint> {
    let mut words = text.split(' ');
    if words.next() != Some("MOVED") {
        return None;
    }
    let (host, port) = words.nth(1)?.rsplit_once(':')?;
    named(host, port, from)
}

/// A node of the cluster in which `from` is another. Without a host it is the same.
fn named(host: &str, port: &str, from: &Endpoint) -> Option<Endpoint> {
    let (same, tls) = match from {
        Endpoint::Tcp { host, tls, .. } => (host.as_str(), *tls),
        Endpoint::Unix(_) => ("127.0.0.1", false),
    };
    let host = if matches!(host, "" | "?") { same } else { host };
    Some(Endpoint::Tcp { host: host.to_owned(), port: port.parse().ok()?, tls })
}
