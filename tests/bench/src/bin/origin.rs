//! The fastest upstream that still speaks HTTP/1.1: one small JSON answer to every request without a body.
//!
//! `origin [LISTEN]`, by default a free port of loopback; says on its first line where it listens.
//! It costs as little as it can, so that the core it shares with the load generator is never what is measured.

use std::io::Write;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 53\r\n\r\n\
    {\"id\":\"vm-1\",\"name\":\"bench\",\"status\":\"running\",\"n\":1}";

/// Longer heads are not for a bench.
const MAX_HEAD: usize = 16 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| String::from("127.0.0.1:0"));
    let listener = TcpListener::bind(&listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let mut out = std::io::stdout();
    writeln!(out, "{{\"ready\":true,\"listen\":\"{}\"}}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks is the client's own affair.
        tokio::spawn(async move { answer(stream).await.unwrap_or_default() });
    }
}

/// Answers one connection until it ends.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut read = Vec::with_capacity(MAX_HEAD);
    while read.len() < MAX_HEAD && stream.read_buf(&mut read).await? > 0 {
        while let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            read.drain(..end + 4);
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{} bytes", body.len());
    }
}
