//! The set of trusted keys, which decides which signatures are accepted.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::catalogs::Listed;
use super::error::{TrustError, Unknown};
use super::key::{KeyFile, KeyId, TrustedKey};
use super::minisig::Minisig;
use super::policy::Policy;
use super::signed::{Signer, Signers};
use crate::base::owner::Owners;
use crate::base::{fs, text};

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// Mode of a trusted key's file, whatever the umask.
const KEY_MODE: u32 = 0o644;

/// The places of trusted keys.
#[derive(Debug, Clone, Default)]
pub struct TrustPlaces {
    /// Files named on the command line.
    pub files: Vec<PathBuf>,
    /// The administrator's folder of `*.pub` files, for everybody on this host.
    pub system: Option<PathBuf>,
    /// The user's own.
    pub own: Option<PathBuf>,
    /// The user who called `sudo`.
    pub sudo: Option<Caller>,
}

/// The user who called `sudo`.
#[derive(Debug, Clone)]
pub struct Caller {
    /// A key file that is named on the command line may belong to this user.
    pub uid: u32,
    /// This user's own folder of trusted keys. They do not count, but an error says if one of them would have matched,
    /// and no other key with the id of one of them is added.
    pub folder: Option<PathBuf>,
}

/// The keys that are trusted on this host, and the policy that a signed catalog has to obey here.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<TrustedKey>,
    policy: Policy,
    searched: Vec<String>,
    elsewhere: Vec<TrustedKey>,
}

impl Keyring {
    /// Exactly these keys, and no policy.
    #[must_use]
    pub fn new(keys: Vec<TrustedKey>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// The keys of `places`, as far as `policy` lets them count, and those that were built in.
    ///
    /// # Errors
    /// If a file is not a usable public key, or others can change it; the error names the file. And where a key was
    /// named that the policy does not let count.
    pub fn load(places: &TrustPlaces, policy: Policy) -> Result<Self, TrustError> {
        let only_system = policy.is_trusted_keys_only();
        if let Some(file) = places.files.first().filter(|_| only_system) {
            return Err(policy.no_key(&format!("`--key {}`", file.display())).into());
        }
        let named = Owners::caller().and(places.sudo.as_ref().map(|caller| caller.uid));
        let mut keys: Vec<_> =
            places.files.iter().map(|file| TrustedKey::read(file, &named)).collect::<Result<_, _>>()?;
        let mut searched = Vec::new();
        let own = places.own.iter().filter(|_| !only_system);
        for (folder, owners) in
            places.system.iter().map(|it| (it, Owners::root())).chain(own.map(|it| (it, Owners::caller())))
        {
            for path in public_keys(folder)? {
                keys.push(TrustedKey::read(&path, &owners)?);
            }
            searched.push(format!("`{}`", folder.display()));
        }
        for (name, text) in BUILT_IN {
            keys.push(TrustedKey::parse(text, &format!("built in: {name}"))?);
        }
        searched.push("this binary".into());
        let elsewhere = places.sudo.as_ref().and_then(|caller| caller.folder.as_deref());
        let elsewhere = elsewhere.map(readable_keys).unwrap_or_default().into_iter().map(|(key, _)| key).collect();
        Ok(Self { keys, policy, searched, elsewhere })
    }

    /// The keys of every `*.pub` in `folder` alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of_folder(folder: &Path) -> Result<Self, TrustError> {
        let owners = Owners::caller();
        let keys = public_keys(folder)?.iter().map(|path| TrustedKey::read(path, &owners)).collect::<Result<_, _>>()?;
        Ok(Self { keys, searched: vec![format!("`{}`", folder.display())], ..Self::default() })
    }

