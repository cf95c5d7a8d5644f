//! What the commands need of the world: the clock, the environment, the terminal.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tracing_subscriber::EnvFilter;

use super::args::{Color, Globals, LogFormat};
use super::output::Output;
use super::{progress, wrap, xdg};
use crate::base::progress::Progress;
use crate::ops::keys::{Trust, TrustPlaces};

/// Folder of the keys that the administrator trusts.
const SYSTEM_TRUST: &str = "/etc/oct/trusted.d";

/// The administrator's policy. No flag and no variable names another: it binds.
const POLICY: &str = "/etc/oct/policy.toml";

/// Columns of tables where neither a terminal nor `COLUMNS` tells.
const TABLE_WIDTH: usize = 100;

/// The world as a command sees it.
pub struct Context {
    /// Printing.
    pub out: Output,
    globals: Globals,
    /// `$XDG_CONFIG_HOME/oct`, if the user has a home.
    pub config: Option<PathBuf>,
    /// `$XDG_CACHE_HOME/oct`, if the user has a home.
    pub cache: Option<PathBuf>,
}

impl Context {
    /// Looks at the world, and sets up logging.
    pub fn new(globals: Globals) -> Self {
        log(&globals);
        let color = |terminal: bool| match globals.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        let width_out = wrap::width(std::io::stdout());
        let out = Output {
            json: globals.json,
            quiet: globals.quiet,
            color_out: color(std::io::stdout().is_terminal()),
            color_err: color(std::io::stderr().is_terminal()),
            width_out,
            width_err: wrap::width(std::io::stderr()),
            width_table: wrap::named().or(width_out).unwrap_or(TABLE_WIDTH),
        };
        Self {
            out,
            globals,
            config: xdg::config(),
            // A service has its own cache folder from systemd.
            cache: std::env::var_os("CACHE_DIRECTORY").map(PathBuf::from).or_else(xdg::cache),
        }
    }

    /// This host's clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Where progress goes.
    pub fn progress(&self) -> Arc<dyn Progress> {
        progress::listener(self.globals.quiet, self.globals.no_progress)
    }

    /// Whom this host trusts, and by which policy.
    pub fn trust(&self, files: Vec<PathBuf>) -> Trust {
        let places =
            TrustPlaces { files, system: Some(SYSTEM_TRUST.into()), own: self.trusted_folder(), sudo: xdg::sudo() };
        Trust { places, policy: POLICY.into() }
    }

    /// The user's own folder of trusted keys.
    pub fn trusted_folder(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|config| config.join("trusted.d"))
    }
}

fn log(globals: &Globals) {
    let level = match (globals.quiet, globals.verbose) {
        (true, _) => "error",
        (false, 0) => "oct=warn",
        (false, 1) => "oct=info",
        (false, 2) => "oct=debug",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_env("OCT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Fails only where a subscriber is set already, as in tests.
    let _ = match globals.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
