//! Who may use a server: passwords, rights and certificates.

use std::path::Path;
use std::process::Command;

use super::explain::RIGHTS;
use super::resp::Reply;
use super::testing::{Running, programs, with_each};
use crate::store::contract::{Child, SCOPE, add, get, insist, keeps_the_contract};
use crate::store::{StoreErrorKind, Write, open};

#[test]
fn a_server_with_tls_keeps_the_contract_and_one_that_is_not_trusted_is_refused() {
    for program in programs() {
        let folder = crate::store::contract::Folder::new();
        let (key, certificate) = (folder.0.join("key.pem"), folder.0.join("certificate.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
            .args([&key, Path::new("-out"), &certificate])
            .output();
        if !made.is_ok_and(|made| made.status.success()) {
            return println!("no TLS was tested: there is no openssl to make a certificate");
        }
        let port = super::testing::free_port().to_string();
        let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
        let options = ["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let Some(_server) =
            Running::try_start(&program, &[&options[..], &["--tls-auth-clients", "no"]].concat())
        else {
            println!("no TLS was tested with {}: it was built without", program.display());
            continue;
        };
        let address = format!("rediss://localhost:{port}");
        let error = open(&address).err().expect("nobody vouches for it");
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
        // The environment belongs to the whole process: another one trusts it.
        for role in ["contract", "flat 100"] {
            let mut command = Command::new(std::env::current_exe().expect("this binary"));
            command.env("SSL_CERT_FILE", &certificate);
            let mut child = Child::of(command, role, &address);
            child.expect(if role == "contract" { "kept" } else { "ready" });
        }
        let error = open(&format!("redis://localhost:{port}")).err().expect("it wants TLS");
        assert!(matches!(error.kind(), StoreErrorKind::Refused | StoreErrorKind::Away), "{error}");
    }
}

#[test]
fn tls_to_a_server_without_it_is_told() {
    with_each(&[], |server| {
        let error = open(&format!("rediss://127.0.0.1:{}", server.port)).err().expect("no TLS");
        assert!(error.to_string().contains("TLS"), "{error}");
    });
}

#[test]
fn wrong_passwords_and_missing_rights_are_told_and_no_password_is_shown() {
    with_each(&["--requirepass", "hunter2"], |mut server| {
        server.password = Some("hunter2".into());
        let at = format!("127.0.0.1:{}", server.port);
        let denied = |address: &str, expected: &str| {
            let error = open(address).err().expect("denied");
            assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
            let text = error.to_string();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("hunter") && !text.contains("sesame"), "{text}");
        };
        denied(&format!("redis://{at}"), "wants a password");
        denied(&format!("redis://{at}/3"), "wants a password");
        denied(&format!("unix://{}", server.socket()), "\"unix://:password@/path/of/socket\"");
        denied(&format!("redis://:hunter3@{at}"), "does not know this user with this password");
        denied(&format!("redis://nobody:hunter2@{at}"), "does not know this user");
        keeps_the_contract(&format!("redis://:hunter2@{at}"));
        let mut store = open(&format!("redis://default:hunter2@{at}/2")).expect("the default user");
        add(&mut *store).expect("there");
        // The least that a user needs, as the message says it; and less.
        let acl = |rights: &str| {
            let mut command = vec!["ACL", "SETUSER", "bot", "reset", "on", ">sesame"];
            command.extend(rights.split(' '));
            assert_eq!(server.ask(&command), Reply::Simple("OK".into()), "{rights}");
            format!("redis://bot:sesame@{at}/5")
        };
        keeps_the_contract(&acl(RIGHTS));
        let mut store = open(&acl(&RIGHTS.replace("~{sluicegate:*", "~other"))).expect("opens");
        let error = add(&mut *store).expect_err("not its key");
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains(RIGHTS), "{error}");
        assert!(!error.may_have_written());
        let mut store = open(&acl(&RIGHTS.replace("&sluicegate:* ", ""))).expect("opens");
        assert_eq!(store.join().err().expect("not its channel").kind(), StoreErrorKind::Denied);
        let before = get(&mut *store);
        let named = Write { bytes: vec![9; 8], wake: vec![crate::store::MemberId(1)], durable: false };
        let error = store.update(SCOPE, &mut |_| Some(named.clone())).expect_err("not its channel");
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        assert_eq!(get(&mut *store), before, "what cannot be told is not written");
        // It goes on without what tells the server's identity and without loading scripts.
        let mut store = open(&acl(&format!("{RIGHTS} -info -script"))).expect("opens");
        insist(|| add(&mut *store));
    });
}

#[test]
fn a_server_without_a_password_refuses_one() {
    with_each(&[], |server| {
        let error =
            open(&format!("redis://:hunter2@127.0.0.1:{}", server.port)).err().expect("no password is set");
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    });
}

#[test]
fn a_server_that_repeats_what_it_does_not_know_shows_no_password() {
    with_each(&["--rename-command", "AUTH", "LOGIN"], |server| {
        let error = open(&format!("redis://bot:hunter2@127.0.0.1:{}", server.port)).err().expect("no AUTH");
        assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("***") && !error.to_string().contains("hunter2"), "{error}");
    });
}
