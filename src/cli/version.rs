//! `oct version`.

use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::{Answer, Outcome};

/// Show the version of this program
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct version
  oct version --json | jq -r .version")]
pub(super) struct Args {}

pub(super) fn run(context: &Context, _: Args) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    context.out.data(&json!({ "schema": "oct.version.v1", "version": version }), &Facts::new("oct", version));
    Ok(Answer::Yes)
}
