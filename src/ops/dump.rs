//! `oct dump`: the old container's contract, on top of `bundle` and `import`.

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use super::bundle::{BundleOptions, BundleReport, FetchOptions, Plan, bundle};
use super::import::{ImportOptions, ImportReport, import};
use super::{Error, PolicyError};
use crate::base::progress::Progress;
use crate::trust::{KeyPair, Keyring, Policy, SigningKey, TrustError};

/// Prefix of the name of the work folder. It is in the target, because no other folder need be writable.
const WORK_PREFIX: &str = ".oct-dump-";
/// An older work folder is from a killed run.
const WORK_MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// Compression of an archive that lives for seconds.
const LEVEL: i32 = 1;

/// How a dump ended well.
#[derive(Debug)]
pub enum Dumped {
    /// The catalog is in place, or was already.
    Imported(Box<ImportReport>),
    /// The folder holds a newer catalog, which stays.
    Kept(PolicyError),
}

/// Installs the newest archive of the folder `baked` that the public key in the same folder signed.
///
/// # Errors
/// As an import. Without `options.allow_downgrade` a newer catalog stays, which is not an error.
pub fn baked(baked: &Path, policy: Policy, options: &ImportOptions, progress: &dyn Progress) -> Result<Dumped, Error> {
    administrators_only(&policy, "the key beside the archive")?;
    let keyring = Keyring::of_folder(baked)?.under(policy);
    kept_or(import(baked, options, &keyring, progress))
}

/// Fetches the catalog and installs it in the same way as a carried archive, with the same checks. A temporary key signs
/// it: the signature proves that nothing changed between the two steps, and proves nothing afterwards.
///
/// # Errors
/// If the source or the target fails.
pub async fn fetched(
    plan: &Plan,
    fetch: &FetchOptions,
    policy: Policy,
    options: &ImportOptions,
    progress: &Arc<dyn Progress>,
) -> Result<(BundleReport, Dumped), Error> {
    let key = "a key that is made for one dump";
    administrators_only(&policy, key)?;
    if policy.signatures() > 1 {
        return Err(TrustError::from(policy.no_key(key)).into());
    }
    fs::create_dir_all(&options.to)?;
    sweep(&options.to, options.now.as_second())?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(WORK_PREFIX).permissions(std::fs::Permissions::from_mode(0o700));
    let work = builder.tempdir_in(&options.to).map_err(|error| {
        std::io::Error::new(error.kind(), format!("cannot write into `{}`: {error}", options.to.display()))
    })?;
    let pair = KeyPair::generate(None, "made for one dump and thrown away")?;
    let key = SigningKey::parse(pair.secret_text(), "the key of this dump", || Ok(None))?;
    let keyring = Keyring::new(vec![key.public().clone()]).under(policy);
    let (out, _held) = held(work.path())?;
    let bundled = BundleOptions {
        out: out.clone(),
        level: LEVEL,
        force: true,
        created: None,
        retain: None,
        next_within: None,
        now: fetch.now,
    };
    let report = bundle(plan, fetch, &bundled, Arc::new(vec![key]), progress).await?;
    let (options, progress) = (options.clone(), Arc::clone(progress));
    let installed = tokio::task::spawn_blocking(move || {
        let installed = kept_or(import(&out, &options, &keyring, &*progress));
        drop(work);
        installed
    });
    let installed = installed.await.map_err(|error| std::io::Error::other(error.to_string()))??;
    Ok((report, installed))
}

/// Refuses `key` if only the keys of the administrator count.
fn administrators_only(policy: &Policy, key: &str) -> Result<(), Error> {
    if policy.is_trusted_keys_only() { Err(TrustError::from(policy.no_key(key)).into()) } else { Ok(()) }
}

/// A path to the new folder `made`, and the handle that keeps the path valid. The path still leads there if somebody
/// replaces `made`, as the owner of the folder above can.
fn held(made: &Path) -> std::io::Result<(PathBuf, fs::File)> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    let folder = fs::OpenOptions::new().read(true).custom_flags(flags).open(made)?;
    let found = folder.metadata()?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        return Err(std::io::Error::other(format!("`{}` was replaced by somebody else", made.display())));
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    Ok((if path.is_dir() { path } else { made.to_owned() }, folder))
}

fn kept_or(imported: Result<ImportReport, Error>) -> Result<Dumped, Error> {
    match imported {
        Ok(report) => Ok(Dumped::Imported(Box::new(report))),
        Err(Error::Policy(reason @ PolicyError::Older { .. })) => Ok(Dumped::Kept(reason)),
        Err(error) => Err(error),
    }
}

/// Removes work folders that killed runs left.
fn sweep(target: &Path, now: i64) -> std::io::Result<()> {
    let mut left: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(target)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) && entry.file_type()?.is_dir() {
            let age =
                entry.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH).map_or(0, |age| age.as_secs());
            if now.saturating_sub_unsigned(age) > WORK_MAX_AGE.as_secs().cast_signed() {
                left.push(entry.path());
            }
        }
    }
    left.iter().try_for_each(fs::remove_dir_all)
}
