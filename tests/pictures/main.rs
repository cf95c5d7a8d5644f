//! `cargo run -p pictures -- [FOLDER] [COLUMNS]`: makes the pictures of the README from real runs of `oct`
//! in a pseudo-terminal, as SVG files in `packaging/pictures`, 100 columns wide unless told otherwise.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::io::Read as _;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use standin::{Catalog, Knobs, MadeUp, Standin};

/// Set for the child processes that play `oct`.
const PLAY_OCT: &str = "OCT_PICTURES_PLAYS_OCT";
/// Rows of the terminal: more than any picture has.
const ROWS: NonZero<u16> = NonZero::new(120).unwrap();

fn main() -> ExitCode {
    if std::env::var_os(PLAY_OCT).is_some() {
        return oct::cli::main();
    }
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/pictures"),
        |folder| std::env::current_dir().unwrap().join(folder),
    );
    let columns = arguments.next().map_or(NonZero::new(100).unwrap(), |columns| columns.parse().unwrap());
    std::fs::create_dir_all(&out).unwrap();
    let made_up = MadeUp { images: 25_000, bundles: 5_390, ..MadeUp::default() };
    let server = Standin::start(Catalog::made_up(&made_up), Knobs::default());
    // A plain name, since it is seen.
    let home = std::env::temp_dir().join("oct-pictures");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir(&home).unwrap();
    let studio = Studio { home: &home, server: &server, out: &out, columns };

    // Slowly, so that there is something to see half-way.
    server.set(|knobs| knobs.latency = Duration::from_millis(400));
    let mut screen = studio.screen();
    screen.run("oct keygen --no-password");
    screen.until("oct bundle --out stick", Some(Duration::from_millis(2_600)));
    screen.save("progress");
    server.set(|knobs| knobs.latency = Duration::ZERO);

    let mut screen = studio.screen();
    screen.run("oct bundle --out stick");
    screen.run("oct bundle --out stick");
    screen.save("bundle");

    let mut screen = studio.screen();
    screen.run("oct trust add oct.pub");
    screen.run("oct import stick --to offline-db");
    screen.run("oct status offline-db --max-age 30d");
    screen.save("import");

    let mut screen = studio.screen();
    let images: Vec<_> = server.truth().certified.iter().filter_map(|image| reference(&image.reduced())).collect();
    screen.run(&format!("oct check image {} {}9", images[0], images[1]));
    screen.save("check");

    let mut screen = studio.screen();
    let archive = studio.archive();
    let mut bytes = std::fs::read(home.join(&archive)).unwrap();
    bytes.truncate(bytes.len() / 3);
    std::fs::write(home.join("cut.tar.zst"), &bytes).unwrap();
    screen.run("oct import cut.tar.zst");
    std::fs::write(home.join("page.tar.zst"), "<!DOCTYPE html><html>Log in</html>").unwrap();
    screen.run("oct import page.tar.zst");
    std::fs::write(home.join("offline-db/data/archive.json"), "{}").unwrap();
    screen.run("oct status offline-db");
    screen.save("refused");
    std::fs::remove_dir_all(&home).unwrap();
    ExitCode::SUCCESS
}

/// How an image of the stand-in is asked for by tag.
fn reference(image: &serde_json::Value) -> Option<String> {
    let place = &image["repositories"][0];
    let text = |field: &str| place[field].as_str();
    Some(format!("{}/{}:{}", text("registry")?, text("repository")?, place["tags"][0]["name"].as_str()?))
}

struct Studio<'a> {
    home: &'a Path,
    server: &'a Standin,
    out: &'a Path,
    columns: NonZero<u16>,
}

impl Studio<'_> {
    fn screen(&self) -> Screen<'_> {
        Screen { studio: self, terminal: vt100::Parser::new(ROWS, self.columns, 0) }
    }

    fn archive(&self) -> PathBuf {
        let names = std::fs::read_dir(self.home.join("stick")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut archives = names.filter(|name| name.to_string_lossy().ends_with(".zst"));
        Path::new("stick").join(archives.next().unwrap())
    }
}

/// A terminal on which commands leave what they print.
struct Screen<'a> {
    studio: &'a Studio<'a>,
    terminal: vt100::Parser,
}

