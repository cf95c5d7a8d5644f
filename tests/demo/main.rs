//! The whole trip on one machine, without a network: a stand-in for the catalog, a throw-away key, a bundle, a look at
//! it with plain tools, a web server for its folder, a pull, an import, a verification. Each command is shown as a person would type it.
#![allow(clippy::expect_used, clippy::print_stdout)]

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use standin::{Catalog, Knobs, MadeUp, Site, Standin};

/// Set for the child processes that play `oct`: so the demo needs no other program to be built.
const PLAY_OCT: &str = "OCT_DEMO_PLAYS_OCT";

fn main() -> ExitCode {
    if env::var_os(PLAY_OCT).is_some() {
        return oct::cli::main();
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let server = Standin::start(
        Catalog::made_up(&MadeUp { images: 25_000, bundles: 5_390, ..MadeUp::default() }),
        Knobs::default(),
    );
    println!("A stand-in for the catalog serves 25,000 images and 5,390 operators on loopback.");
    println!("In real life you leave out the two URLs.\n");
    let mut demo = Demo { folder: folder.path(), failed: false };
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    println!("## On the connected host\n");
    demo.oct(&["keygen", "--no-password"]);
    demo.oct(&["bundle", "--out", "site", "--next-within", "2d", "--catalog-url", &catalog, "--charts-url", &charts]);
    let archive = demo.archive("site");
    println!("## What was made, with plain tools\n");
    demo.plain("sh", &["-c", "cd site && sha256sum -c *.sha256"]);
    demo.plain("tar", &["--zstd", "-tvf", &archive]);
    let site = Site::start("127.0.0.1", folder.path().join("site"));
    let url = site.url();
    println!("## On a host that has no access to the catalog, only to a web server with that folder: {url}\n");
    demo.oct(&["trust", "add", "oct.pub"]);
    demo.oct(&["list", &url]);
    demo.oct(&["pull", &url, "--out", "stick"]);
    println!("Nothing new costs one small request:\n");
    demo.oct(&["pull", &url, "--out", "stick"]);
    println!("## On the bastion\n");
    demo.oct(&["list", "stick"]);
    demo.oct(&["import", "stick"]);
    demo.oct(&["verify", "offline-db"]);
    if demo.failed {
        println!("A command of `oct` failed: see above.");
        return ExitCode::FAILURE;
    }
    println!("certsuite would now run with `--offline-db offline-db`.");
    ExitCode::SUCCESS
}

struct Demo<'a> {
    folder: &'a Path,
    failed: bool,
}

impl Demo<'_> {
    /// Runs `oct` with these arguments.
    fn oct(&mut self, arguments: &[&str]) {
        let this = env::current_exe().expect("the demo knows its own program");
        let succeeded = self.run("oct", this.as_os_str(), arguments, Some((PLAY_OCT, "1")));
        self.failed |= !succeeded;
    }

    /// Runs a program that this machine may lack.
    fn plain(&mut self, program: &str, arguments: &[&str]) {
        if !self.run(program, OsStr::new(program), arguments, None) {
            println!("({program} cannot do this here; `tar` needs the program `zstd` beside it.)\n");
        }
    }

    fn run(&self, shown: &str, program: &OsStr, arguments: &[&str], environment: Option<(&str, &str)>) -> bool {
        println!("$ {shown} {}", arguments.join(" "));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder)
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .env("XDG_CACHE_HOME", self.folder.join("cache"))
            .env("XDG_STATE_HOME", self.folder.join("state"))
            .stdin(Stdio::null())
            .envs(environment);
        let succeeded = command.status().is_ok_and(|status| status.success());
        println!();
        succeeded
    }

    /// The archive that was made in `folder`.
    fn archive(&self, folder: &str) -> String {
        let names = std::fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten();
        let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
        format!("{folder}/{}", names.find(|name| name.ends_with(".tar.zst")).unwrap_or_default())
    }
}
