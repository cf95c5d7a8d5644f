//! What people see while `oct bundle` works: on a terminal, and in a pipe.

use std::process::Command;
use std::time::Duration;

use standin::{Fault, Standin};

use crate::cli_support::{Desk, server};

/// Columns of the terminal.
const COLUMNS: usize = 60;

/// What `oct bundle` writes to a terminal of this kind; `None` where none can be made.
fn on_a_terminal(desk: &Desk, server: &Standin, kind: &str) -> Option<String> {
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let line = format!(
        "stty cols {COLUMNS} rows 24; {} bundle --out {kind} --catalog-url {catalog} --charts-url {charts} --page-size 50",
        crate::OCT
    );
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).current_dir(desk.path()).env_clear();
    script.env("PATH", "/usr/bin:/bin").env("HOME", desk.path()).env("SHELL", "/bin/sh").env("TERM", kind);
    let Ok(output) = script.output() else {
        eprintln!("skipped: `script` is missing");
        return None;
    };
    assert!(output.status.success(), "{}", crate::cli_support::text(&output));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What stands on the screen after each step of the cursor: text without escapes, parted where a line begins anew.
fn frames(shown: &str) -> Vec<String> {
    let mut frames = vec![String::new()];
    let mut letters = shown.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\u{1b}' => {
                letters.next_if_eq(&'[');
                let end = letters.by_ref().find(char::is_ascii_alphabetic);
                // All but colours move the cursor or clear.
                if end != Some('m') {
                    frames.push(String::new());
                }
            }
            '\r' | '\n' => frames.push(String::new()),
            c => frames.last_mut().unwrap().push(c),
        }
    }
    frames
}

#[test]
fn a_bar_fits_a_narrow_terminal_and_never_counts_nothing() {
    let desk = Desk::new();
    let server = server(900, 3);
    server.set(|knobs| knobs.latency = Duration::from_millis(150));
    let Some(shown) = on_a_terminal(&desk, &server, "xterm") else { return };
    let frames = frames(&shown);
    assert!(frames.iter().any(|frame| frame.contains(" of ") && frame.contains("documents")), "no bar: {shown:?}");
    for frame in &frames {
        assert!(frame.chars().count() <= COLUMNS, "{frame:?}");
        let words: Vec<_> = frame.split(' ').collect();
        assert!(!words.windows(3).any(|three| three == ["0", "of", "0"]) && !frame.contains("0/0"), "{frame:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_no_escapes() {
    let desk = Desk::new();
    let server = server(300, 3);
    server.set(|knobs| knobs.latency = Duration::from_millis(100));
    let Some(shown) = on_a_terminal(&desk, &server, "dumb") else { return };
    assert!(shown.contains("Bundled") && !shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn waiting_for_a_server_is_said_in_a_pipe_too() {
    let desk = Desk::new();
    let server = server(200, 3);
    server.set(|knobs| (knobs.fault_share, knobs.faults) = (1.0, vec![Fault::Unavailable]));
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| desk.bundle(&server, "out", &["--patience", "20s"]));
        // An outage of some seconds.
        std::thread::sleep(Duration::from_secs(5));
        server.set(|knobs| knobs.fault_share = 0.0);
        run.join().unwrap().expect(0)
    });
    assert!(run.err.contains("503") && run.err.contains("; trying again in "), "{}", run.err);
    assert!(!run.err.contains('\u{1b}') && !run.err.contains('\r'), "{}", run.err);
}
