//! The folder that certsuite reads, and everything that keeps it whole: lock, staging, swap, previous versions,
//! history, recovery.
//!
//! ```text
//! <dir>/data                      the installed catalog, of which certsuite knows
//! <dir>/manifest.json             its manifest
//! <dir>/manifest.json.minisig     the first signature; others in .minisig.2, .minisig.3, …
//! <dir>/.oct/lock                 the lock; names its holder
//! <dir>/.oct/history.jsonl        one line for each change
//! <dir>/.oct/previous/0007-…/     a replaced version: data, manifest.json, …; the highest number is the newest
//! ```
//!
//! During a change there are also `staging/` (the incoming version), `outgoing/` (the replaced one), `journal.json`
//! (what is being done with them) and `trash/` (what is being removed), all in `.oct`.
//!
//! # The steps of an installation
//!
//! | step | what | durable before the next step |
//! |---|---|---|
//! | 1 | unpack into `staging/`, check, write the manifest there | every file, every folder up to `<dir>` |
//! | 2 | write `journal.json.new`, rename it to `journal.json` | the file, then its name |
//! | 3 | exchange `data` and `staging/data` | |
//! | 4 | move `staging/data`, the old one now, to `outgoing/data` | the three folders that took part |
//! | 5 | move the old manifest to `outgoing/`, the new one in, file by file | the same |
//! | 6 | move `outgoing` to `previous/<name>` | both folders |
//! | 7 | add a line to the history | the file |
//! | 8 | move versions beyond the limit to `trash/` | both folders |
//! | 9 | remove `staging/`, then `journal.json` | the folder |
//! | 10 | remove `trash/` | |
//!
//! A rollback is the same from step 2 on, with `previous/<name>` in the place of `staging/`.
//!
//! # A stop at any instant
//!
//! The process that takes the lock next recovers first. The kernel has dropped the lock of a dead process.
//!
//! - **In step 1, or before the rename in step 2**: no journal, so nothing has changed. `staging/` is removed.
//! - **After it, before step 3**: `data` is still the old one. The swap is undone: journal and `staging/` are removed.
//! - **Between 3 and 4**: an exchange undoes itself when it is made twice, and names do not tell which side is which.
//!   So the journal has the digest of the incoming tree: if `data` has it, the exchange was made. (If both trees had
//!   it, their contents would be equal, and either answer right.) It needs no inode numbers, which some filesystems
//!   make up anew at each mount. From here on the swap is completed.
//! - **From 4 on** the files show whether a step was taken, and to take it again is harmless: `staging/data`
//!   is gone after 4; a file in `staging/` has not been moved in yet, one in `outgoing/` has been moved away; which
//!   files there are is in the journal; a last line in the history that equals the journal's is not written twice.
//!   How many versions stay is in the journal too, so that `--keep` holds after a stop.
//! - **In step 10** there is no journal. A half-removed version lies in `trash/`, where no rollback looks for one.
//!
//! After a power cut a filesystem may have kept any part of what was not yet synced, in any order.
//! Therefore the contents are durable before the journal, the journal before the exchange (or it could not be told
//! what happened), the exchange before the manifest moves (or a swap taken back would have to undo that too), all
//! moves before the journal goes, and no old version is removed before the new one is durable.
//!
//! # Filesystems that cannot exchange
//!
//! If `renameat2` cannot exchange (`EINVAL`, `ENOSYS`, `ENOTSUP`), steps 3 and 4 are two renames: `data` to
//! `outgoing/data`, `staging/data` to `data`. In between, `outgoing/data` exists and `staging/data` too, which tells
//! recovery to make the second rename; readers find no `data` for that instant, hence there is no sync in between.
//! If a folder cannot be moved at all (`EXDEV`: it is in a lower layer of an overlay), it is copied to `outgoing/`, the
//! journal says so, and only then it is removed. A previous version that cannot be moved is copied into place in the
//! same way.
//!
//! # Errors
//!
//! After an error before the swap of `data`, everything is undone at once. After the swap, the rest is tried once more,
//! and the error says that the new catalog is in place ([`StoreError::Unfinished`]); the next run completes the rest.
//!
//! # Files that oct did not install
//!
//! A `data` without a manifest, such as the old container's, becomes a previous version like any other, but
//! [`InstallOptions::keep`] neither counts nor removes it; nor files that are not a catalog, which an import moves away
//! only with `--adopt` ([`Folder::unrelated`]). Manifests are returned unverified.
//!
//! # Who else may write there
//!
//! The owner of the folder may be hostile to the user who runs `oct`, for example root. So everything is reached from
//! two handles, of `<dir>` and of `.oct`, by paths of plain names, and no symbolic link is followed (`files`). All that
//! is removed, moved or written is therefore below the folder, even if somebody renames things in the meantime. The
//! journal says what to move and remove: it is read only if it and `.oct` belong to the caller or to root, and its names
//! are plain ones. `data` itself may be a link: it is moved like a file, and never followed.
//!
//! Only the owner and root can open the lock file. Others read without a lock: they wait until there is no journal, and
//! check afterwards that all they read belongs to one catalog ([`Reading::require_unchanged`]).

mod checkpoint;
mod error;
mod files;
mod folder;
mod history;
mod install;
mod journal;
mod lock;
mod paths;
mod prune;
mod recovery;
mod staging;
mod store;
mod swap;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, Checkpoints, NoCheckpoints};
pub use error::{Result, StoreError};
pub use folder::{Folder, Installed, Previous};
pub use history::{Action, HistoryEntry};
pub use install::{InstallOptions, Report};
pub use lock::Holder;
pub(crate) use paths::OCT;
pub use prune::Surplus;
pub use recovery::Recovered;
pub use staging::{CheckedStaging, MemberWriter, Staging};
pub use store::{Locked, Reading, Store};
pub use swap::Method;
pub use verify::{Deviation, Difference, Findings};
