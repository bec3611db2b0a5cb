//! Signing in with a browser on this machine: it comes back to a port of the loopback interface (RFC 8252), with a code that
//! nobody else can use (RFC 7636).

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Clock as _, Random, SystemClock, keyformat};
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::issuer::{Issuer, form};
use super::kept::Tokens;
use crate::commands::remark;

/// How long somebody may take in the browser.
const WAITS: Duration = Duration::from_mins(10);

/// How long a connection may take to say what it wants, and how much of it is read.
const HEAD: Duration = Duration::from_secs(5);
const LONGEST: u64 = 16 * 1024;

/// How many digits verifier and state have: 256 bits.
const DIGITS: usize = 43;

/// What the browser is shown at last.
const SHOWN: &str = "You can close this window and go back to the command line.\n";

pub(super) async fn sign_in(issuer: &Issuer, scopes: Option<&str>, random: &dyn Random) -> anyhow::Result<Tokens> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port of 127.0.0.1 is free")?;
    let back = format!("http://127.0.0.1:{}/callback", listener.local_addr()?.port());
    let [verifier, state] = [(); 2].map(|()| keyformat::draw_id("", DIGITS, random));
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let mut asked = vec![
        ("client_id", issuer.client()),
        ("response_type", "code"),
        ("redirect_uri", &back),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    asked.extend(scopes.map(|it| ("scope", it)));
    remark(&format!("open {}?{}", issuer.place("authorization_endpoint")?, form(&asked)));
    let told =
        timeout(WAITS, come_back(&listener)).await.context("nobody has come back from the browser in time")??;
    let code = code(&told, &state, issuer.name())?;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &back),
        ("code_verifier", &verifier),
        ("client_id", issuer.client()),
    ];
    Ok(issuer.tokens(&fields, SystemClock::new().now().wall).await??)
}

/// What the browser comes back with. Whatever else asks on the port is told that there is nothing.
async fn come_back(listener: &TcpListener) -> anyhow::Result<String> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let Ok(Some(target)) = timeout(HEAD, target(&mut stream)).await else { continue };
        let query = target.strip_prefix("/callback?");
        let (status, shown) = if query.is_some() { ("200 OK", SHOWN) } else { ("404 Not Found", "") };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{shown}",
            shown.len()
        );
        // Whether the browser shows it is of no consequence.
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
        if let Some(query) = query {
            return Ok(query.to_owned());
        }
    }
}

/// What a request is for, once all of its head was read.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut limited) = (Vec::new(), stream.take(LONGEST));
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        if limited.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let line = std::str::from_utf8(&head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    (words.next() == Some("GET")).then(|| words.next().map(str::to_owned))?
}

/// The code, if the answer is the issuer's own (RFC 9207) and to the question that was asked here.
fn code(query: &str, state: &str, issuer: &str) -> anyhow::Result<String> {
    let said = |name: &str| {
        let mut all = query.split('&').filter_map(|it| it.split_once('=')).filter(|(it, _)| *it == name);
        let (_, value) = all.next().filter(|_| all.next().is_none())?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8().ok()?.into_owned())
    };
    ensure!(said("state").as_deref() == Some(state), "the browser came back with the answer to another question");
    ensure!(said("iss").as_deref() == Some(issuer), "the browser came back from another issuer");
    if let Some(error) = said("error") {
        bail!("the issuer says `{}`", error.escape_debug().take(200).collect::<String>());
    }
    said("code").context("the browser came back without a code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_from_the_answer_to_the_question_that_was_asked() {
        let read = |query: &str| code(query, "s", "https://a.example");
        assert_eq!(read("code=x%2By&state=s&iss=https%3A%2F%2Fa.example").unwrap(), "x+y");
        for bad in [
            "code=x&state=s",
            "code=x&state=t&iss=https%3A%2F%2Fa.example",
            "code=x&iss=https%3A%2F%2Fa.example",
            "code=x&state=s&state=s&iss=https%3A%2F%2Fa.example",
            "code=x&state=s&iss=https%3A%2F%2Fevil.example",
            "code=x&code=y&state=s&iss=https%3A%2F%2Fa.example",
            "error=access_denied&state=s&iss=https%3A%2F%2Fa.example",
            "state=s&iss=https%3A%2F%2Fa.example",
            "",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
