//! A plain web server for a folder, as far as `oct pull` needs one: conditional requests and ranges (RFC 9110), a log,
//! and answers that break off on demand.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock;
use crate::http;

/// How long a silent client keeps a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server does besides serving.
#[derive(Debug, Clone)]
pub struct SiteKnobs {
    /// After how many bytes of the body the next answers with an archive break off, one for each.
    pub cuts: VecDeque<u64>,
    /// Whether parts of files can be asked for.
    pub ranges: bool,
    /// Whether files have an `ETag`.
    pub etags: bool,
    /// Whether files have a `Last-Modified`.
    pub modified: bool,
    /// A status with an HTML page, for every request.
    pub page: Option<u16>,
    /// Whether every request needs this header, as `name: value`.
    pub required: Option<String>,
}

/// A request and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The file.
    pub file: String,
    /// `Range`, where there was one.
    pub range: Option<String>,
    /// `If-Range`, where there was one.
    pub if_range: Option<String>,
    /// The status.
    pub status: u16,
    /// Bytes of the answer, head and body.
    pub bytes: u64,
}

/// A running server for a folder; it stops when dropped.
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    knobs: Mutex<SiteKnobs>,
    asked: Mutex<Vec<Asked>>,
    stop: AtomicBool,
}

impl Site {
    /// Serves `folder` on a free port of the loopback address `ip`, such as `127.0.0.2`.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn start(ip: &str, folder: impl Into<PathBuf>) -> Self {
        let listener = TcpListener::bind((ip, 0)).expect("the loopback interface has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let knobs =
            SiteKnobs { cuts: VecDeque::new(), ranges: true, etags: true, modified: true, page: None, required: None };
        let (folder, asked, stop) = (folder.into(), Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { folder, knobs: Mutex::new(knobs), asked, stop });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                // A client that goes away is no failure of the server.
                std::thread::spawn(move || stream.and_then(|stream| serve(&shared, stream)));
            }
        });
        Site { address, shared }
    }

    /// Its URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it does.
    pub fn set(&self, change: impl FnOnce(&mut SiteKnobs)) {
        change(&mut lock(&self.shared.knobs));
    }

    /// What was asked since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.shared.asked))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?).take(64 * 1024).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut headers = Vec::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let target = first.split(' ').nth(1).unwrap_or_default();
    let file = target.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
    let answer = answer(shared, &file, &headers);
    let header = |name: &str| http::header(&headers, name).map(str::to_owned);
    let mut asked =
        Asked { file, range: header("range"), if_range: header("if-range"), status: answer.status, bytes: 0 };
    let mut head = format!("HTTP/1.1 {} -\r\nConnection: close\r\n", answer.status);
    if answer.status != 304 {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    answer.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    let cut = if asked.file.ends_with(".zst") { lock(&shared.knobs).cuts.pop_front() } else { None };
    let body = &answer.body[..cut.map_or(answer.body.len(), |cut| answer.body.len().min(cut as usize))];
    asked.bytes = (head.len() + body.len()) as u64;
    // Logged before the answer: a client that has the answer finds its request in the log.
    lock(&shared.asked).push(asked);
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

#[derive(Default)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn answer(shared: &Shared, file: &str, headers: &[(String, String)]) -> Answer {
    let knobs = lock(&shared.knobs).clone();
    let html = |status| Answer { status, headers: vec![], body: b"<html><body>no</body></html>".to_vec() };
    let refuses = knobs.required.as_deref().and_then(|required| required.split_once(": "));
    if let Some(status) = knobs.page {
        return html(status);
    }
    if refuses.is_some_and(|(name, value)| http::header(headers, name) != Some(value)) {
        return html(401);
    }
    let path = shared.folder.join(file);
    let inside = Path::new(file).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let Some((body, metadata)) = inside.then(|| fs::read(&path).ok().zip(fs::metadata(&path).ok())).flatten() else {
        return html(404);
    };
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let etag = knobs.etags.then(|| format!("\"{:x}-{:x}\"", since.as_nanos(), body.len()));
    let modified = knobs.modified.then(|| clock::http_date(since.as_secs().cast_signed() * 1_000_000));
    let tell = |name, value: &Option<String>| value.clone().map(|value| (name, value));
    let date = [("Date", clock::http_date(clock::now()))];
    let dated: Vec<_> = date.into_iter().chain(tell("ETag", &etag)).chain(tell("Last-Modified", &modified)).collect();
    let said = |name: &str| http::header(headers, name).map(str::to_owned);
    let same = match (said("if-none-match"), said("if-modified-since")) {
        (Some(known), _) => etag.as_ref() == Some(&known),
        (None, Some(known)) => modified.as_ref() == Some(&known),
        (None, None) => false,
    };
    if same {
        return Answer { status: 304, headers: dated, body: vec![] };
    }
    let goes_on = said("if-range").is_none_or(|known| [&etag, &modified].contains(&&Some(known)));
    let start = said("range").filter(|_| knobs.ranges && goes_on);
    let start = start.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        Some(start) if start >= body.len() => {
            let headers = vec![("Content-Range", format!("bytes */{}", body.len()))];
            Answer { status: 416, headers, body: vec![] }
        }
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
            let headers = dated.into_iter().chain([("Content-Range", range)]).collect();
            Answer { status: 206, headers, body: body[start..].to_vec() }
        }
        None => Answer { status: 200, headers: dated, body },
    }
}
