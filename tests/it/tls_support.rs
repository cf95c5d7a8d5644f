//! A small server of fixed answers, with TLS or without, that remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The path of a certificate or key that the tests bring along: an authority, and servers that it vouches for.
pub fn pem(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tls")).join(name)
}

/// An answer by the path that is asked for: status line, further headers, body.
pub type Answers = fn(&str, u16) -> (String, Vec<u8>);

/// The server; it ends with the process.
pub struct Fixed {
    pub port: u16,
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Fixed {
    /// Serves `answers`, with the certificate and key of these names if any.
    pub fn start(tls: Option<(&str, &str)>, answers: Answers) -> Self {
        let config = tls.map(|(certificate, key)| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let chain = vec![CertificateDer::from_pem_file(pem(certificate)).unwrap()];
            let key = PrivateKeyDer::from_pem_file(pem(key)).unwrap();
            Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap())
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, heard) = (config.clone(), Arc::clone(&heard));
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                    match config {
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            serve(StreamOwned::new(connection, stream), &heard, answers, port);
                        }
                        None => serve::<TcpStream>(stream, &heard, answers, port),
                    }
                });
            }
        });
        Self { port, asked }
    }

    /// All requests, with their headers.
    pub fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n")
    }
}

/// Serves one request, and closes.
fn serve<S: Read + Write>(stream: S, heard: &Mutex<Vec<String>>, answers: Answers, port: u16) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        head.push_str(&line);
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heard.lock().unwrap().push(head);
    let (status, body) = answers(&path, port);
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let stream = stream.get_mut();
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).and_then(|()| stream.flush());
}

/// When the image of [`tiny`] was entered, without the seconds.
const ENTERED: &str = "2025-01-02T03:04";

/// A catalog without documents but one image, and an empty chart index. What asks for older images is answered by none.
pub fn tiny(path: &str) -> (String, Vec<u8>) {
    if path.contains("index.yaml") {
        return ("200 OK".into(), b"apiVersion: v1\nentries: {}\n".to_vec());
    }
    let image = format!(r#"{{"_id":"5f059f17bed8bd4f99d20100","creation_date":"{ENTERED}:05Z","certified":true}}"#);
    let changed = path.contains("last_update_date") || path.contains("null+") && path.contains("date%3D%3Dnull");
    let before = path.split_once("creation_date%3C").map(|(_, date)| date.replace("%3A", ":"));
    let older = before.is_some_and(|before| before.as_str() < ENTERED || before.starts_with(&format!("{ENTERED}:05")));
    let none = changed || older || path.contains("page_size=1&");
    let data = if path.contains("/images") && !none && path.contains("page=0") { image.as_str() } else { "" };
    let total = u32::from(path.contains("/images"));
    ("200 OK".into(), format!(r#"{{"data":[{data}],"page_size":500,"total":{total}}}"#).into_bytes())
}
