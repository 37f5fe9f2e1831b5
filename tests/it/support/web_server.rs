//! A web server of this machine with every habit that a download has to live with.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub fn content() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(i) / 7) as u8).collect()
}

pub fn other() -> Vec<u8> {
    content().into_iter().map(|byte| byte ^ 1).collect()
}

/// A web server for one test; it answers by the first folder of the path.
pub struct Server {
    address: String,
    /// How often each path was asked for, and the last range.
    asked: Arc<Mutex<BTreeMap<String, (usize, String)>>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<BTreeMap<String, (usize, String)>>> = Arc::default();
        let (own, shared) = (address.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (own, shared) = (own.clone(), shared.clone());
                std::thread::spawn(move || answer(stream, &own, &shared));
            }
        });
        Server { address, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    pub fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).map_or(0, |(count, _)| *count)
    }

    pub fn range(&self, path: &str) -> String {
        self.asked.lock().unwrap()[path].1.clone()
    }
}

/// One request; errors mean that the client went away.
fn answer(mut stream: TcpStream, own: &str, asked: &Mutex<BTreeMap<String, (usize, String)>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.trim_start_matches('/').to_string();
    let (mut range, mut if_range) = (String::new(), String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("range: ") {
            range = value.to_string();
        }
        if let Some(value) = header.strip_prefix("if-range: ") {
            if_range = value.to_string();
        }
    }
    let time = {
        let mut asked = asked.lock().unwrap();
        let entry = asked.entry(path.clone()).or_default();
        entry.0 += 1;
        entry.1 = range.clone();
        entry.0
    };
    let start: usize = range.strip_prefix("bytes=").and_then(|r| r.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let kind = path.split('/').next()?;
    let full = if kind == "wrong" || (kind == "mixed" && time == 1) { other() } else { content() };
    let tag = if kind == "changed" { format!("\"v{time}\"") } else { "\"v\"".to_string() };
    let (mut status, mut from) = ("200 OK", 0);
    let honours = !matches!(kind, "norange" | "silent") && (if_range.is_empty() || if_range == tag);
    if start > 0 && honours {
        (status, from) = ("206 Partial Content", start);
    }
    let body = &full[from.min(full.len())..];
    let mut head = String::new();
    let mut send = body.len();
    let mut length = body.len();
    match kind {
        "missing" => (status, length, send) = ("404 Not Found", 0, 0),
        "private" => (status, length, send) = ("403 Forbidden", 0, 0),
        "broken" => (status, length, send) = ("500 Internal Server Error", 0, 0),
        "shaky" if time < 3 => (status, length, send) = ("503 Service Unavailable", 0, 0),
        "cut" | "norange" | "changed" | "mixed" if time == 1 => send = 150_000,
        "always-cut" => send = 1000.min(send),
        "boasts" => length += 1000,
        "understates" => length -= 1000,
        "redirect" => {
            (status, length, send) = ("302 Found", 0, 0);
            head = format!("Location: {own}/good/a.bin\r\n");
        }
        "packed" => head = "Content-Encoding: br\r\n".into(),
        _ => {}
    }
    if !matches!(kind, "mixed" | "silent") {
        head.push_str(&format!("ETag: {tag}\r\n"));
    }
    if status.starts_with("206") && from >= full.len() {
        (status, length, send) = ("416 Range Not Satisfiable", 0, 0);
        head.push_str(&format!("Content-Range: bytes */{}\r\n", full.len()));
    }
    if status.starts_with("206") {
        head.push_str(&format!("Content-Range: bytes {from}-{}/{}\r\n", full.len() - 1, full.len()));
    }
    if kind != "silent" {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    stream.write_all(format!("HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n").as_bytes()).ok()?;
    stream.write_all(&body[..send]).ok()
}
