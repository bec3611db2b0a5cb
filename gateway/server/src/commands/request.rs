//! `portcullis request`

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Args;
use domain::{Clock as _, SystemClock};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use serde_json::{Value, json};

use crate::client::{self, Asked, Safe};
use crate::commands::login::{Whose, runtime};
use crate::commands::output::{Output, remark};

/// How much is sent at most.
const LONGEST: u64 = 64 * 1024 * 1024;

/// What is asked, and with which profile.
#[derive(Debug, Args)]
pub(crate) struct Request {
    #[command(flatten)]
    whose: Whose,
    /// The method, such as `GET`
    #[arg(value_parser = method)]
    method: Method,
    /// A path at the API of the profile, such as `/compute/instances`, or a whole address
    #[arg(value_name = "PATH|URL")]
    target: String,
    /// What is sent: a text, `@FILE`, or `@-` for standard input
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// A header, such as `Accept: text/csv`; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Request {
    /// Asks, and prints the answer as it came. 0 is a good one, 1 any other.
    pub(super) fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        let profile = self.whose.read()?;
        let place = client::place(&profile, &self.target)?;
        let body = self.data.as_deref().map(read).transpose()?;
        let mut headers: HeaderMap = self.headers.into_iter().collect();
        if body.is_some() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let asked = Asked { method: self.method, place, headers, body: body.unwrap_or_default() };
        let held = Safe::under(&Whose::folder()?).hold(&self.whose.profile)?;
        let now = SystemClock::new().now().wall;
        let told = runtime()?.block_on(client::send(asked, held, &profile, now))?;
        show(&told, output)?;
        if told.status().is_success() {
            return Ok(ExitCode::SUCCESS);
        }
        remark(&format!("the answer is {}", told.status()));
        Ok(ExitCode::FAILURE)
    }
}

fn show(told: &Response<Bytes>, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Table => {
            let mut out = std::io::stdout().lock();
            // Whoever reads it on a terminal finds the next line on the next line; a file has what was answered.
            let unended = out.is_terminal() && !told.body().is_empty() && !told.body().ends_with(b"\n");
            let end: &[u8] = if unended { b"\n" } else { b"" };
            match out.write_all(told.body()).and_then(|()| out.write_all(end)).and_then(|()| out.flush()) {
                Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                other => other.map_err(Into::into),
            }
        }
        Output::Json => {
            let text = |it: &HeaderValue| String::from_utf8_lossy(it.as_bytes()).into_owned();
            let headers = told.headers().iter().map(|(name, value)| json!([name.as_str(), text(value)]));
            let body = serde_json::from_slice(told.body())
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(told.body()).into_owned()));
            let headers: Value = headers.collect();
            output.one(&json!({ "status": told.status().as_u16(), "headers": headers, "body": body }), "")
        }
    }
}

fn read(data: &str) -> anyhow::Result<Bytes> {
    let Some(file) = data.strip_prefix('@') else { return Ok(Bytes::copy_from_slice(data.as_bytes())) };
    let mut read = Vec::new();
    let most = LONGEST + 1;
    if file == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut read).context("standard input")?;
    } else {
        let open = std::fs::File::open(file).and_then(|it| it.take(most).read_to_end(&mut read));
        open.with_context(|| format!("`{file}` cannot be read"))?;
    }
    ensure!(read.len() as u64 <= LONGEST, "more than {} MiB cannot be sent so", LONGEST >> 20);
    Ok(read.into())
}

/// A method. All that there are here are in capital letters, and few people type them so.
fn method(text: &str) -> Result<Method, String> {
    text.to_ascii_uppercase().parse().map_err(|_| "a method is a word such as `GET`".to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let bad = || "a header is a name, `:` and a value, such as `Accept: text/csv`".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    let name = name.trim().parse().map_err(|_| bad())?;
    Ok((name, value.trim().parse().map_err(|_| bad())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_one_however_it_is_typed() {
        assert_eq!((method("get"), method("Post")), (Ok(Method::GET), Ok(Method::POST)));
        assert!(method("").is_err() && method("GET /").is_err());
    }

    #[test]
    fn a_header_is_a_name_and_a_value_and_what_is_sent_is_a_text_or_a_file() {
        assert_eq!(header("X-A: b: c").unwrap(), (HeaderName::from_static("x-a"), HeaderValue::from_static("b: c")));
        for bad in ["X-A", "a b: c", ": c", "x: a\r\nb: c"] {
            assert!(header(bad).is_err(), "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body");
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(read(&format!("@{}", file.display())).unwrap(), "{}");
        assert_eq!(read("text").unwrap(), "text");
        assert!(read("@/nowhere/at/all").is_err());
    }
}
