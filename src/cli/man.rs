//! `oct man`.

mod sections;

use std::path::PathBuf;

use clap::{Command, ValueHint};
use clap_mangen::Man;
use fs_err as fs;
use roff::Roff;
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
        let path = args.dir.join(format!("{name}.1"));
        fs::write(&path, page(&name, command)?)?;
        written.push(path.display().to_string());
    }
    written.sort();
    let mut facts = Facts::bare();
    written.iter().for_each(|path| _ = facts.item(0, path));
    context.out.answer(&json!({ "schema": "oct.man.v1", "files": written }), &facts);
    Ok(Answer::Yes)
}

/// The page of a command.
fn page(name: &str, command: Command) -> std::io::Result<Vec<u8>> {
    let mut own = Roff::new();
    sections::add(&mut own, &command);
    let has_subcommands = command.get_subcommands().next().is_some();
    let man = Man::new(command.display_name(name)).title(name.to_uppercase());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(own.render().into_bytes());
    Ok(page)
}
