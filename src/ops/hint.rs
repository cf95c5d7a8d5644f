//! What to do about an error: one sentence without a full stop. The only place below the command line that names flags
//! and commands.

use std::path::Path;

use rustix::io::Errno;

use super::{Error, PolicyError, UsageError};
use crate::archive::ArchiveError;
use crate::base::owner::{Exposed, Exposure};
use crate::exporter::SourceError;
use crate::http::{Fault, HttpError, Remedy};
use crate::importer::StoreError;
use crate::trust::TrustError;
use crate::trust::catalogs::CatalogsError;
use crate::trust::manifest::ManifestError;
use crate::trust::policy::{PolicyFileError, Violation};

impl Error {
    /// What to do next, if there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Source(error) => return source(error),
            Self::Http(error) => return http(error, Of::Site),
            Self::Archive(error) => return archive(error),
            Self::Trust(error)
            | Self::Signature { cause: error, .. }
            | Self::Catalogs { cause: CatalogsError::Signature(error), .. } => return trust(error),
            Self::Catalogs { cause: CatalogsError::Version(_), .. } => {
                "install the oct that wrote the list, or a later one"
            }
            Self::Catalogs { .. } | Self::NotListed { .. } => {
                "ask the publisher, by phone: somebody may have changed what the server has"
            }
            Self::NoSite { .. } => "name the URL of the folder that `oct bundle` or `oct publish` wrote",
            Self::NoneListed { .. } => "wait for the publisher's next `oct bundle`: it adds an archive to the list",
            Self::Store(error) => return store(error),
            Self::Policy(error) => policy(error),
            Self::Usage(error) => return usage(error),
            Self::Manifest { cause: ManifestError::Version(_), .. } => {
                "install the oct that made the archive, or a later one"
            }
            Self::Deviates { .. } => "import an archive again, or run `oct rollback` if an earlier catalog is kept",
            Self::NotProvable { cause, .. } => {
                let trust = trust(cause)?;
                return Some(format!(
                    "{trust}; if `oct dump` made this catalog, its key no longer exists: import an archive instead"
                ));
            }
            Self::Previous(_) => "import the archive of the catalog that you want back",
            Self::Archives(_) => "name the archive in it that you mean",
            Self::Unsigned(_) => "run `oct import ARCHIVE`: it replaces the folder and keeps the old one",
            Self::NoFolder(_) => "check its name, and whether its disk is mounted",
            Self::NoCatalog(_) => "run `oct import ARCHIVE` first, or name the folder of an installed catalog",
            Self::Foreign(_) => "name a folder that has `data/containers/containers.db` and the rest of the TNF layout",
            Self::Lacks { .. } => "dump the folder again; to bundle it as it is, add --allow-partial",
            Self::NoImages(_) => "dump the folder again: certsuite would find no image in it",
            Self::NoDate(_) => "state its date by SOURCE_DATE_EPOCH, in seconds since 1970",
            Self::Charts(_) => {
                "report it to the owner of the chart index; until it is corrected, bundle an older or a corrected one with --charts-file"
            }
            Self::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                "free some space on this filesystem, then run the command again"
            }
            Self::Configuration(_) => {
                "make the file and its folder readable for this user; in /etc/oct, for everybody (modes 0644 and 0755)"
            }
            Self::Interrupted | Self::Terminated => {
                "run the same command again; a fetch or a download continues where it stopped"
            }
            Self::Manifest { .. }
            | Self::TooLarge(_)
            | Self::Unreadable(_)
            | Self::Comment { .. }
            | Self::Content { .. }
            | Self::NoArchive(_)
            | Self::Io(_)
            | Self::Stdout(_) => return None,
        };
        Some(hint.into())
    }
}

fn source(error: &SourceError) -> Option<String> {
    let hint = match error {
        SourceError::Http(error) => return http(error, Of::Catalog),
        SourceError::Moving { .. } => "run the same command again when the catalog changes less",
        SourceError::Endless { .. } => "check --catalog-url: this is not the catalog, or it is broken",
        SourceError::Empty { .. } => "check --catalog-url and --since",
        SourceError::Busy(_) => "wait until it has ended",
        SourceError::Io(_) => return None,
    };
    Some(hint.into())
}

/// What a server has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Catalog,
    Site,
}

fn http(error: &HttpError, of: Of) -> Option<String> {
    let hint = match error {
        HttpError::Request { fault, .. } => return fetch(fault, of),
        HttpError::Proxy { .. } => {
            "write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with %5C for a backslash and %20 for a space"
        }
        HttpError::Downloading(_) => "wait until it has ended",
        HttpError::Client(_) | HttpError::Io(_) => return None,
    };
    Some(hint.into())
}

