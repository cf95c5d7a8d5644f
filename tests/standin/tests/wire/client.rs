//! A client over a raw connection, so that what goes wrong below HTTP is seen as well.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use standin::{Catalog, Fault, Knobs, MadeUp, Standin};

pub const BASE: &str = "/api/containers/v1";

pub const IMAGES: &str = "/api/containers/v1/images";

/// An answer as far as it came.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub end: End,
}

#[derive(Debug, PartialEq)]
pub enum End {
    /// All that was declared is there.
    Whole,
    /// The connection closed before that.
    Closed,
    /// The connection was reset before that.
    Reset,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn is_html(&self) -> bool {
        let typed = self.header("content-type") == Some("text/html; charset=utf-8");
        typed && self.body.starts_with(b"<!DOCTYPE html>")
    }
}

pub struct Client(pub TcpStream);

impl Client {
    pub fn to(server: &Standin) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("time-outs can be set");
        Client(stream)
    }

    pub fn send(&mut self, target: &str, headers: &str) {
        let head = format!("GET {target} HTTP/1.1\r\nHost: standin\r\n{headers}\r\n");
        self.0.write_all(head.as_bytes()).expect("the server reads");
    }

    /// Reads an answer; `None` if the connection ends before its head is complete.
    pub fn read(&mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        let (head, start, length) = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "))
                    .map_or(0, |text| text.parse::<usize>().expect("lengths are numbers"));
                break (head, end + 4, length);
            }
            match self.0.read(&mut part) {
                Ok(0) | Err(_) => return None,
                Ok(read) => bytes.extend_from_slice(&part[..read]),
            }
        };
        let mut end = End::Whole;
        while bytes.len() < start + length {
            match self.0.read(&mut part) {
                Ok(0) => {
                    end = End::Closed;
                    break;
                }
                Ok(read) => bytes.extend_from_slice(&part[..read]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                    end = End::Reset;
                    break;
                }
            }
        }
        Some(Answer {
            status: head[9..12].parse().expect("statuses are numbers"),
            body: bytes.split_off(start),
            head,
            end,
        })
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.send(target, "");
        self.read().expect("an answer comes")
    }
}

/// Waits until no request is under way: an answer is here a moment before its end is booked.
pub fn settle(server: &Standin) {
    let began = std::time::Instant::now();
    while server.stats().concurrent > 0 {
        assert!(began.elapsed().as_secs() < 10, "a request never ends");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

pub fn get(server: &Standin, target: &str) -> Answer {
    Client::to(server).get(target)
}

pub fn small() -> Catalog {
    Catalog::made_up(&MadeUp { images: 300, bundles: 60, charts: 8, ..MadeUp::default() })
}

pub fn server() -> Standin {
    Standin::start(small(), Knobs::default())
}

pub fn with_fault(fault: Fault) -> Standin {
    let server = server();
    server.set(|knobs| {
        knobs.fault_share = 1.0;
        knobs.faults = vec![fault];
        knobs.stall = Duration::from_millis(60);
        knobs.endless_cap = 4 << 20;
    });
    server
}
