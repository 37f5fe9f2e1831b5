//! Brings one address (`http`, `https`, `file`) to a file on disk: resumes, retries, checks sizes. Memory is bounded.
//! Knows no task; whether the bytes are the right ones is for checksums to say.

use crate::digest::Digest;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A try that brought at least this much does not count as failed.
const PROGRESS: u64 = 1 << 20;

/// Why an address gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// There is no such file at the address, or it is given to nobody.
    #[error("{url}: {problem}")]
    Gone { url: String, problem: String },
    /// Nobody answers there, also after waiting.
    #[error("{url}: {problem}")]
    Unreachable { url: String, problem: String },
    /// The server or the transfer failed, also after waiting: the file may well be there.
    #[error("{url}: {problem}")]
    Unavailable { url: String, problem: String },
    /// The server has something else.
    #[error("{url}: {problem}")]
    Wrong { url: String, problem: String },
    /// `watch` asked to stop; what came so far is kept.
    #[error("stopped")]
    Stopped,
    /// The disk failed.
    #[error("{path}: {source}")]
    Disk { path: PathBuf, source: std::io::Error },
}

/// What is on disk now.
#[derive(Debug)]
pub struct Downloaded {
    pub path: PathBuf,
    /// False for a file that lay there already (`file://`) and must be left alone.
    pub ours: bool,
    /// It was put together from several answers.
    pub resumed: bool,
}

/// How to download.
pub struct Downloader {
    agent: ureq::Agent,
    tries: u32,
    pause: Duration,
}

impl Default for Downloader {
    fn default() -> Self {
        Downloader::new(4, Duration::from_millis(500))
    }
}

enum Failure {
    /// Trying again may help. `silent`: there was no answer at all.
    Again {
        problem: String,
        silent: bool,
    },
    Final(DownloadError),
}

impl Downloader {
    /// `tries`: how often an address is tried without progress; `pause`: waiting time after the first failure, doubled after
    /// each.
    pub fn new(tries: u32, pause: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(Duration::from_secs(30)))
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .user_agent(concat!("nasperf-pipe/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Downloader { agent, tries, pause }
    }

    /// Brings `url` into `scratch`, or goes on with what an earlier call left there. `bytes`: the size, where known.
    /// `identified`: a checksum is known, so that a partial file may be continued even if the server cannot say that it is
    /// still the same. `watch` sees the bytes so far and in all (0: unknown), and stops by `false`.
    pub fn get(
        &self,
        url: &str,
        bytes: Option<u64>,
        identified: bool,
        scratch: &Path,
        watch: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Downloaded, DownloadError> {
        let wrong = |problem: String| DownloadError::Wrong { url: url.to_string(), problem };
        if let Some(path) = url.strip_prefix("file://") {
            let path = PathBuf::from(percent_decode(path.strip_prefix("localhost").unwrap_or(path)));
            return match fs::metadata(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    Err(DownloadError::Gone { url: url.to_string(), problem: e.to_string() })
                }
                Err(e) => Err(DownloadError::Unavailable { url: url.to_string(), problem: e.to_string() }),
                Ok(meta) if !meta.is_file() => Err(wrong("not a file".into())),
                Ok(meta) if bytes.is_some_and(|bytes| bytes != meta.len()) => {
                    Err(wrong(format!("expected {} bytes, found {}", bytes.unwrap_or(0), meta.len())))
                }
                Ok(_) => Ok(Downloaded { path, ours: false, resumed: false }),
            };
        }
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(wrong("this kind of address is not known; http, https and file are".into()));
        }
        let part = Part::new(scratch, url);
        let (mut failures, mut resumed, mut answered) = (0, part.len() > 0, false);
        loop {
            let before = part.len();
            match self.once(url, bytes, identified, &part, watch) {
                Ok(()) => {
                    let path = part.path.clone();
                    return Ok(Downloaded { path, ours: true, resumed });
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again { problem, silent }) => {
                    answered |= !silent;
                    if part.len() >= before + PROGRESS {
                        failures = 0;
                    }
                    failures += 1;
                    if failures >= self.tries {
                        let problem = format!("{problem} (tried {failures} times)");
                        let url = url.to_string();
                        return Err(match answered {
                            true => DownloadError::Unavailable { url, problem },
                            false => DownloadError::Unreachable { url, problem },
                        });
                    }
                    resumed |= part.len() > 0;
                    if !self.wait(failures, part.len(), watch) {
                        return Err(DownloadError::Stopped);
                    }
                }
            }
        }
    }

    /// Waits in short pieces, so that a stop is seen; false when asked to stop.
    fn wait(&self, failures: u32, done: u64, watch: &mut dyn FnMut(u64, u64) -> bool) -> bool {
        let mut left = self.pause * 2u32.pow((failures - 1).min(6));
        while !left.is_zero() {
            let piece = left.min(Duration::from_millis(200));
            std::thread::sleep(piece);
            left -= piece;
            if !watch(done, 0) {
                return false;
            }
        }
        true
    }

