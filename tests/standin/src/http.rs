//! HTTP/1.1 below the level of libraries: heads are read, answers are sent, and both can go wrong
//! on purpose.

use std::io;
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::clock::{self, Micros};
use crate::knobs::Drip;

/// Longest accepted request head, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Most accepted request headers.
const MAX_HEADERS: usize = 100;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    pub(crate) accepts_gzip: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// Whether the connection may serve another request.
    pub(crate) keep_alive: bool,
}

/// How the body of an answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// Not at all: a reset instead.
    Never,
    /// With a pause in the middle.
    Stalled(Duration),
    /// Half of it, then the end of the connection.
    Short,
    /// Half of it, then a reset.
    Reset,
    /// The body, then white space until this many bytes went out.
    Endless(u64),
    /// The same, compressed.
    GzipBomb(u64),
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Delivery,
    /// Time from the request to the answer.
    pub(crate) delay: Duration,
    /// How many documents the body holds.
    pub(crate) documents: usize,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Reply {
            status,
            content_type,
            headers: Vec::new(),
            body,
            delivery: Delivery::Whole,
            delay: Duration::ZERO,
            documents: 0,
        }
    }
}

/// Reads the next request head; `None` once the client has closed the connection or sends what is
/// not HTTP. Bytes behind the head stay in the buffer.
pub(crate) async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Head> {
    loop {
        if !buffer.is_empty() {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut request = httparse::Request::new(&mut headers);
            if let httparse::Status::Complete(length) = request.parse(buffer).ok()? {
                let head = head_of(&request);
                buffer.drain(..length);
                return Some(head);
            }
        }
        if buffer.len() > MAX_HEAD || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The first value of a header, by its name in any letter case.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn head_of(request: &httparse::Request<'_, '_>) -> Head {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<(String, String)> =
        request.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    let header = |name: &str| self::header(&headers, name).map(str::to_owned);
    let says = |name: &str, word: &str| header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word));
    // Bodies of requests are not read, so a connection that brings one is not used again.
    let brings_body =
        header("content-length").is_some_and(|length| length.trim() != "0") || header("transfer-encoding").is_some();
    let old = request.version == Some(0);
    Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        accepts_gzip: says("accept-encoding", "gzip"),
        keep_alive: !brings_body && !says("connection", "close") && (!old || says("connection", "keep-alive")),
        headers,
    }
}

/// Waits; false if the client went away in the meantime.
pub(crate) async fn pause(stream: &mut TcpStream, buffer: &mut Vec<u8>, until: Instant) -> bool {
    while Instant::now() < until {
        tokio::select! {
            () = tokio::time::sleep_until(until) => return true,
            read = stream.read_buf(buffer), if buffer.len() <= MAX_HEAD => {
                if !matches!(read, Ok(1..)) {
                    return false;
                }
            }
        }
    }
    true
}

/// What sending came to.
pub(crate) struct Sent {
    /// Bytes of the body that went out.
    pub(crate) bytes: u64,
    /// Whether the connection may serve another request.
    pub(crate) reusable: bool,
}

