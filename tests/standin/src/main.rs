//! Serves a made-up or recorded catalog until it is stopped.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use standin::{Args, Standin};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("standin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let server = Standin::start_on(args.port, args.catalog()?, args.knobs())?;
    let mut out = io::stdout().lock();
    writeln!(out, "catalog-url {}", server.catalog_url())?;
    writeln!(out, "charts-url {}", server.charts_url())?;
    out.flush()?;
    if args.exit_with_stdin {
        let mut input = io::stdin().lock();
        while input.read(&mut [0; 64])? > 0 {}
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}
