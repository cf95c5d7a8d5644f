//! The policy of this host: rules that root sets for everybody. No flag, variable or other file can weaken them.
//!
//! A misspelled key of the file is an error, not ignored. A file that others than root could have written is an error,
//! too. Without a file there are no rules.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::catalogs::Listed;
use super::manifest::Manifest;
use crate::base::failure::{Class, Classified};
use crate::base::fs::{self, FileError};
use crate::base::owner::{Exposed, Owners, exposed};
use crate::base::{limits, text};
use crate::catalog::provenance::Partial;

/// Name of the source that has Red Hat's own images, see [`crate::catalog::provenance::Source`].
const REDHAT_IMAGES: &str = "redhat-images";

/// The rules, as they stand in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Rules {
    trusted_keys_only: bool,
    signatures: Option<usize>,
    max_age: Option<String>,
    allow_downgrade: Option<bool>,
    allow_partial: Option<bool>,
    require_redhat_images: bool,
}

/// The policy of this host. [`Policy::default`] has no rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Rules,
    max_age: Option<SignedDuration>,
    file: PathBuf,
}

/// Why a policy cannot be applied. Nothing is imported or verified then.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It cannot be read.
    #[error("the policy of this host cannot be read")]
    File(#[from] FileError),
    /// Others than root could have written it.
    #[error("the policy of this host is not root's alone: {0}")]
    Exposed(Exposed),
    /// A rule is wrong.
    #[error("the policy `{}` cannot be applied: {cause}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

/// What the policy of this host forbids.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// A key that the administrator did not choose.
    #[error("{what} does not count: `{policy}` requires keys that the administrator trusts")]
    Key {
        /// The policy's file.
        policy: String,
        /// What was offered instead.
        what: String,
    },
    /// Fewer trusted signatures than required.
    #[error("{} of the signatures {} by a trusted key ({}), and `{policy}` requires {required}", found.len(), if found.len() == 1 { "is" } else { "are" }, found.join(", "))]
    Signatures {
        /// The policy's file.
        policy: String,
        /// Ids of the trusted keys that signed.
        found: Vec<String>,
        /// How many different ones have to.
        required: usize,
    },
    /// Older than the policy allows.
    #[error("the catalog of {created} is {} old, and `{policy}` allows {}", text::age(*age), text::age(*max))]
    TooOld {
        /// The policy's file.
        policy: String,
        /// Of the catalog.
        created: Timestamp,
        /// Seconds.
        age: i64,
        /// Seconds.
        max: i64,
    },
    /// Older than what it would replace.
    #[error(
        "the catalog of {created} is older than the installed one of {installed}, and `{policy}` forbids an older one"
    )]
    Downgrade {
        /// The policy's file.
        policy: String,
        /// Of the catalog.
        created: Timestamp,
        /// Of what is installed.
        installed: Timestamp,
    },
    /// Partial.
    #[error("the catalog is partial (images since {since}), and `{policy}` requires a full one")]
    Partial {
        /// The policy's file.
        policy: String,
        /// What limits it.
        since: Timestamp,
    },
    /// Without Red Hat's own images.
    #[error("the catalog is without Red Hat's own images, and `{policy}` requires them")]
    RedHatImages {
        /// The policy's file.
        policy: String,
    },
    /// Nothing proves what it is.
    #[error("nothing proves the catalog in `{}`, and `{policy}` requires proof", dir.display())]
    Unproved {
        /// The policy's file.
        policy: String,
        /// The folder.
        dir: PathBuf,
    },
}

impl Policy {
    /// Reads the policy in `file`; without a file there are no rules.
    ///
    /// # Errors
    /// If the file, or a folder above it, is not root's alone, or a rule is wrong. The folder counts without a file
    /// too: who can write there can have removed it.
    pub fn read(file: &Path) -> Result<Self, PolicyFileError> {
        Self::read_of(file, &Owners::root())
    }

