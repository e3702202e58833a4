//! Which file systems can hold a shared file: those that belong to one kernel.
//!
//! Every promise of the file store stands on memory and locks that one kernel shares between its processes. A file
//! system over a network, or one that another program serves, has neither, and SQLite's files break there. So only file
//! systems that are known to be local are accepted.

use std::os::fd::AsFd;

use crate::store::StoreError;

/// Local file systems, by the number that `statfs` gives. An overlay is local: containers write into its upper folder.
const LOCAL: &[u64] = &[
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683E, // btrfs
    0x2FC1_2FC1, // zfs
    0xF2F5_2010, // f2fs
    0xCA45_1A4E, // bcachefs
    0x3153_464A, // jfs
    0x5265_4973, // reiserfs
    0x3434,      // nilfs2
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    OVERLAY,
    0x6175_6673, // aufs
];

/// What others are called, so that the error can name them.
const OTHERS: &[(u64, &str)] = &[
    (0x6969, "NFS, a network file system"),
    (0x517B, "SMB, a network file system"),
    (0xFF53_4D42, "CIFS, a network file system"),
    (0xFE53_4D42, "SMB, a network file system"),
    (0x0102_1997, "9p, a folder of another kernel, as in WSL, gVisor or a virtual machine"),
    (
        0x6573_5546,
        "FUSE, a folder that another program serves, as in Docker Desktop's bind mounts, virtiofs or sshfs",
    ),
    (0x00C3_6400, "Ceph, a network file system"),
    (0x5346_414F, "AFS, a network file system"),
    (0x6B41_4653, "AFS, a network file system"),
    (0x7375_7245, "Coda, a network file system"),
    (0x0116_1970, "GFS2, a file system of several machines"),
    (0x7461_636F, "OCFS2, a file system of several machines"),
    (0x0BD0_0BD0, "Lustre, a network file system"),
    (0x4750_4653, "GPFS, a network file system"),
    (0x2003_0528, "OrangeFS, a network file system"),
    (0x786F_4256, "vboxsf, a folder of VirtualBox's host"),
    (0xBACB_ACBC, "vmhgfs, a folder of VMware's host"),
    (0x7C7C_6673, "prl_fs, a folder of Parallels' host"),
    (0x4D44, "FAT, which has neither owners nor pipes"),
    (0x2011_BAB0, "exFAT, which has neither owners nor pipes"),
    (0x5346_544E, "NTFS"),
    (0x7366_746E, "NTFS"),
];

const OVERLAY: u64 = 0x794C_7630;

/// Refuses a folder (an open one) whose file system more than one kernel can write to, or that nobody has heard of.
/// Returns what its user should know otherwise.
pub(super) fn check(folder: impl AsFd, shown: &str) -> Result<Option<String>, StoreError> {
    let facts = rustix::fs::fstatfs(folder).map_err(|error| {
        StoreError::refused(format_args!("the file system of {shown} cannot be asked: {error}"))
    })?;
    // The number has 32 bits; as a signed one it would be extended.
    let number = facts.f_type as u64 & 0xFFFF_FFFF;
    judge(number, shown)?;
    Ok((number == OVERLAY).then(|| {
        format!(
            "{shown} belongs to this container alone: other containers do not see the shared budget, and it goes with the \
             container, so that the next one begins with empty windows. Mount a volume there"
        )
    }))
}

fn judge(number: u64, shown: &str) -> Result<(), StoreError> {
    if LOCAL.contains(&number) {
        return Ok(());
    }
    let name = OTHERS
        .iter()
        .find(|(other, _)| *other == number)
        .map_or_else(|| format!("of an unknown kind (number {number:#x})"), |(_, name)| (*name).to_owned());
    Err(StoreError::refused(format_args!(
        "{shown} cannot hold a shared budget: its file system is {name}. Use a folder on a local disk (for containers: \
         a named volume), or Redis or Valkey: \"redis://host:6379/0\""
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_are_accepted_and_all_others_refused_by_name() {
        for number in LOCAL {
            judge(*number, "/x").expect("local");
            assert!(OTHERS.iter().all(|(other, _)| other != number));
        }
        for (number, name) in OTHERS {
            let error = judge(*number, "/x").expect_err("shared").to_string();
            assert!(error.contains(name) && error.contains("redis://"), "{error}");
        }
        let unknown = judge(0x1234_5678, "/x").expect_err("unknown").to_string();
        assert!(unknown.contains("0x12345678"), "{unknown}");
    }

    #[test]
    fn proc_is_refused_and_a_temporary_folder_accepted() {
        let open = |path: &std::path::Path| std::fs::File::open(path).expect("a folder");
        check(open("/proc".as_ref()), "/proc").expect_err("no place for files");
        check(open(&std::env::temp_dir()), "the temporary folder").expect("local");
    }
}
