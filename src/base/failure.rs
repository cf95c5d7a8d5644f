//! The classes of failure, each with its exit code.

/// Why something was not done. The exit code of each class is fixed for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The command line or a configuration file is wrong.
    Usage,
    /// The source is unreachable, refused, or was incomplete or inconsistent after all retries.
    Source,
    /// A signature, a checksum, the format or the content is wrong.
    Verification,
    /// Older than installed, too old, or partial where a full catalog is required.
    Policy,
    /// This host: disk space, permissions, a lock that is held, a key file.
    Host,
    /// The person at the keyboard ended it.
    Interrupted,
    /// The service manager ended it.
    Terminated,
}

impl Class {
    /// The exit code that scripts see.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Source => 3,
            Self::Verification => 4,
            Self::Policy => 5,
            Self::Host => 6,
            // As in a shell: 128 and the number of the signal.
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The word for this class in `--json` output and in JSON logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Source => "source",
            Self::Verification => "verification",
            Self::Policy => "policy",
            Self::Host => "host",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}

/// An error that knows its class and its cause.
pub trait Classified: std::error::Error {
    /// The class, and with it the exit code.
    fn class(&self) -> Class;

    /// One word for the cause, of small letters and hyphens. Scripts compare it, so it must not change.
    fn code(&self) -> &'static str;
}
