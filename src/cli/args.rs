//! Flags that every command takes.

use clap::{Args, ValueEnum};

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Print nothing but errors and what was asked for
    #[arg(short, long, global = true, env = "OCT_QUIET", hide_env_values = true)]
    pub quiet: bool,
    /// Tell more on stderr; twice for every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "OCT_VERBOSE", hide_env_values = true)]
    pub verbose: u8,
    /// Print one JSON document on stdout
    #[arg(long, global = true, env = "OCT_JSON", hide_env_values = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, env = "OCT_COLOR", hide_env_values = true)]
    pub color: Color,
    /// Show no progress
    #[arg(long, global = true, env = "OCT_NO_PROGRESS", hide_env_values = true)]
    pub no_progress: bool,
    /// Form of the log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t, env = "OCT_LOG_FORMAT", hide_env_values = true)]
    pub log_format: LogFormat,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On terminals, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}
