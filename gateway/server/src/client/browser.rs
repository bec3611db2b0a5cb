//! Signing in with a browser on this machine: it comes back to a port of the loopback interface (RFC 8252), with a code that
//! nobody else can use (RFC 7636).

use std::time::Duration;

use anyhow::{Context as _, anyhow};
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

/// What whoever comes with something else is shown.
const NOT_ASKED: &str = "This is not the answer to what the command line has asked. It goes on waiting.\n";

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
    let told = timeout(WAITS, come_back(&listener, &state, issuer.name())).await;
    let code = told.context("nobody has come back from the browser in time")??;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &back),
        ("code_verifier", &verifier),
        ("client_id", issuer.client()),
    ];
    Ok(issuer.tokens(&fields, SystemClock::new().now().wall).await??)
}

/// The code that the browser comes back with. Anybody on the machine can ask on the port: whoever does not bring the answer
/// to what was asked is told so, and ends nothing.
async fn come_back(listener: &TcpListener, state: &str, issuer: &str) -> anyhow::Result<String> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let Ok(Some(target)) = timeout(HEAD, target(&mut stream)).await else { continue };
        let answer = target.strip_prefix("/callback?").map(|it| answered(it, state, issuer));
        let (status, shown) = match &answer {
            Some(Some(_)) => ("200 OK", SHOWN),
            Some(None) => ("400 Bad Request", NOT_ASKED),
            None => ("404 Not Found", ""),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{shown}",
            shown.len()
        );
        // Whether the browser shows it is of no consequence; and nobody keeps others waiting who does not read it.
        let told = async {
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.shutdown().await;
        };
        let _ = timeout(HEAD, told).await;
        if let Some(Some(answer)) = answer {
            return answer;
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

/// The code, or why there is none, if the answer is the issuer's own (RFC 9207) and to the question that was asked here.
fn answered(query: &str, state: &str, issuer: &str) -> Option<anyhow::Result<String>> {
    let said = |name: &str| {
        let mut all = query.split('&').filter_map(|it| it.split_once('=')).filter(|(it, _)| *it == name);
        let (_, value) = all.next().filter(|_| all.next().is_none())?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8().ok()?.into_owned())
    };
    let own = said("state").as_deref() == Some(state) && said("iss").as_deref() == Some(issuer);
    match (said("error"), said("code")) {
        _ if !own => None,
        (Some(error), _) => {
            Some(Err(anyhow!("the issuer says `{}`", error.escape_debug().take(200).collect::<String>())))
        }
        (None, code) => code.map(Ok),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_from_the_answer_to_the_question_that_was_asked() {
        let read = |query: &str| answered(query, "s", "https://a.example");
        assert_eq!(read("code=x%2By&state=s&iss=https%3A%2F%2Fa.example").unwrap().unwrap(), "x+y");
        for bad in [
            "code=x&state=s",
            "code=x&state=t&iss=https%3A%2F%2Fa.example",
            "code=x&iss=https%3A%2F%2Fa.example",
            "code=x&state=s&state=s&iss=https%3A%2F%2Fa.example",
            "code=x&state=s&iss=https%3A%2F%2Fevil.example",
            "code=x&code=y&state=s&iss=https%3A%2F%2Fa.example",
            "error=access_denied&state=t&iss=https%3A%2F%2Fa.example",
            "state=s&iss=https%3A%2F%2Fa.example",
            "",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
        let denied = read("error=access_denied&code=x&state=s&iss=https%3A%2F%2Fa.example").unwrap();
        assert_eq!(denied.unwrap_err().to_string(), "the issuer says `access_denied`");
    }
}
