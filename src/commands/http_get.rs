//! One plain HTTP request to a neighbour, for checks that need no more: no TLS, no redirects, no pool.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A neighbour that takes longer is not well.
const LIMIT: Duration = Duration::from_secs(3);
/// Of an answer, the status line and what follows at once is enough.
const MOST: u64 = 65_536;

/// Asks for `path` at an address such as `127.0.0.1:8080` and says the status.
///
/// # Errors
/// When nobody listens there, or what answers within three seconds is not HTTP.
pub async fn status(address: &str, path: &str) -> anyhow::Result<u16> {
    match tokio::time::timeout(LIMIT, ask(address, path)).await {
        Ok(answer) => answer,
        Err(_) => bail!("{address} does not answer within {} seconds", LIMIT.as_secs()),
    }
}

async fn ask(address: &str, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("nothing answers at {address}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    status.with_context(|| format!("what answers at {address} does not speak HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answering(bytes: &'static [u8]) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(bytes).await;
        });
        address
    }

    #[tokio::test]
    async fn the_status_is_read() {
        let address = answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(status(&address, "/livez").await.unwrap(), 503);
    }

    #[tokio::test]
    async fn what_is_not_http_is_said() {
        let address = answering(b"SSH-2.0-OpenSSH\r\n").await;
        assert!(status(&address, "/").await.unwrap_err().to_string().contains("does not speak HTTP"));
        let nobody = status("127.0.0.1:1", "/").await.unwrap_err();
        assert!(nobody.to_string().contains("nothing answers"), "{nobody}");
    }
}