    fn read_of(file: &Path, owners: &Owners) -> Result<Self, PolicyFileError> {
        let folder = file.parent().unwrap_or(Path::new("/"));
        // A broken link counts as a file.
        let is_there = |path: &Path| match fs_err::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            found => found.map(|_| true).map_err(FileError::from),
        };
        if !is_there(folder)? {
            return Ok(Self::default());
        }
        let is_file_there = is_there(file)?;
        let place = if is_file_there { file } else { folder };
        if let Some(exposed) = exposed(place, owners).map_err(FileError::from)? {
            return Err(PolicyFileError::Exposed(exposed));
        }
        if is_file_there {
            Self::parse(&fs::read_text(file, limits::CONFIG_FILE_BYTES)?, file)
        } else {
            Ok(Self::default())
        }
    }

    /// Reads the text of the policy in `file`.
    ///
    /// # Errors
    /// Names the rule that is wrong.
    pub fn parse(text: &str, file: &Path) -> Result<Self, PolicyFileError> {
        let wrong = |cause: String| PolicyFileError::Rule { path: file.to_owned(), cause };
        let rules: Rules = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if rules.signatures.is_some_and(|count| !(1..=limits::SIGNATURES).contains(&count)) {
            return Err(wrong(format!("`signatures` is a number from 1 to {}", limits::SIGNATURES)));
        }
        let max_age = rules.max_age.as_deref().map(text::duration).transpose();
        let max_age = max_age.map_err(|cause| wrong(format!("`max-age`: {cause}")))?;
        Ok(Self { rules, max_age, file: file.to_owned() })
    }

    /// The file, where it has a rule.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        (!self.rules().is_empty()).then_some(self.file.as_path())
    }

    /// Each rule that binds, as it stands in the file.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let rules = &self.rules;
        [
            rules.trusted_keys_only.then(|| "trusted-keys-only = true".to_owned()),
            rules.signatures.filter(|count| *count > 1).map(|count| format!("signatures = {count}")),
            rules.max_age.as_ref().map(|age| format!("max-age = \"{}\"", text::sanitize(age))),
            (!self.allows_downgrade()).then(|| "allow-downgrade = false".to_owned()),
            (rules.allow_partial == Some(false)).then(|| "allow-partial = false".to_owned()),
            rules.require_redhat_images.then(|| "require-redhat-images = true".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether only keys count that the administrator chose: those in the system's folder, and those built in.
    #[must_use]
    pub fn is_trusted_keys_only(&self) -> bool {
        self.rules.trusted_keys_only
    }

    /// How many different trusted keys have to sign.
    #[must_use]
    pub fn signatures(&self) -> usize {
        self.rules.signatures.unwrap_or(1)
    }

    /// Whether an older or partial catalog may replace the installed one, where the caller wants that.
    #[must_use]
    pub fn allows_downgrade(&self) -> bool {
        self.rules.allow_downgrade != Some(false)
    }

    /// The age above which a catalog is stale: the lesser of `asked`, the caller's own, and the policy's.
    #[must_use]
    pub fn max_age(&self, asked: Option<SignedDuration>) -> Option<SignedDuration> {
        self.max_age.into_iter().chain(asked).min()
    }

    /// Checks a verified manifest against the rules, at the instant `now`. The verification of the manifest counts the
    /// signatures.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, manifest: &Manifest, now: Timestamp) -> Result<(), Violation> {
        let sources = manifest.sources.iter().map(|source| source.name.as_str());
        self.check_parts(manifest.created, manifest.partial.as_ref(), sources, now)
    }

    /// The same for an archive of a verified list.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_listed(&self, listed: &Listed, now: Timestamp) -> Result<(), Violation> {
        let sources = listed.sources.iter().map(String::as_str);
        self.check_parts(listed.created, listed.partial.as_ref(), sources, now)
    }

    fn check_parts<'a>(
        &self,
        created: Timestamp,
        partial: Option<&Partial>,
        mut sources: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let policy = self.name();
        let age = now.duration_since(created);
        if let Some(max) = self.max_age.filter(|max| age > *max) {
            let (age, max) = (age.as_secs(), max.as_secs());
            return Err(Violation::TooOld { policy, created, age, max });
        }
        if let (Some(false), Some(partial)) = (self.rules.allow_partial, partial) {
            return Err(Violation::Partial { policy, since: partial.since });
        }
        if self.rules.require_redhat_images && !sources.any(|source| source == REDHAT_IMAGES) {
            return Err(Violation::RedHatImages { policy });
        }
        Ok(())
    }

    /// The rule that forbids to replace the `installed` catalog by that of `manifest`: it is older, or it is partial and the
    /// installed one is not.
    #[must_use]
    pub fn downgrade(&self, manifest: &Manifest, installed: &Manifest) -> Option<Violation> {
        let policy = self.name();
        match &manifest.partial {
            _ if self.allows_downgrade() => None,
            _ if manifest.created < installed.created => {
                let (created, installed) = (manifest.created, installed.created);
                Some(Violation::Downgrade { policy, created, installed })
            }
            Some(partial) if installed.partial.is_none() => Some(Violation::Partial { policy, since: partial.since }),
            _ => None,
        }
    }

    /// The rule that forbids to use an unproved catalog in `dir`: any rule does, because it could not be checked.
    #[must_use]
    pub fn unproved(&self, dir: &Path) -> Option<Violation> {
        self.file().map(|_| Violation::Unproved { policy: self.name(), dir: dir.to_owned() })
    }

    /// The violation if only the signatures by the keys `found` count.
    pub(super) fn too_few(&self, found: Vec<String>, required: usize) -> Violation {
        Violation::Signatures { policy: self.name(), found, required }
    }

    /// The violation if `key` does not count.
    #[must_use]
    pub fn no_key(&self, key: &str) -> Violation {
        Violation::Key { policy: self.name(), what: key.to_owned() }
    }

    /// The policy's file, for a [`Violation`].
    fn name(&self) -> String {
        self.file.display().to_string()
    }
}

