//! Trust: minisign keys, signatures, and the decision whose signature counts.
//!
//! Only prehashed signatures (`ED`) are accepted, in the one spelling that `oct` writes, so that no byte of a signature
//! can change unnoticed. Formats: <https://jedisct1.github.io/minisign/#signature-format>.

mod error;
mod key;
mod keyring;
mod minisig;
mod secret;

pub use error::TrustError;
pub use key::{KeyId, TrustedKey};
pub use keyring::{Keyring, add, remove};
pub use secret::{KeyPair, Password, SigningKey};