fn fetch(fault: &Fault, of: Of) -> Option<String> {
    let hint = match fault {
        Fault::Connect(_) if of == Of::Site => "check the address, the proxy (HTTPS_PROXY) and the network",
        Fault::Html | Fault::TooLarge(_) if of == Of::Site => {
            "name the URL of the folder that `oct bundle` wrote; if a login or a portal answers in its place, a key \
             (--header 'NAME: @FILE') may help"
        }
        Fault::Connect(_) => "check the address, the proxy (HTTPS_PROXY) and the network; what was fetched is kept",
        Fault::NoName(_) => "check the address, and whether this host needs a proxy (HTTPS_PROXY)",
        Fault::Certificate(_) => {
            "if your own proxy or mirror is in between, name its certificate authority with --ca-cert FILE"
        }
        Fault::Status { code: 401, .. } => "give the key that the server wants with --header 'NAME: @FILE'",
        Fault::Status { code: 407, .. } => "put user and password into HTTPS_PROXY",
        Fault::Status { code: 403, .. } => {
            "a front end of the server refuses: a key (--header 'NAME: @FILE') or another name (--user-agent) may help"
        }
        Fault::Status { code: 404 | 410, .. } => "check --catalog-url and --charts-url",
        Fault::Redirect(_) => "if you trust the address that it leads to, name that one",
        fault if matches!(fault.remedy(), Remedy::Nothing | Remedy::Other) => return None,
        _ if of == Of::Site => "run the same command again later; `oct pull` continues an interrupted download",
        _ => "run the same command again: it continues with what it has fetched",
    };
    Some(hint.into())
}

fn archive(error: &ArchiveError) -> Option<String> {
    let hint = match error {
        ArchiveError::Truncated { .. } | ArchiveError::BodyDigest { .. } | ArchiveError::Trailing { .. } => {
            "copy the file again, then compare it with `sha256sum -c` on the host that made it"
        }
        ArchiveError::NotAnArchive { .. } => "name a `catalog-YYYYMMDDHH.tar.zst` made by `oct bundle`",
        ArchiveError::Space { .. } => "free some space on this filesystem, or choose another folder with --out",
        ArchiveError::Sidecar { .. } => "copy the `.sha256` and `.minisig` files that belong to this archive, or none",
        _ => return None,
    };
    Some(hint.into())
}

fn trust(error: &TrustError) -> Option<String> {
    let hint = match error {
        TrustError::NoKeys(unknown) | TrustError::Untrusted(unknown) if unknown.elsewhere.is_some() => {
            let key = unknown.elsewhere.as_deref().unwrap_or_default();
            return Some(format!(
                "the user who called sudo trusts this key; to trust it for everybody: `oct trust add --system {key}`"
            ));
        }
        TrustError::NoKeys(_) => {
            "name the signer's public key with `--key oct.pub`, or keep it with `oct trust add oct.pub` (as root, with \
             `--system`, for all users and services)"
        }
        TrustError::Untrusted(_) => {
            "compare its fingerprint with the signer by phone, then run `oct trust add` with its public key"
        }
        TrustError::Mode { path, .. } => return Some(format!("run `chmod go-rwx {}`", path.display())),
        TrustError::Exposed(found) => return Some(exposed(found)),
        TrustError::PolicyFile(error) => return Some(policy_file(error)),
        TrustError::Policy(violation) => forbidden(violation),
        TrustError::BadSignature { .. } => {
            "compare the fingerprint in `oct trust list` with the signer by phone: the maker of a key can choose its id"
        }
        TrustError::NoTerminal => {
            "set OCT_KEY_PASSWORD_FILE to a file that holds it; for a key without a password, add --no-password"
        }
        TrustError::Ambiguous { .. } => {
            "one of them may pose as the other: ask the signer by phone, and name the fingerprint of the one to remove"
        }
        TrustError::NoSecretKey => "make one with `oct keygen`",
        TrustError::PasswordNeeded { .. } => {
            "run in a terminal, or name a file with OCT_KEY_PASSWORD_FILE; a service takes the credential `oct.password`"
        }
        TrustError::Sidecar { .. } => "copy the `.minisig` that belongs to this archive, or none",
        TrustError::OtherKey { .. } => {
            "two keys never have the same id by accident: somebody may pose as the signer; ask the signer by phone"
        }
        TrustError::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            "run the command as the owner of that folder; `/etc/oct` is root's"
        }
        TrustError::NoSuchKey { .. } => "`oct trust list` shows the keys and where they come from",
        _ => return None,
    };
    Some(hint.into())
}

/// The command that takes the right to write from others.
fn exposed(found: &Exposed) -> String {
    let path = found.path.display();
    match found.cause {
        Exposure::Owner(_) => format!("copy the file into a folder of your own, or run `chown` as root on {path}"),
        Exposure::Mode(_) => format!("run `chmod go-w {path}`"),
    }
}