/// Sends an answer.
pub(crate) async fn send(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    reply: Reply,
    compress: bool,
    drip: Option<Drip>,
    keep_alive: bool,
    now: Micros,
) -> io::Result<Sent> {
    let endless = matches!(reply.delivery, Delivery::Endless(_) | Delivery::GzipBomb(_));
    let compress = compress && !endless && reply.body.len() > 200;
    let body = if compress { gzip(&reply.body) } else { reply.body };
    let mut out = Vec::with_capacity(512 + body.len());
    let reason = reason(reply.status);
    let mut line = |text: String| {
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    line(format!("HTTP/1.1 {} {reason}", reply.status));
    line(format!("Date: {}", clock::http_date(now)));
    if reply.status != 304 {
        line(format!("Content-Type: {}", reply.content_type));
        line("Vary: Accept-Encoding".to_owned());
        if endless {
            line("Transfer-Encoding: chunked".to_owned());
        } else {
            line(format!("Content-Length: {}", body.len()));
        }
    }
    if compress || matches!(reply.delivery, Delivery::GzipBomb(_)) {
        line("Content-Encoding: gzip".to_owned());
    }
    if !keep_alive {
        line("Connection: close".to_owned());
    }
    for (name, value) in reply.headers {
        line(format!("{name}: {value}"));
    }
    line(String::new());
    let head = out.len();
    if endless {
        return send_endless(stream, out, &body, reply.delivery).await;
    }
    out.extend_from_slice(&body);
    let middle = head + body.len() / 2;
    let (first, rest) = match reply.delivery {
        Delivery::Whole | Delivery::Never => (&out[..], &out[out.len()..]),
        _ => out.split_at(middle),
    };
    write_slowly(stream, buffer, first, drip).await?;
    if matches!(reply.delivery, Delivery::Short | Delivery::Reset) {
        if reply.delivery == Delivery::Reset {
            // Time for the client to see the first half.
            pause(stream, buffer, Instant::now() + Duration::from_millis(3)).await;
            reset_on_close(stream);
        }
        return Ok(Sent { bytes: (middle - head) as u64, reusable: false });
    }
    if let Delivery::Stalled(length) = reply.delivery
        && !pause(stream, buffer, Instant::now() + length).await
    {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    write_slowly(stream, buffer, rest, drip).await?;
    Ok(Sent { bytes: body.len() as u64, reusable: keep_alive })
}

async fn write_slowly(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    bytes: &[u8],
    drip: Option<Drip>,
) -> io::Result<()> {
    let Some(drip) = drip else {
        return stream.write_all(bytes).await;
    };
    for part in bytes.chunks(drip.bytes.max(1)) {
        stream.write_all(part).await?;
        if !pause(stream, buffer, Instant::now() + drip.pause).await {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    Ok(())
}

async fn send_endless(stream: &mut TcpStream, mut head: Vec<u8>, body: &[u8], delivery: Delivery) -> io::Result<Sent> {
    const BLANKS: usize = 64 * 1024;
    let (filler, cap) = match delivery {
        Delivery::GzipBomb(cap) => {
            let mut deflate = Compress::new(Compression::fast(), false);
            let mut start = GZIP_HEADER.to_vec();
            deflated(&mut deflate, body, &mut start);
            head.extend_from_slice(&chunk(&start));
            let mut block = Vec::new();
            deflated(&mut deflate, &[b' '; 16 * BLANKS], &mut block);
            (chunk(&block), cap)
        }
        Delivery::Endless(cap) => {
            head.extend_from_slice(&chunk(body));
            (chunk(&[b' '; BLANKS]), cap)
        }
        _ => (Vec::new(), 0),
    };
    stream.write_all(&head).await?;
    let mut sent = 0;
    while sent < cap {
        stream.write_all(&filler).await?;
        sent += filler.len() as u64;
        tokio::task::yield_now().await;
    }
    Ok(Sent { bytes: sent, reusable: false })
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

/// A fixed gzip header: deflate, no name, no time.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// Appends a deflated block that refers to nothing before it, so that it may be repeated.
fn deflated(deflate: &mut Compress, bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 1024);
    // With enough room in the output, compression of a slice cannot fail.
    let _ = deflate.compress_vec(bytes, out, FlushCompress::Full);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GZIP_HEADER.to_vec();
    out.reserve(bytes.len() + 1024);
    let mut deflate = Compress::new(Compression::fast(), false);
    let _ = deflate.compress_vec(bytes, &mut out, FlushCompress::Finish);
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    out
}

/// Makes the end of the connection a reset instead of an orderly close.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    // If it fails, the connection still closes early, which is the point.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn gzip_unpacks_to_the_same() {
        let text = b"some text, some more text, and text again".repeat(200);
        let packed = gzip(&text);
        assert!(packed.len() < text.len() / 4);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut back).expect("it is gzip");
        assert_eq!(back, text);
    }

    #[test]
    fn heads_are_understood() {
        let parse = |text: &str| {
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut request = httparse::Request::new(&mut headers);
            request.parse(text.as_bytes()).expect("the head is right");
            head_of(&request)
        };
        let head = parse("GET /a?b=c HTTP/1.1\r\naccept-encoding: br, gzip\r\n\r\n");
        assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/a?b=c"));
        assert!(head.accepts_gzip && head.keep_alive);
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(!parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive);
        assert!(!parse("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n").keep_alive);
    }
}
