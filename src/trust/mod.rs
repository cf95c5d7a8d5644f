//! Trust: minisign keys, signatures, the signed manifest, the policy of this host, and the decision which keys are trusted.
//!
//! Only prehashed signatures (`ED`) are accepted, in the one spelling that `oct` writes, so that no byte of a signature
//! can change unnoticed. Formats: <https://jedisct1.github.io/minisign/#signature-format>.

pub mod catalogs;
mod error;
mod key;
mod keyring;
pub mod manifest;
mod minisig;
pub mod name;
pub mod policy;
mod secret;
mod sidecar;
pub mod signed;

pub use catalogs::{Catalogs, Listed, SignedCatalogs, VerifiedCatalogs};
pub use error::{TrustError, Unknown};
pub use key::{KeyId, TrustedKey};
pub use keyring::{Caller, Keyring, TrustPlaces, add, remove};
pub use manifest::Manifest;
pub use policy::Policy;
pub use secret::{KeyPair, Password, SigningKey};
pub use sidecar::{Sidecar, SidecarCheck};
pub use signed::{SignedManifest, Signer, VerifiedManifest};