    /// One request; the part is complete when it returns well.
    fn once(
        &self,
        url: &str,
        bytes: Option<u64>,
        identified: bool,
        part: &Part,
        watch: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(), Failure> {
        let wrong = |problem: String| Failure::Final(DownloadError::Wrong { url: url.to_string(), problem });
        let again = |problem: String| Failure::Again { problem, silent: false };
        let disk = |source| Failure::Final(DownloadError::Disk { path: part.path.clone(), source });
        let validator = part.validator();
        let have = if identified || validator.is_some() { part.len() } else { 0 };
        // A compressed transfer would hide the size and change the bytes on the way.
        let mut request = self.agent.get(url).header("Accept-Encoding", "identity");
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
            if let Some(validator) = &validator {
                request = request.header("If-Range", validator);
            }
        }
        let mut response = request.call().map_err(|e| {
            use ureq::Error::{ConnectionFailed, HostNotFound, Io, Timeout};
            let silent = matches!(e, HostNotFound | ConnectionFailed | Timeout(_) | Io(_));
            Failure::Again { problem: e.to_string(), silent }
        })?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_string);
        if header("content-encoding").is_some_and(|encoding| encoding != "identity") {
            return Err(wrong("the server compresses the file on the way, which was not asked for".into()));
        }
        let announced = header("content-length").and_then(|length| length.parse::<u64>().ok());
        let (start, total) = match response.status().as_u16() {
            200 => (0, announced),
            206 => {
                let range = header("content-range").and_then(|range| content_range(&range));
                let Some((start, total)) = range.filter(|(start, _)| *start == have) else {
                    part.remove();
                    return Err(again("the server sent another piece than was asked for".into()));
                };
                (start, total.or(announced.map(|length| start + length)))
            }
            416 if have > 0 => {
                // The part is complete already, or longer than the file; a size that is known, or said twice, tells.
                let size = header("content-range").and_then(|range| range.strip_prefix("bytes */")?.parse().ok());
                if bytes.or(size.filter(|_| part.size() == size)) == Some(have) {
                    return Ok(());
                }
                part.remove();
                return Err(again("the server has less than an earlier download brought".into()));
            }
            status @ (408 | 425 | 429 | 500..=599) => return Err(again(format!("HTTP status {status}"))),
            // Object stores answer 403 for what they do not have to those who may not list it.
            status @ (401 | 403 | 404 | 410 | 451) => {
                let problem = format!("HTTP status {status}");
                return Err(Failure::Final(DownloadError::Gone { url: url.to_string(), problem }));
            }
            status => return Err(wrong(format!("HTTP status {status}"))),
        };
        if let (Some(bytes), Some(total)) = (bytes, total)
            && bytes != total
        {
            part.remove();
            return Err(wrong(format!("expected {bytes} bytes, the server announces {total}")));
        }
        let tag = header("etag").filter(|tag| !tag.starts_with("W/")).or_else(|| header("last-modified"));
        part.set_validator(tag.as_deref()).and_then(|()| part.set_size(total)).map_err(disk)?;
        let mut file = File::options().create(true).truncate(false).write(true).open(&part.path).map_err(disk)?;
        file.set_len(start).map_err(disk)?;
        file.seek(SeekFrom::Start(start)).map_err(disk)?;
        let total = total.or(bytes);
        let mut done = start;
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            if !watch(done, total.unwrap_or(0)) {
                return Err(Failure::Final(DownloadError::Stopped));
            }
            let count = body.read(&mut buffer).map_err(|e| again(format!("after {done} bytes: {e}")))?;
            if count == 0 {
                break;
            }
            done += count as u64;
            if total.is_some_and(|total| done > total) {
                part.remove();
                return Err(wrong(format!("expected {} bytes, the server sends more", total.unwrap_or(0))));
            }
            file.write_all(&buffer[..count]).map_err(disk)?;
        }
        match total {
            Some(total) if done < total => Err(again(format!("cut after {done} of {total} bytes"))),
            _ => Ok(()),
        }
    }
}

/// `bytes 100-199/200` to start and total.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    Some((start, total.parse().ok()))
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code =
            bytes.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The partial file of an address, with what the server said to recognise the version by.
struct Part {
    path: PathBuf,
    tag: PathBuf,
    size: PathBuf,
}

impl Part {
    fn new(scratch: &Path, url: &str) -> Self {
        let name = Digest::of(url).short();
        let place = |kind| scratch.join(format!("{name}.{kind}"));
        Part { path: place("part"), tag: place("tag"), size: place("size") }
    }

    fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    fn validator(&self) -> Option<String> {
        fs::read_to_string(&self.tag).ok()
    }

    /// The size that the server announced last.
    fn size(&self) -> Option<u64> {
        fs::read_to_string(&self.size).ok()?.parse().ok()
    }

    fn set_size(&self, size: Option<u64>) -> std::io::Result<()> {
        fs::write(&self.size, size.map_or(String::new(), |size| size.to_string()))
    }

    fn set_validator(&self, tag: Option<&str>) -> std::io::Result<()> {
        match tag {
            Some(tag) => fs::write(&self.tag, tag),
            None => {
                let _ = fs::remove_file(&self.tag);
                Ok(())
            }
        }
    }

    fn remove(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.tag);
        let _ = fs::remove_file(&self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::{content_range, percent_decode};

    #[test]
    fn small_parsers() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 100-199/*"), Some((100, None)));
        assert_eq!(content_range("bytes */200"), None);
        assert_eq!(percent_decode("/a%20b%C3%A9%"), "/a bé%");
    }
}
