//! The file store for several users, in folders of several modes, and on a full disk.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::store::contract::{Child, Folder, SCOPE, add, insist, look};
use crate::store::{StoreErrorKind, Write, open};

#[test]
fn a_full_disk_is_told_and_the_store_comes_back_by_itself() {
    let folder = Folder::new();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "none"]).arg(&folder.0).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        return println!("no full disk was tested: a small one cannot be mounted (that needs root)");
    }
    let _unmount = Unmount(&folder.0);
    let mut store = open(&folder.address()).expect("opens");
    add(&mut *store).expect("there is room");
    let fill = folder.0.join("fill");
    let _ = std::fs::write(&fill, vec![1; 1 << 20]);
    let mut failed = None;
    for _ in 0..100 {
        let big = Write { bytes: vec![0; 8192], ..Write::default() };
        failed = failed.or(store.update(SCOPE, &mut |_| Some(big.clone())).err());
    }
    let error = failed.expect("the disk is full");
    assert_eq!(error.kind(), StoreErrorKind::Away, "{error}");
    assert!(error.to_string().contains("Make room"), "{error}");
    std::fs::remove_file(&fill).expect("deleted");
    insist(|| add(&mut *store));
    let mut other = open(&folder.address()).expect("opens");
    insist(|| add(&mut *other));
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(self.0).status();
    }
}

/// This binary as another user, where the tests run as root.
fn as_user(folder: &Folder, uid: u32, gid: u32) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        println!("no other user was tested: only root can become one");
        return None;
    }
    let copy = folder.0.join(format!("binary-{uid}"));
    if !copy.exists() {
        std::fs::copy(std::env::current_exe().expect("this binary"), &copy).expect("copied");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let mut command = Command::new(copy);
    command.uid(uid).gid(gid).current_dir("/");
    Some(command)
}

fn folder_of_mode(uid: u32, gid: u32, mode: u32) -> Folder {
    let folder = Folder::new();
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let shared = folder.0.join("shared");
    std::fs::create_dir(&shared).expect("a folder");
    let _ = std::os::unix::fs::chown(&shared, Some(uid), Some(gid));
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(mode)).expect("ours");
    folder
}

#[test]
fn users_who_share_a_folder_share_its_file() {
    for (mode, uid, gid) in [(0o777, 0, 0), (0o2770, 0, 4242), (0o2775, 0, 4242)] {
        let folder = folder_of_mode(uid, gid, mode);
        let address = format!("sqlite:///{}/shared/budget.db", folder.0.display());
        let (Some(one), Some(two)) = (as_user(&folder, 4343, 4242), as_user(&folder, 4344, 4242)) else {
            return;
        };
        let mut one = Child::of(one, "add", &address);
        assert_eq!(one.says().as_deref(), Some("1"), "{mode:o}");
        let mut two = Child::of(two, "add", &address);
        assert_eq!(two.says().as_deref(), Some("2"), "{mode:o}");
        let mut root = open(&address).expect("opens");
        let (id, _wakeups) = root.join().expect("joins");
        assert_eq!(add(&mut *root), Ok(3));
        one.tell("again");
        assert_eq!(one.says().as_deref(), Some("4"), "{mode:o}");
        drop((one, two));
        // Each sees and wakes the other's members.
        let mut member = Child::of(as_user(&folder, 4345, 4242).expect("root"), "member", &address);
        let other = member.member();
        look(&mut *root, |read| {
            assert!(!(read.is_dead)(other) && !(read.is_dead)(id), "{mode:o}");
        });
        let named = Write { bytes: 4u64.to_le_bytes().to_vec(), wake: vec![other], durable: false };
        root.update(SCOPE, &mut |_| Some(named.clone())).expect("a write");
        member.expect("woken");
        drop(root);
        let mut last = Child::of(as_user(&folder, 4346, 4242).expect("root"), "add", &address);
        assert_eq!(last.says().as_deref(), Some("5"), "also after root has written: {mode:o}");
    }
}

#[test]
fn what_root_makes_in_a_users_folder_is_the_users() {
    let folder = folder_of_mode(4343, 4242, 0o755);
    let address = format!("sqlite:///{}/shared/budget.db", folder.0.display());
    let Some(user) = as_user(&folder, 4343, 4242) else { return };
    let mut root = open(&address).expect("opens");
    let (id, _wakeups) = root.join().expect("joins");
    add(&mut *root).expect("alone");
    let mut user = Child::of(user, "add", &address);
    assert_eq!(user.says().as_deref(), Some("2"));
    for end in ["", "-wal", "-shm", "-lock", &format!("-members/{id}")] {
        let facts = std::fs::metadata(folder.0.join(format!("shared/budget.db{end}"))).expect("there");
        assert_eq!((facts.uid(), facts.gid()), (4343, 4242), "{end}");
        assert_eq!(facts.mode() & 0o777, 0o644, "{end}");
    }
}

#[test]
fn a_user_without_the_right_is_told_who_needs_which() {
    let folder = folder_of_mode(0, 0, 0o755);
    let address = format!("sqlite:///{}/shared/budget.db", folder.0.display());
    let Some(stranger) = as_user(&folder, 4343, 4242) else { return };
    let mut stranger = Child::of(stranger, "add", &address);
    let said = stranger.says().expect("an answer");
    assert!(said.starts_with("Denied") && said.contains("user id 4343"), "{said}");
    add(&mut *open(&address).expect("opens")).expect("ours");
    let mut stranger = Child::of(as_user(&folder, 4343, 4242).expect("root"), "add", &address);
    let said = stranger.says().expect("an answer");
    assert!(said.starts_with("Denied") && said.contains("user id 4343"), "{said}");
}

#[test]
fn a_folder_that_becomes_read_only_is_told_and_comes_back() {
    let folder = folder_of_mode(4343, 4242, 0o755);
    let shared = folder.0.join("shared");
    let address = format!("sqlite:///{}/budget.db", shared.display());
    let Some(user) = as_user(&folder, 4343, 4242) else { return };
    let mut user = Child::of(user, "add", &address);
    assert_eq!(user.says().as_deref(), Some("1"));
    let mode = |mode| std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o555);
    let mut late = Child::of(as_user(&folder, 4343, 4242).expect("root"), "add", &address);
    let answer = late.says().expect("an answer");
    assert!(answer == "2" || answer.starts_with("Denied"), "{answer}");
    for name in ["budget.db-wal", "budget.db-shm", "budget.db", "budget.db-lock"] {
        std::fs::remove_file(shared.join(name)).expect("root may");
    }
    user.tell("again");
    let said = user.says().expect("an answer");
    assert!(said.starts_with("Denied"), "{said}");
    mode(0o755);
    user.tell("again");
    assert_eq!(user.says().as_deref(), Some("1"));
}