fn policy_file(error: &PolicyFileError) -> String {
    let mend = match error {
        PolicyFileError::Exposed(Exposed { path, cause: Exposure::Owner(_) }) => {
            format!("run `chown root {}`", path.display())
        }
        PolicyFileError::Exposed(found) => exposed(found),
        PolicyFileError::File(_) => {
            "as root, make it a file that everybody can read (mode 0644, its folder 0755)".into()
        }
        PolicyFileError::Rule { .. } => "as root, correct the file; GUIDE.md lists the rules".into(),
    };
    format!("{mend}; until then, nothing is imported or verified")
}

fn forbidden(violation: &Violation) -> &'static str {
    match violation {
        Violation::Key { .. } => "as root, keep the key for this host: `oct trust add --system oct.pub`",
        Violation::Signatures { .. } => {
            "sign the archive with more keys (--secret-key twice), and trust each of them here"
        }
        Violation::TooOld { .. } => "fetch a newer archive",
        Violation::Downgrade { .. } => "import an archive that is newer than the installed catalog",
        Violation::Partial { .. } => "bundle without --since",
        Violation::RedHatImages { .. } => "bundle with --redhat-images",
        Violation::Unproved { .. } => "import an archive that is signed by a key trusted here",
    }
}

/// What to do if the installed folder could not be read or changed.
#[must_use]
pub fn store(error: &StoreError) -> Option<String> {
    let hint = match error {
        StoreError::Io { path, .. } => return error.errno().and_then(|errno| io(errno, path)),
        StoreError::NotAFolder { path } => format!("name a folder, or move `{}` away", path.display()),
        StoreError::Owner { path, owner, user } => {
            let path = path.display();
            format!("run oct as user {owner}; or look at what is in `{path}`, then `chown -R {user} {path}`")
        }
        StoreError::Changed { .. } => "run the command again".into(),
        StoreError::Held { .. } => "wait until it has finished, then run the command again".into(),
        StoreError::Space { dir, .. } | StoreError::Inodes { dir, .. } => {
            format!("free some space, for example with `oct prune {}`, or choose another folder", dir.display())
        }
        StoreError::Disturbed { .. } => "find out who else writes into the folder, then run the command again".into(),
        StoreError::Journal { path, .. } => format!("move `{}` away, then import an archive again", path.display()),
        StoreError::NoPrevious { .. } => "import the archive of the catalog that you want back".into(),
        StoreError::Unfinished { source, pending, .. } => match (store(source), pending) {
            (Some(hint), true) => format!("{hint}; the next run of oct on this folder completes the work"),
            (None, true) => "the next run of oct on this folder completes the work".into(),
            (hint, false) => return hint,
        },
        _ => return None,
    };
    Some(hint)
}

/// What to do if the system refused an access to `path`.
fn io(errno: Errno, path: &Path) -> Option<String> {
    let path = path.display();
    let hint = match errno {
        Errno::ACCESS | Errno::PERM => {
            format!("the user who runs oct needs the right to change `{path}` and everything in it")
        }
        Errno::ROFS => "the filesystem is read-only: choose another folder, or mount it writable".into(),
        Errno::NOSPC | Errno::DQUOT => "free some space on this filesystem, then run the command again".into(),
        Errno::FBIG => "the shell's limit on the size of a file is too low: see `ulimit -f`".into(),
        Errno::BUSY => format!("if `{path}` is a mount point, mount the folder above it instead"),
        Errno::XDEV => format!("`{path}` must be on the same filesystem as the folder that it is in"),
        Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS => "this filesystem may lack locks: choose another folder".into(),
        _ => return None,
    };
    Some(hint)
}

fn policy(error: &PolicyError) -> &'static str {
    match error {
        PolicyError::Older { .. } | PolicyError::Partial { .. } => "if you want that, add --allow-downgrade",
        PolicyError::HoldsMore { .. } => "name another folder with --out; to replace it, add --force",
        PolicyError::OldList { .. } => {
            "an old copy is served: name another mirror, or ask the publisher; one key signs the lists of one \
             site; if the newer list had a wrong date, GUIDE.md says what to remove"
        }
        PolicyError::Unrelated { .. } => {
            "choose another folder with --to; or add --adopt, which keeps all of it in `.oct/previous`"
        }
        PolicyError::TooOld { .. } => "fetch a newer archive, or raise --max-age",
    }
}

fn usage(error: &UsageError) -> Option<String> {
    let hint = match error {
        UsageError::EmptyPassword => "for a key without a password, add --no-password",
        UsageError::NothingAsked => "name image, operator or chart, or give --from FILE",
        UsageError::NoFile { what: "a pipe", .. } => "pipe the questions to `--from -`",
        UsageError::TwoSources => "leave out image, operator or chart",
        UsageError::Questions { cause, .. } => cause.hint()?,
        _ => return None,
    };
    Some(hint.into())
}
