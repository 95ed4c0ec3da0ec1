//! The load: connections that send one request after another, with as little work of their own as can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Side;

/// What came of a round.
#[derive(Default)]
pub struct Done {
    pub requests: usize,
    pub seconds: f64,
    /// How long each request took, in microseconds, in ascending order.
    pub took: Vec<u32>,
}

impl Done {
    /// As if both had been one.
    pub fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.seconds += more.seconds;
        self.took.extend(more.took);
        self.took.sort_unstable();
    }
}

/// A request as it goes over the wire.
pub fn request(path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{authorization}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Sends the requests in turn over so many connections until the time is over.
pub async fn run(side: &Side, requests: Vec<Vec<u8>>, connections: usize, length: Duration) -> Result<Done> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        let mut connection = Connection::open(side.port).await?;
        tasks.push(tokio::spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < length {
                let number = next.fetch_add(1, Ordering::Relaxed) % requests.len();
                let sent = Instant::now();
                connection.answer(&requests[number]).await?;
                took.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok::<_, anyhow::Error>(took)
        }));
    }
    let mut done = Done::default();
    for task in tasks {
        done.took.extend(task.await??);
    }
    done.seconds = begun.elapsed().as_secs_f64();
    done.requests = done.took.len();
    done.took.sort_unstable();
    Ok(done)
}

/// One request and the body of its answer.
pub async fn once(side: &Side, request: &[u8]) -> Result<Vec<u8>> {
    Connection::open(side.port).await?.answer(request).await
}

/// The memory of a server that has so many connections on which nothing is under way, in MB. Each has asked once before, and asks once more afterwards: so
/// the server had taken it, and still holds it.
pub async fn idle(side: &Side, request: &[u8], connections: usize) -> Result<f64> {
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(side.port).await?;
        connection.answer(request).await?;
        open.push(connection);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = side.memory()?;
    for connection in &mut open {
        connection.answer(request).await.context("an idle connection was not kept")?;
    }
    Ok(memory)
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(64 * 1024) })
    }

    /// The body of the answer, which must be one of status 200 without errors of any kind.
    async fn answer(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the server closed the connection");
            }
            let Some((body, length)) = head(&self.read)? else { continue };
            if self.read.len() >= body + length {
                let body = self.read[body..body + length].to_vec();
                if !self.read.starts_with(b"HTTP/1.1 200") || has_errors(&body) {
                    bail!("refused: {}", String::from_utf8_lossy(&self.read));
                }
                return Ok(body);
            }
        }
    }
}

/// Whether there are `errors` or `userErrors`.
fn has_errors(body: &[u8]) -> bool {
    let tail = &body[body.len().saturating_sub(4_000)..];
    tail.windows(10).any(|window| window == b"rrors\":[{\"")
}

/// Where the body begins and how long it is, once the head is there.
fn head(read: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..end])?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("an answer without its length")?;
    Ok(Some((end + 4, length.trim().parse()?)))
}