impl Classified for PolicyFileError {
    fn class(&self) -> Class {
        Class::Host
    }

    fn code(&self) -> &'static str {
        match self {
            Self::File(_) => "policy-unreadable",
            Self::Exposed(_) => "policy-exposed",
            Self::Rule { .. } => "bad-policy",
        }
    }
}

impl Classified for Violation {
    fn class(&self) -> Class {
        Class::Policy
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Key { .. } => "policy-key",
            Self::Signatures { .. } => "policy-signatures",
            Self::TooOld { .. } => "policy-too-old",
            Self::Downgrade { .. } => "policy-downgrade",
            Self::Partial { .. } => "policy-partial",
            Self::RedHatImages { .. } => "policy-redhat-images",
            Self::Unproved { .. } => "policy-unproved",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::catalog::provenance::Source;
    use crate::trust::manifest::tests::sample;

    fn policy(text: &str) -> Policy {
        Policy::parse(text, Path::new("policy.toml")).unwrap()
    }

    fn wrong(text: &str) -> String {
        Policy::parse(text, Path::new("policy.toml")).unwrap_err().to_string()
    }

    #[test]
    fn a_rule_that_is_not_understood_is_an_error_and_not_a_rule_less() {
        for (text, part) in [
            ("max-aeg = '30d'", "max-aeg"),
            ("max-age = 30", "max-age"),
            ("max-age = 'soon'", "`soon` is not a duration"),
            ("signatures = 0", "`signatures` is a number"),
            ("signatures = 9", "`signatures` is a number"),
            ("signatures = '2'", "signatures"),
            ("allow-downgrade = 'no'", "allow-downgrade"),
            ("[import]\nmax-age = '30d'", "import"),
            ("trusted-keys-only", "policy.toml"),
        ] {
            assert!(wrong(text).contains(part), "{text}: {}", wrong(text));
        }
        assert_eq!(policy(""), Policy { file: "policy.toml".into(), ..Policy::default() });
        assert_eq!((policy("").file(), policy("signatures = 1\nallow-downgrade = true").file()), (None, None));
    }

    #[test]
    fn each_rule_binds() {
        let now: Timestamp = "2026-03-10T05:06:07Z".parse().unwrap();
        let mut manifest = sample(1);
        let refused = |text: &str, manifest: &Manifest| policy(text).check(manifest, now).err().map(|e| e.to_string());
        assert_eq!(refused("", &manifest), None);
        assert_eq!(refused("max-age = '6d'", &manifest), None);
        let too_old = refused("max-age = '5d'", &manifest).unwrap();
        assert!(too_old.contains("6 days old") && too_old.contains("policy.toml"), "{too_old}");
        assert!(refused("require-redhat-images = true", &manifest).unwrap().contains("Red Hat's own images"));
        let source = Source { name: REDHAT_IMAGES.into(), url: String::new(), documents: 0, total: None, fetch: None };
        manifest.sources.push(source);
        assert_eq!(refused("require-redhat-images = true", &manifest), None);
        manifest.partial = Some(Partial { since: now });
        assert_eq!(refused("allow-partial = true", &manifest), None);
        assert!(refused("allow-partial = false", &manifest).unwrap().contains("partial"));
        let forbids = policy("allow-downgrade = false");
        let newer = Manifest { created: now, partial: None, ..manifest.clone() };
        assert!(matches!(forbids.downgrade(&manifest, &newer), Some(Violation::Downgrade { .. })));
        let newest_partial = Manifest { created: now, ..manifest.clone() };
        assert!(matches!(forbids.downgrade(&newest_partial, &newer), Some(Violation::Partial { .. })));
        assert!(forbids.downgrade(&newer, &manifest).is_none() && forbids.downgrade(&newer, &newer).is_none());
        assert!(forbids.downgrade(&manifest, &manifest).is_none() && policy("").downgrade(&manifest, &newer).is_none());
        assert!(forbids.unproved(Path::new("db")).is_some() && policy("").unproved(Path::new("db")).is_none());
        assert_eq!((policy("").signatures(), policy("signatures = 2").signatures()), (1, 2));
        assert!(policy("trusted-keys-only = true").is_trusted_keys_only());
    }

    #[test]
    fn each_violation_has_its_code() {
        let now: Timestamp = "2026-03-10T05:06:07Z".parse().unwrap();
        let policy =
            policy("max-age = '5d'\nallow-downgrade = false\nallow-partial = false\nrequire-redhat-images = true");
        let (old, fresh) = (sample(1), Manifest { created: now, ..sample(1) });
        let partial = Manifest { partial: Some(Partial { since: now }), ..fresh.clone() };
        let violations = [
            (policy.no_key("it"), "policy-key"),
            (policy.too_few(Vec::new(), 2), "policy-signatures"),
            (policy.check(&old, now).unwrap_err(), "policy-too-old"),
            (policy.check(&partial, now).unwrap_err(), "policy-partial"),
            (policy.check(&fresh, now).unwrap_err(), "policy-redhat-images"),
            (policy.downgrade(&old, &fresh).unwrap(), "policy-downgrade"),
            (policy.unproved(Path::new("db")).unwrap(), "policy-unproved"),
        ];
        for (violation, code) in violations {
            assert_eq!((violation.code(), violation.class()), (code, Class::Policy), "{violation}");
        }
        let rule = Policy::parse("x = 1", Path::new("policy.toml")).unwrap_err();
        assert_eq!((rule.code(), rule.class()), ("bad-policy", Class::Host));
    }

    #[test]
    fn the_lesser_age_counts() {
        let days = |days: i64| Some(SignedDuration::from_hours(24 * days));
        assert_eq!(policy("").max_age(days(9)), days(9));
        assert_eq!(policy("max-age = '7d'").max_age(None), days(7));
        assert_eq!(policy("max-age = '7d'").max_age(days(9)), days(7));
        assert_eq!(policy("max-age = '7d'").max_age(days(5)), days(5));
    }

    #[test]
    fn every_rule_is_shown() {
        let text = "trusted-keys-only = true\nsignatures = 2\nmax-age = \"30d\"\nallow-downgrade = false\n\
                    allow-partial = false\nrequire-redhat-images = true";
        assert_eq!(policy(text).rules().join("\n"), text);
    }

    #[test]
    fn the_file_and_its_folder_are_roots_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, file) = (folder.path().join("oct"), folder.path().join("oct/policy.toml"));
        assert_eq!(Policy::read(&file).unwrap(), Policy::default());
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert!(Policy::read(&plain.join("oct/policy.toml")).is_err(), "what cannot be looked for is not absent");
        // Whoever runs the tests plays root.
        let read = || Policy::read_of(&file, &Owners::caller());
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        std::fs::create_dir(&dir).unwrap();
        mode(&dir, 0o755);
        assert_eq!(read().unwrap(), Policy::default());
        std::fs::write(&file, "signatures = 2").unwrap();
        mode(&file, 0o644);
        assert_eq!(read().unwrap().signatures(), 2);
        let refused = || read().is_err_and(|error| error.code() == "policy-exposed");
        mode(&file, 0o664);
        assert!(refused());
        mode(&file, 0o644);
        mode(&dir, 0o775);
        assert!(refused());
        std::fs::remove_file(&file).unwrap();
        assert!(refused(), "the file can have been removed by others");
        mode(&dir, 0o755);
        std::os::unix::fs::symlink(folder.path().join("none"), &file).unwrap();
        assert!(read().is_err(), "a link that leads nowhere is no permission");
        std::fs::remove_file(&file).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &file, 0o644.into()).unwrap();
        let error = read().unwrap_err();
        assert!(matches!(error, PolicyFileError::File(FileError::Kind { .. })));
        assert_eq!(error.code(), "policy-unreadable");
        let said = text::with_causes(&error);
        assert_eq!(said.matches("a pipe").count(), 1, "{said}");
    }
}