impl Screen<'_> {
    /// Runs a command to its end.
    fn run(&mut self, line: &str) {
        self.until(line, None);
    }

    /// Runs a command, for as long as `limit` at most.
    fn until(&mut self, line: &str, limit: Option<Duration>) {
        self.terminal.process(format!("\u{1b}[32m$\u{1b}[0m {line}\r\n").as_bytes());
        let (mut terminal, inner) = self.terminal_pair();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(line.split(' ').skip(1))
            .current_dir(self.studio.home)
            .env_clear()
            .envs([(PLAY_OCT, "1"), ("TERM", "xterm-256color"), ("LANG", "C.UTF-8")])
            .env("XDG_CONFIG_HOME", self.studio.home.join("config"))
            .env("XDG_CACHE_HOME", self.studio.home.join("cache"))
            .env("OCT_CATALOG_URL", self.studio.server.catalog_url())
            .env("OCT_CHARTS_URL", self.studio.server.charts_url())
            .stdin(Stdio::null())
            .stdout(inner.try_clone().unwrap())
            .stderr(inner)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let mut bytes = [0; 4096];
        // The reading end fails once nobody has the other one open.
        while let Ok(count @ 1..) = terminal.read(&mut bytes) {
            self.terminal.process(&bytes[..count]);
            if limit.is_some_and(|limit| begun.elapsed() >= limit) {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
    }

    /// Both ends of a pseudo-terminal.
    fn terminal_pair(&self) -> (std::fs::File, OwnedFd) {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&outer).unwrap();
        unlockpt(&outer).unwrap();
        let name = ptsname(&outer, Vec::new()).unwrap();
        let inner = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = Winsize { ws_row: ROWS.get(), ws_col: self.studio.columns.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&inner, size).unwrap();
        (outer.into(), inner)
    }

    /// Writes the screen down as a picture.
    fn save(self, name: &str) {
        let screen = self.terminal.screen();
        let used = (0..ROWS.get()).filter(|row| !line(screen, *row).trim().is_empty()).max().map_or(0, |row| row + 1);
        let (width, height) = (f64::from(self.studio.columns.get()) * 8.4 + 24.0, f64::from(used) * 18.0 + 24.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             font-family=\"ui-monospace, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1b1f24\"/>\n"
        );
        for row in 0..used {
            let y = f64::from(row) * 18.0 + 26.0;
            for (column, style, text) in spans(screen, row) {
                let x = f64::from(column) * 8.4 + 12.0;
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{y:.0}\" {style} textLength=\"{:.1}\" xml:space=\"preserve\">{}</text>",
                    text.chars().count() as f64 * 8.4,
                    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
                );
            }
        }
        svg.push_str("</svg>\n");
        let path = self.studio.out.join(format!("{name}.svg"));
        std::fs::write(&path, svg).unwrap();
        println!("{}", path.display());
    }
}

fn line(screen: &vt100::Screen, row: u16) -> String {
    spans(screen, row).into_iter().map(|(_, _, text)| text).collect()
}

/// The stretches of a row that look alike: first column, style, text.
fn spans(screen: &vt100::Screen, row: u16) -> Vec<(u16, String, String)> {
    let mut spans: Vec<(u16, String, String)> = Vec::new();
    for column in 0..screen.size().1.get() {
        let Some(cell) = screen.cell(row, column) else { continue };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let color = match cell.fgcolor() {
            vt100::Color::Idx(1 | 9) => "#ff7b72",
            vt100::Color::Idx(2 | 10) => "#7ee787",
            vt100::Color::Idx(3 | 11) => "#e3b341",
            vt100::Color::Idx(4 | 6 | 12 | 14) => "#79c0ff",
            _ => "#d0d7de",
        };
        let style = format!("fill=\"{color}\"{}", if cell.bold() { " font-weight=\"bold\"" } else { "" });
        match spans.last_mut() {
            Some((_, last, span)) if *last == style => span.push_str(text),
            _ => spans.push((column, style, text.to_owned())),
        }
    }
    // Blanks are not drawn.
    spans.retain(|(_, _, text)| !text.trim().is_empty());
    for (_, _, text) in &mut spans {
        text.truncate(text.trim_end().len());
    }
    spans
}
