//! Running the program as people and scripts do, in a folder of its own.

#![allow(clippy::unwrap_used, reason = "a helper may fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use standin::{Catalog, Knobs, MadeUp, Standin};

/// A folder that is home and working folder, with a key that is trusted there.
pub struct Desk {
    folder: tempfile::TempDir,
}

/// How a run ended.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }

    /// The run, if it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Desk {
    /// A new one, with `oct.key`, and `oct.pub` trusted.
    pub fn new() -> Self {
        let desk = Self::bare();
        desk.run(&["keygen", "--no-password"]).expect(0);
        desk.run(&["trust", "add", "oct.pub"]).expect(0);
        desk
    }

    /// A new one with `oct.key` and `oct.pub`, which is not trusted.
    pub fn with_key() -> Self {
        let desk = Self::bare();
        desk.ok(&["keygen", "--no-password"]);
        desk
    }

    /// A new one without keys.
    pub fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The program, in this folder, with an environment that holds nothing else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::OCT);
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    /// How a run ended, as it is.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs, expects success, and returns stdout.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).expect(0).out
    }

    /// Runs, expects exit code `code`, and returns stderr.
    #[track_caller]
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        self.run(arguments).expect(code).err
    }

    /// Bundles what `server` has, with further arguments.
    pub fn fetched(&self, server: &Standin, arguments: &[&str]) -> Output {
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        self.output(&[&["bundle", "--catalog-url", &catalog, "--charts-url", &charts], arguments].concat())
    }

    /// Bundles from a server into `out`.
    pub fn bundle(&self, server: &Standin, out: &str, more: &[&str]) -> Run {
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        let fixed = ["bundle", "--out", out, "--catalog-url", &catalog, "--charts-url", &charts, "--json"];
        self.run(&[&fixed, more].concat())
    }

    /// The only archive in `folder`.
    pub fn archive(&self, folder: &str) -> String {
        let mut names = self.archives(folder);
        assert_eq!(names.len(), 1, "{names:?}");
        format!("{folder}/{}", names.remove(0))
    }

    /// The newest archive, by name.
    pub fn newest(&self) -> String {
        self.archives(".").pop().expect("an archive")
    }

    fn archives(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("catalog-") && name.ends_with(".tar.zst"));
        names.sort();
        names
    }
}

/// What a program said, for messages.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Every file below `folder` but the lock, with its bytes.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".oct/lock") {
                files.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    files
}

/// Each line as a JSON object in the form of the log.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        let (time, level) = (line["timestamp"].as_str().unwrap(), line["level"].as_str().unwrap());
        assert!(
            time.parse::<jiff::Timestamp>().is_ok() && ["ERROR", "WARN", "INFO", "DEBUG"].contains(&level),
            "{line}"
        );
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    lines
}

/// A small catalog on a server.
pub fn server(images: usize, seed: u64) -> Standin {
    let made_up = MadeUp { images, bundles: 620, charts: 12, seed, longest_tie: Some(20), ..MadeUp::default() };
    Standin::start(Catalog::made_up(&made_up), Knobs::default())
}
