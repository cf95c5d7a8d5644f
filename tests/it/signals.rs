//! Signals, and the limit on the size of files.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli_support::{Desk, Run};
use crate::forge::{Forge, Layers};
use crate::install_support::assert_tidy;

/// `old` is installed in `db`, `new` is there.
fn desk() -> Desk {
    let desk = Desk::bare();
    let mut forge = Forge::new();
    fs::write(desk.join("oct.pub"), forge.key.public().text()).unwrap();
    for (name, flavour, created) in [("old", 2, "2026-03-01T00:00:00Z"), ("new", 1, "2026-03-04T05:06:07Z")] {
        forge.layers = Layers::valid(flavour, created);
        fs::write(desk.join(name), forge.valid()).unwrap();
    }
    desk.run(&["import", "old", "--to", "db", "--key", "oct.pub"]).expect(0);
    desk
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until the process sleeps in a system call, having begun its work.
fn settled(child: &Child) {
    let began = Instant::now();
    let (mut last, mut same) = (String::new(), 0);
    while same < 20 && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
        let now = fs::read_to_string(format!("/proc/{}/task/{0}/stat", child.id())).unwrap();
        // The state and the time on the processor.
        let now: Vec<_> = now.split(' ').skip(2).collect();
        let now = [now[0], now[11], now[12]].concat();
        same = if now == last && now.starts_with('S') { same + 1 } else { 0 };
        last = now;
    }
}

const SIGNALS: [(&str, i32, &str); 2] = [("-INT", 130, "interrupted"), ("-TERM", 143, "terminated")];

#[test]
fn every_command_ends_with_a_message_a_document_and_its_code() {
    let desk = desk();
    // Whoever needs the folder waits for this lock; `check` waits for its questions.
    let lock = fs::File::options().read(true).write(true).open(desk.join("db/.oct/lock")).unwrap();
    lock.lock().unwrap();
    for (name, code, word) in SIGNALS {
        for arguments in [
            &["import", "new", "--to", "db"][..],
            &["status", "db"],
            &["verify", "db"],
            &["inspect", "db"],
            &["rollback", "db"],
            &["check", "--from", "-", "--db", "new"],
        ] {
            let mut command = desk.command(arguments);
            command.args(["--json", "--key", "oct.pub"]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let _open = child.stdin.take();
            settled(&child);
            signal(&child, name);
            let run: Run = child.wait_with_output().unwrap().into();
            let run = run.expect(code);
            let error = &run.json()["error"];
            assert_eq!(
                (error["class"].as_str(), error["exit"].as_i64()),
                (Some(word), Some(code.into())),
                "{arguments:?}"
            );
            assert!(run.err.contains(&format!("error: {word}")), "{arguments:?}: {}", run.err);
            let hint = run.err.contains("the next run of oct on this folder");
            assert_eq!(hint, ["import", "rollback"].contains(&arguments[0]), "{arguments:?}: {}", run.err);
        }
    }
}

/// Ctrl-C in a shell ends the producer of a pipe as well: the input ends at the moment of the signal.
#[test]
fn the_end_of_the_input_does_not_outrun_the_signal() {
    let desk = desk();
    for input in ["", "quay.io/acme/web:1.2\n", "{"] {
        let mut command = desk.command(&["check", "--from", "-", "--db", "new", "--key", "oct.pub", "--json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut open = child.stdin.take().unwrap();
        open.write_all(input.as_bytes()).unwrap();
        settled(&child);
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        drop(open);
        let run = Run::from(child.wait_with_output().unwrap()).expect(130);
        assert_eq!(run.json()["error"]["class"], "interrupted", "{input:?}");
        assert_eq!(run.err, "error: interrupted\n");
    }
}

#[test]
fn nobody_need_read_the_last_words() {
    let desk = desk();
    let lock = fs::File::options().read(true).write(true).open(desk.join("db/.oct/lock")).unwrap();
    lock.lock().unwrap();
    // A pipe that is full.
    let mut holder = Command::new("sleep").arg("60").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = holder.stdin.take().unwrap();
    let full = std::os::fd::OwnedFd::from(pipe);
    rustix::fs::fcntl_setfl(&full, rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&full, &[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&full, rustix::fs::OFlags::empty()).unwrap();
    let mut command = desk.command(&["status", "db", "--json", "--key", "oct.pub"]);
    let mut child = command.stdout(full).stderr(Stdio::null()).spawn().unwrap();
    settled(&child);
    signal(&child, "-TERM");
    let began = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn an_import_that_is_ended_at_any_moment_leaves_nothing_for_long() {
    let desk = desk();
    let rounds = std::env::var("OCT_ROUNDS").map_or(8, |rounds| rounds.parse().unwrap());
    let mut rng = fastrand::Rng::with_seed(11);
    let mut ended = 0;
    for round in 0..rounds {
        let archive = ["new", "old"][round % 2];
        let (name, code, _) = SIGNALS[round / 2 % 2];
        let import = ["import", archive, "--to", "db", "--key", "oct.pub", "--allow-downgrade"];
        let mut child = desk.command(&import).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // From the moment on when the handlers stand: before, there is nothing to tell.
        let began = Instant::now();
        while fs::read_to_string(format!("/proc/{}/status", child.id())).is_ok_and(|status| !catches(&status))
            && began.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_micros(50));
        }
        std::thread::sleep(Duration::from_micros(rng.u64(..30_000)));
        signal(&child, name);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let found = child.wait().unwrap().code();
        assert!([Some(0), Some(code)].contains(&found), "round {round}: {found:?} {said}");
        ended += usize::from(found == Some(code));
        desk.run(&import).expect(0);
        desk.run(&["verify", "db", "--key", "oct.pub"]).expect(0);
        assert_tidy(&desk.join("db"), "after a signal");
    }
    assert!(ended > 0, "no import was ended");
}

/// Whether a process has a handler for SIGTERM.
fn catches(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & (1 << 14) != 0)
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_with_its_hint() {
    let desk = desk();
    let script = "ulimit -f 0; exec \"$0\" import new --to db --key oct.pub";
    let mut command = Command::new("sh");
    command.args(["-c", script, crate::OCT]).current_dir(desk.path()).env_clear().env("HOME", desk.path());
    let run: Run = command.output().unwrap().into();
    let run = run.expect(6);
    assert!(run.err.contains("ulimit -f"), "{}", run.err);
    desk.run(&["status", "db", "--key", "oct.pub"]).expect(0);
    assert_tidy(&desk.join("db"), "");
}
