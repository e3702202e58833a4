//! Bytes to and from a server: by TCP, TLS or a Unix socket, never for longer than until an instant.
//!
//! Every socket is non-blocking, and every wait is a `poll` with the time that is left. So a server that hangs, also in
//! the middle of a reply or of the handshake of TLS, costs what the caller allows and no more.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::store::url::Endpoint;

pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects. A TLS handshake happens with the first bytes.
    pub(super) fn connect(place: &Endpoint, until: Instant) -> io::Result<Self> {
        match place {
            Endpoint::Unix(path) => {
                // Connecting to a socket of the same machine does not wait for the other side, unless its queue is full.
                let stream = UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Unix(stream))
            }
            Endpoint::Tcp { host, port, tls } => {
                let stream = tcp(host, *port, until)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                if !tls {
                    return Ok(Self::Tcp(stream));
                }
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let connection = ClientConnection::new(config()?, name).map_err(io::Error::other)?;
                Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
            }
        }
    }

    /// Writes all of it, or fails.
    pub(super) fn write(&mut self, mut bytes: &[u8], until: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.writer().write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) => self.pause(error, PollFlags::OUT, until)?,
            }
        }
        while let Err(error) = self.writer().flush() {
            self.pause(error, PollFlags::OUT, until)?;
        }
        Ok(())
    }

    /// Reads what is there behind what `to` has; waits until something is there. Fails at the end of the stream.
    pub(super) fn read(&mut self, to: &mut Vec<u8>, until: Instant) -> io::Result<()> {
        loop {
            match self.read_now(to) {
                Err(error) => self.pause(error, PollFlags::IN, until)?,
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Reads what is there; `WouldBlock` if nothing is.
    pub(super) fn read_now(&mut self, to: &mut Vec<u8>) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let read = match self {
                Self::Tcp(stream) => stream.read(&mut bytes),
                Self::Unix(stream) => stream.read(&mut bytes),
                Self::Tls(stream) => stream.read(&mut bytes),
            };
            match read {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    to.extend_from_slice(&bytes[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the other side has closed the connection, or said something that nobody asked for.
    pub(super) fn is_stale(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }

    /// Waits until the socket can go on; returns any other error.
    fn pause(&mut self, error: io::Error, mut wish: PollFlags, until: Instant) -> io::Result<()> {
        match error.kind() {
            ErrorKind::Interrupted => return Ok(()),
            ErrorKind::WouldBlock => {}
            _ => return Err(error),
        }
        if let Self::Tls(stream) = self {
            // A handshake reads and writes by turns, whatever its caller wants.
            wish = if stream.conn.wants_write() { PollFlags::OUT } else { PollFlags::IN };
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let timeout = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() };
        let mut fds = [PollFd::from_borrowed_fd(self.as_fd(), wish)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => Err(ErrorKind::TimedOut.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

/// Tries each address of a host, the time shared among them.
fn tcp(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now()) / (addresses.len() - tried) as u32;
        if left < Duration::from_millis(1) {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Trusts whom the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), and, where it has no list, whom
/// browsers trust.
fn config() -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