    /// The same keys under `policy`.
    #[must_use]
    pub fn under(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The keys, in the order in which they were found.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The policy of this host.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The trusted keys with this id. There can be two, because the maker of a key can choose its id.
    pub(super) fn with_id(&self, id: KeyId) -> impl Iterator<Item = &TrustedKey> {
        self.keys.iter().filter(move |key| key.id == id)
    }

    /// Finds the trusted signers of `message`, each key once.
    ///
    /// # Errors
    /// If fewer are trusted than the policy requires, or a signature that has the id of a trusted key does not match the
    /// message.
    pub(super) fn check(&self, message: &[u8], signatures: &[Minisig]) -> Result<Signers, TrustError> {
        let mut found: Vec<(&TrustedKey, Signer)> = Vec::new();
        for signature in signatures {
            let mut candidates = self.with_id(signature.key_id).peekable();
            if candidates.peek().is_none() {
                continue;
            }
            let key_id = signature.key_id.to_string();
            let fits = |key: &&TrustedKey| key.key.verify(message, &signature.parsed, false).is_ok();
            let Some(key) = candidates.find(fits) else { return Err(TrustError::BadSignature { key_id }) };
            if !found.iter().any(|(known, _)| known.fingerprint == key.fingerprint) {
                let signer = Signer { key_id, origin: key.origin.clone(), comment: signature.comment.clone() };
                found.push((key, signer));
            }
        }
        let mut signers = found.into_iter().map(|(_, signer)| signer);
        let Some(first) = signers.next() else {
            return Err(self.untrusted(signatures.iter().map(|signature| signature.key_id.to_string()).collect()));
        };
        let signers = Signers { first, others: signers.collect() };
        let (count, required) = (1 + signers.others.len(), self.policy.signatures());
        if count < required {
            let found = std::iter::once(&signers.first).chain(&signers.others).map(|it| it.key_id.clone()).collect();
            return Err(self.policy.too_few(found, required).into());
        }
        Ok(signers)
    }

    /// Checks an archive of a verified list, at the instant `now`: its signers, and the rules of this host's policy.
    ///
    /// # Errors
    /// Why it would not be accepted.
    pub fn check_listed(&self, listed: &Listed, now: Timestamp) -> Result<(), TrustError> {
        self.refuse(&listed.signers).map_or(Ok(()), Err)?;
        Ok(self.policy.check_listed(listed, now)?)
    }

    /// Why an archive by these `signers` would not be accepted, if the signers are the reason.
    fn refuse(&self, signers: &[KeyId]) -> Option<TrustError> {
        let texts = |ids: Vec<&KeyId>| ids.into_iter().map(ToString::to_string).collect::<Vec<_>>();
        let trusted: Vec<_> = signers.iter().filter(|id| self.with_id(**id).next().is_some()).collect();
        let required = self.policy.signatures();
        match trusted.len() {
            0 => Some(self.untrusted(texts(signers.iter().collect()))),
            count if count < required => Some(self.policy.too_few(texts(trusted), required).into()),
            _ => None,
        }
    }

    /// The error of signatures by these keys, none of which is trusted.
    pub(super) fn untrusted(&self, signers: Vec<String>) -> TrustError {
        let known = self.elsewhere.iter().find(|key| signers.contains(&key.id.to_string()));
        let elsewhere = known.map(|key| key.origin.clone());
        let unknown = Box::new(Unknown { signers, searched: self.searched.clone(), elsewhere });
        if self.keys.is_empty() { TrustError::NoKeys(unknown) } else { TrustError::Untrusted(unknown) }
    }
}

/// Every `*.pub` in `folder`, by name. A missing folder holds none.
fn public_keys(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::list(folder)?.into_iter().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "pub")).collect();
    paths.sort();
    Ok(paths)
}

/// Every public key in `folder` that can be read, whoever can change it, with its path.
fn readable_keys(folder: &Path) -> Vec<(TrustedKey, PathBuf)> {
    let read = |path: PathBuf| {
        let file = KeyFile::read(&path, "public key").ok()?;
        Some((TrustedKey::parse(&file.text, &path.display().to_string()).ok()?, path))
    };
    public_keys(folder).unwrap_or_default().into_iter().filter_map(read).collect()
}

