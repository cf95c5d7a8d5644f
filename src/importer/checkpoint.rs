//! Named steps at which a test can stop the process or make the next system call fail.

use std::io;

/// A step that is about to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// The folder or one of its parents is created.
    MakeFolder,
    /// The lock is asked for.
    TakeLock,
    /// Folders of the staging area are created.
    MakeStaging,
    /// A staged file is created.
    CreateFile,
    /// Bytes are written to a staged file.
    WriteFile,
    /// A staged file is synced.
    SyncFile,
    /// Folders are synced.
    SyncFolders,
    /// The journal is written under a temporary name.
    WriteJournal,
    /// The journal gets its name: from here on a crash is resolved by it.
    CommitJournal,
    /// `data` and its successor are exchanged in one step.
    Exchange,
    /// `data` is moved away, because the filesystem cannot exchange.
    MoveOldAway,
    /// `data` is copied away, because the filesystem cannot even move it.
    CopyOldAway,
    /// `data` is removed after it was copied.
    RemoveOld,
    /// The successor becomes `data`.
    MoveNewIn,
    /// The successor is copied, because the filesystem cannot move it.
    CopyNewIn,
    /// The original of a copied successor is removed.
    RemoveNew,
    /// The old `data` moves to the outgoing version.
    CollectOld,
    /// The swap of `data` is made durable.
    SyncSwap,
    /// A file of the old manifest is moved away.
    MoveManifestAway,
    /// A file of the new manifest is moved in.
    MoveManifestIn,
    /// The swap of the manifest is made durable.
    SyncManifest,
    /// The outgoing version becomes a previous one.
    KeepOld,
    /// The line in the history is written.
    WriteHistory,
    /// The journal is removed: the swap is done.
    RemoveJournal,
    /// What remained of the staging area is removed.
    RemoveStaging,
    /// A previous version beyond the limit is moved to the trash.
    Discard,
    /// The trash is removed.
    EmptyTrash,
}

impl Checkpoint {
    /// Every checkpoint, in the order of an installation.
    pub const ALL: [Self; 27] = [
        Self::MakeFolder,
        Self::TakeLock,
        Self::MakeStaging,
        Self::CreateFile,
        Self::WriteFile,
        Self::SyncFile,
        Self::SyncFolders,
        Self::WriteJournal,
        Self::CommitJournal,
        Self::Exchange,
        Self::MoveOldAway,
        Self::CopyOldAway,
        Self::RemoveOld,
        Self::MoveNewIn,
        Self::CopyNewIn,
        Self::RemoveNew,
        Self::CollectOld,
        Self::SyncSwap,
        Self::MoveManifestAway,
        Self::MoveManifestIn,
        Self::SyncManifest,
        Self::KeepOld,
        Self::WriteHistory,
        Self::RemoveJournal,
        Self::RemoveStaging,
        Self::Discard,
        Self::EmptyTrash,
    ];

    /// Its name, for a command line or an environment variable of a test.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }
}

/// Gets every [`Checkpoint`] immediately before its step is taken.
pub trait Checkpoints: Send + Sync {
    /// The step is about to be taken.
    ///
    /// # Errors
    /// An error takes the place of the step: it is treated exactly as if the system call had failed with it. `EINVAL`
    /// at [`Checkpoint::Exchange`], for example, simulates a filesystem that cannot exchange.
    fn before(&self, checkpoint: Checkpoint) -> io::Result<()>;
}

/// Lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    fn before(&self, _: Checkpoint) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_name() {
        assert_eq!(Checkpoint::MoveOldAway.name(), "move-old-away");
        let mut names: Vec<_> = Checkpoint::ALL.into_iter().map(Checkpoint::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Checkpoint::ALL.len());
    }
}
