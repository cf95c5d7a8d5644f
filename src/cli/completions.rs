//! `oct completions`.

use clap_complete::Shell;

use super::context::Context;
use super::{Answer, Outcome, output};

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct completions bash > /etc/bash_completion.d/oct
  oct completions zsh > ~/.zfunc/_oct
  oct completions fish > ~/.config/fish/completions/oct.fish")]
pub(super) struct Args {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(super) fn run(_: &Context, args: Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "oct", &mut script);
    output::stdout(&String::from_utf8_lossy(&script));
    Ok(Answer::Yes)
}
