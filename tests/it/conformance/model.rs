//! The Go program, as a child that answers one JSON question a line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

pub struct Model {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Model {
    /// Starts the program, which is built once. `None`, with a message, where Go or a module is missing.
    pub fn start() -> Option<Self> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let program = PROGRAM.get_or_init(build).as_ref()?;
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, questions, answers })
    }

    pub fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{question}: `{answer}`: {error}"))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn build() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../conformance");
    let go = |arguments: &[&str]| Command::new("go").args(arguments).current_dir(&source).output();
    match go(&["mod", "download"]) {
        Err(error) => {
            eprintln!("skipped: the Go model of certsuite's reader cannot be built: {error}");
            return None;
        }
        Ok(output) if !output.status.success() => {
            let cause = String::from_utf8_lossy(&output.stderr).into_owned();
            eprintln!("skipped: the modules of the Go model cannot be had: {cause}");
            return None;
        }
        Ok(_) => {}
    }
    std::fs::create_dir_all(&target).unwrap();
    let program = target.join("model");
    let built = go(&["build", "-o", program.to_str().unwrap(), "."]).unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(program)
}