/// Copies the public key in `file` into `folder` as `ID.pub`, so that others cannot change it; returns it and its new
/// path. `trusted` are the keys that are trusted already, wherever they lie; here those of the user who called `sudo`
/// count too.
///
/// # Errors
/// If it is not a public key, another one that is trusted has its id, or the folder cannot be written or is one that
/// others can write.
pub fn add(
    file: &Path,
    folder: &Path,
    owners: &Owners,
    trusted: &Keyring,
) -> Result<(TrustedKey, PathBuf), TrustError> {
    let key = TrustedKey::read_carried(file)?;
    let mut known = trusted.keys.iter().chain(&trusted.elsewhere);
    if let Some(known) = known.find(|known| known.id == key.id && known.fingerprint != key.fingerprint) {
        return Err(TrustError::OtherKey { key_id: key.id.to_string(), origin: known.origin.clone() });
    }
    fs::make_folders(folder)?;
    // Check before the key is written there: in such a folder it would stop every command.
    if let Some(exposed) = crate::base::owner::exposed(folder, owners)? {
        return Err(TrustError::Exposed(exposed));
    }
    let path = folder.join(format!("{}.pub", key.id));
    fs::write(&path, key.text().as_bytes(), KEY_MODE)?;
    Ok((key, path))
}

/// Removes every file with one key from `folder`; returns their paths. `name` is the key's id or its fingerprint.
///
/// # Errors
/// If no such key lies there, or several keys have that id: none is removed then.
pub fn remove(name: &str, folder: &Path) -> Result<Vec<PathBuf>, TrustError> {
    // A damaged file elsewhere in the folder, or one that others can write, must not keep a revoked key in force.
    let found: Vec<_> = readable_keys(folder).into_iter().filter(|(key, _)| key.is_called(name)).collect();
    let Some((first, _)) = found.first() else {
        // If the folder cannot be listed, return that error instead.
        public_keys(folder)?;
        return Err(TrustError::NoSuchKey { key_id: text::sanitize(name), folder: folder.into() });
    };
    if found.iter().any(|(key, _)| key.fingerprint != first.fingerprint) {
        let keys = found.iter().map(|(key, path)| format!("{} in `{}`", key.fingerprint, path.display())).collect();
        return Err(TrustError::Ambiguous { key_id: first.id.to_string(), keys });
    }
    for (_, path) in &found {
        fs::remove_if_there(path)?;
    }
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::trust::SigningKey;
    use crate::trust::manifest::tests::sample;
    use crate::trust::secret::tests::key;

    /// The public halves of `keys`, trusted under this policy.
    pub(in crate::trust) fn keyring(keys: &[&SigningKey], policy: &str) -> Keyring {
        let keys = keys.iter().map(|key| key.public().clone()).collect();
        Keyring::new(keys).under(Policy::parse(policy, "policy.toml".as_ref()).unwrap())
    }

    #[test]
    fn a_listed_archive_needs_as_many_trusted_signers_as_the_policy_says() {
        let (keys, stranger) = ([key(), key()], key());
        let of_both = |policy: &str| keyring(&[&keys[0], &keys[1]], policy);
        let (any, two, fresh) = (of_both(""), of_both("signatures = 2"), of_both("max-age = '1d'"));
        let manifest = sample(1);
        let check = |keyring: &Keyring, signers: &[&SigningKey]| {
            let listed = Listed::new(&manifest, signers.iter().map(|key| key.id()).collect(), 9, manifest.content);
            keyring.check_listed(&listed, manifest.created).map_err(|error| error.to_string())
        };
        assert_eq!(check(&any, &[&keys[0]]), Ok(()));
        assert_eq!(check(&any, &[&stranger, &keys[1]]), Ok(()));
        assert!(check(&any, &[&stranger]).unwrap_err().contains(&stranger.id().to_string()));
        assert_eq!(check(&two, &[&keys[0], &stranger, &keys[1]]), Ok(()));
        let listed = Listed::new(&manifest, vec![keys[0].id()], 9, manifest.content);
        let later = manifest.created + jiff::SignedDuration::from_hours(25);
        assert!(matches!(fresh.check_listed(&listed, later), Err(TrustError::Policy(_))));
        assert!(fresh.check_listed(&listed, manifest.created).is_ok());
        let too_few = check(&two, &[&keys[0], &stranger]).unwrap_err();
        assert!(too_few.contains("policy.toml") && too_few.contains(&keys[0].id().to_string()), "{too_few}");
    }

    #[test]
    fn a_keyring_of_one_folder_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::of_folder(folder.path()).unwrap();
        let TrustError::NoKeys(unknown) = keyring.untrusted(vec![key().id().to_string()]) else { panic!("keys") };
        assert_eq!(unknown.searched, [format!("`{}`", folder.path().display())]);
    }
}
