//! What the commands take from outside: the clock, the environment, the terminal.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::flags::{Color, Globals, KeyArgs, LogFormat};
use super::logging::{self, Stderr};
use super::output::Output;
use super::{progress, wrap, xdg};
use crate::base::progress::Progress;
use crate::ops::Error;
use crate::ops::keys::{Keyring, Trust, TrustPlaces};

/// Folder of the keys that the administrator trusts.
const SYSTEM_TRUST: &str = "/etc/oct/trusted.d";

/// The administrator's policy. No flag and no variable can name another file.
const POLICY: &str = "/etc/oct/policy.toml";

/// Columns of tables if neither a terminal nor `COLUMNS` gives a width.
const TABLE_WIDTH: usize = 100;

/// What a command takes from outside.
pub(super) struct Context {
    /// Printing.
    pub(super) out: Output,
    globals: Globals,
    /// `$XDG_CONFIG_HOME/oct`, if the user has a home.
    pub(super) config: Option<PathBuf>,
    /// `$XDG_CACHE_HOME/oct`, if the user has a home.
    pub(super) cache: Option<PathBuf>,
}

impl Context {
    /// Reads the environment, and sets up logging.
    pub(super) fn new(globals: Globals) -> Self {
        logging::begin(&globals);
        let width = wrap::width(std::io::stdout());
        let out = Output {
            json: globals.json,
            quiet: globals.quiet,
            color: color(globals.color, std::io::stdout().is_terminal()),
            width,
            table_width: wrap::named().or(width).unwrap_or(TABLE_WIDTH),
            stderr: stderr(globals.color, globals.log_format),
        };
        Self {
            out,
            globals,
            config: xdg::config(),
            // A service has its own cache folder from systemd; with DynamicUser= that is a link of systemd's own.
            cache: std::env::var_os("CACHE_DIRECTORY")
                .map(|folder| std::fs::canonicalize(&folder).unwrap_or_else(|_| folder.into()))
                .or_else(xdg::cache),
        }
    }

    /// This host's clock.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Where progress goes.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        progress::listener(&self.globals, self.out.stderr)
    }

    /// The keys that are trusted: those of this host, and those of the flag.
    pub(super) fn keyring(&self, keys: &KeyArgs) -> Result<Keyring, Error> {
        self.trust(keys).load()
    }

    /// The places of the keys that this host trusts, and the policy that says which of them count.
    pub(super) fn trust(&self, keys: &KeyArgs) -> Trust {
        let (files, system, own) = (keys.key.clone(), Some(SYSTEM_TRUST.into()), self.trusted_folder());
        Trust { places: TrustPlaces { files, system, own, sudo: xdg::sudo() }, policy: POLICY.into() }
    }

    /// The user's own folder of trusted keys.
    fn trusted_folder(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|config| config.join("trusted.d"))
    }
}

/// Whether `TERM` says that the terminal takes no escape sequences.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb")
}

fn color(wanted: Color, is_terminal: bool) -> bool {
    match wanted {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && !is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Standard error.
pub(super) fn stderr(wanted: Color, format: LogFormat) -> Stderr {
    let color = color(wanted, std::io::stderr().is_terminal());
    Stderr { format, color, width: wrap::width(std::io::stderr()) }
}
