//! `oct man`.

use std::path::PathBuf;

use clap::ValueHint;
use fs_err as fs;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::{Answer, Outcome};

/// Write the man pages into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct man /usr/local/share/man/man1
  oct man . && man ./oct-bundle.1")]
pub(super) struct Args {
    /// The folder
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

/// Writes.
pub(super) fn run(context: &Context, args: Args) -> Outcome {
    fs::create_dir_all(&args.dir)?;
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    let mut written = Vec::new();
    let mut pending = vec![(String::from("oct"), command)];
    while let Some((name, command)) = pending.pop() {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            pending.push((format!("{name}-{}", inner.get_name()), inner.clone()));
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command.display_name(name.clone())).title(name.to_uppercase()).render(&mut page)?;
        let path = args.dir.join(format!("{name}.1"));
        fs::write(&path, page)?;
        written.push(path.display().to_string());
    }
    written.sort();
    let mut facts = Facts::bare();
    written.iter().for_each(|path| _ = facts.item(0, path));
    context.out.answer(&json!({ "schema": "oct.man.v1", "files": written }), &facts);
    Ok(Answer::Yes)
}
