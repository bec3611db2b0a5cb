//! `portcullis configure`

use std::io::{BufRead, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum as _};
use domain::keyformat;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::client::{Credential, Kind, Profile, Profiles, Safe, address};
use crate::commands::login::{AtIssuer, Whose};
use crate::commands::output::Output;

/// The longest line that is read.
const LINE: u64 = 4096;

/// What a profile is to say. Without any of it, each is asked for.
#[derive(Debug, Args)]
pub(crate) struct Configure {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    issuer: AtIssuer,
    /// Where the API is, such as `https://api.example.com/v2`
    #[arg(long, value_name = "URL", value_parser = address)]
    base_url: Option<String>,
    /// The account, where the API wants to hear of one
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// The header in which the API wants to hear of the account, as its reference names it
    #[arg(long, value_name = "NAME", value_parser = header)]
    account_header: Option<String>,
    /// What is asked with; an API key, or both halves of an access key, are read from standard input
    #[arg(long, value_enum)]
    credential: Option<Kind>,
    /// The region that an access key signs for [default: `in-mum`]
    #[arg(long, value_parser = word)]
    region: Option<String>,
    /// The service that an access key signs for, such as `s3` for objects [default: `cloudnx`]
    #[arg(long, value_parser = word)]
    service: Option<String>,
    /// Show what the profile says, and change nothing
    #[arg(long)]
    show: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(flatten)]
    profile: &'a Profile,
    /// Whether there is something to ask with.
    ready: bool,
}

impl Configure {
    pub(super) fn run(self, output: Output) -> anyhow::Result<ExitCode> {
        let (folder, name) = (Whose::folder()?, self.whose.profile);
        let mut profiles = Profiles::read(&folder)?;
        let before = profiles.named(&name);
        let said = Profile {
            base_url: self.base_url,
            account: self.account,
            account_header: self.account_header,
            credential: self.credential,
            region: self.region,
            service: self.service,
            ..self.issuer.said()?
        };
        let mut held = Safe::under(&folder).hold(&name)?;
        let profile = if self.show {
            before
        } else {
            let input = std::io::stdin().lock();
            let (profile, key) = answered(before, &said, input)?;
            if let Some(key) = key {
                held.keep(key)?;
            }
            profiles.keep(&name, profile.clone(), &folder)?;
            profile
        };
        let shown = Shown { name: &name, profile: &profile, ready: held.credential().is_some() };
        let words = toml::to_string(&profile)?;
        output.one(&shown, words.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What was said with the command, or else in answer to questions; and a key where that is what is asked with.
fn answered(before: Profile, said: &Profile, mut input: impl BufRead) -> anyhow::Result<(Profile, Option<Credential>)> {
    let asks = *said == Profile::default();
    let profile = if asks { ask(&before, &mut input)? } else { said.clone() };
    let profile = before.with(profile);
    let wanted = profile.credential.filter(|_| asks || said.credential.is_some());
    let typed = match wanted {
        Some(Kind::ApiKey) => api_key(&mut input)?,
        Some(Kind::AccessKey) => access_key(&mut input)?,
        Some(Kind::Login) | None => return Ok((profile, None)),
    };
    match typed {
        None if !asks => bail!("there is no key on standard input"),
        // Where nothing was typed, as it was.
        typed => Ok((profile, typed)),
    }
}

fn api_key(input: &mut impl BufRead) -> anyhow::Result<Option<Credential>> {
    prompt("API key")?;
    let key = line(input)?;
    ensure!(
        halves(&key).is_none(),
        "that is an access key, its id and its secret; help: `portcullis configure --credential access_key`"
    );
    // What was typed is a secret, and is not said.
    ensure!(
        key.is_empty() || keyformat::fits_header(&key) && keyformat::IMPORTED_LEN.contains(&key.len()),
        "that is no API key: it is one word of 16 to 512 letters, digits and signs, without a comma"
    );
    Ok((!key.is_empty()).then(|| Credential::ApiKey { key: key.to_string() }))
}

/// Both halves, on a line each or on one with `:` between them.
fn access_key(input: &mut impl BufRead) -> anyhow::Result<Option<Credential>> {
    prompt("Access key id")?;
    let first = line(input)?;
    if first.is_empty() {
        return Ok(None);
    }
    let (id, secret) = if let Some((id, secret)) = first.split_once(':') {
        (id.to_owned(), Zeroizing::new(secret.trim().to_owned()))
    } else {
        prompt("Secret access key")?;
        (first.to_string(), line(input)?)
    };
    ensure!(is_access_key_id(&id), "an access key id is 16 to 128 capital letters and digits");
    ensure!(!secret.is_empty(), "there is no secret on standard input");
    ensure!(keyformat::fits_header(&secret), "that is no secret of an access key: it is one word");
    Ok(Some(Credential::AccessKey { id, secret: secret.to_string(), exchanged: None }))
}

/// What would be the halves of an access key.
fn halves(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(id, _)| is_access_key_id(id))
}

fn is_access_key_id(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
}

/// A region or a service: what stands between two `/` of what is signed.
fn word(text: &str) -> Result<String, String> {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    let good = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    if good { Ok(text.to_owned()) } else { Err("write small letters, digits and `-`".to_owned()) }
}

/// The name of a header.
fn header(text: &str) -> Result<String, String> {
    let name: Result<http::HeaderName, _> = text.parse();
    name.map(|it| it.as_str().to_owned()).map_err(|_| "write the name of a header".to_owned())
}

/// Asks for everything. An empty answer leaves it as it was.
fn ask(before: &Profile, input: &mut impl BufRead) -> anyhow::Result<Profile> {
    let mut question = |words: &str, was: Option<String>| -> anyhow::Result<Option<String>> {
        prompt(&was.map_or_else(|| words.to_owned(), |it| format!("{words} [{it}]")))?;
        let answer = line(input)?;
        Ok((!answer.is_empty()).then(|| answer.to_string()))
    };
    let url = |it: Option<String>| it.map(|it| address(&it).map_err(anyhow::Error::msg)).transpose();
    let issuer = url(question("Issuer", before.issuer.clone())?)?;
    let client = question("Client id", before.client.clone())?;
    let base_url = url(question("Address of the API", before.base_url.clone())?)?;
    let account = question("Account", before.account.clone())?;
    let named = match account.as_ref().or(before.account.as_ref()) {
        Some(_) => question("Header of the account", before.account_header.clone())?,
        None => None,
    };
    let account_header = named.map(|it| header(&it).map_err(anyhow::Error::msg)).transpose()?;
    let ca = question("File of authorities", before.ca.as_ref().map(|it| it.display().to_string()))?;
    let ca = ca.map(|it| std::path::absolute(it).context("the file of authorities")).transpose()?;
    let was = before.credential.and_then(|it| Some(it.to_possible_value()?.get_name().to_owned()));
    let credential = question("Credential (login, api_key or access_key)", was)?;
    // What was typed may be the credential itself, and is not said.
    let kind = |it: String| Kind::from_str(&it, false).ok().context("write `login`, `api_key` or `access_key`");
    let credential = credential.map(kind).transpose()?;
    Ok(Profile { issuer, client, base_url, account, account_header, ca, credential, ..Profile::default() })
}

fn prompt(words: &str) -> anyhow::Result<()> {
    let mut errors = std::io::stderr().lock();
    write!(errors, "{words}: ").and_then(|()| errors.flush()).context("nobody can be asked")
}

fn line(input: &mut impl BufRead) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::Read::take(input, LINE).read_line(&mut line)?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before() -> Profile {
        Profile { issuer: Some("https://a".into()), account: Some("acme".into()), ..Profile::default() }
    }

    /// The key, or both halves of it.
    fn kept(typed: Option<Credential>) -> Vec<String> {
        match typed {
            Some(Credential::ApiKey { key }) => vec![key],
            Some(Credential::AccessKey { id, secret, exchanged: None }) => vec![id, secret],
            Some(Credential::AccessKey { .. } | Credential::Tokens(_)) | None => Vec::new(),
        }
    }

    #[test]
    fn each_is_asked_for_and_an_empty_answer_leaves_it() {
        let typed = "\ncli_1\nhttps://a/v2\n\n\n\napi_key\nnsx_live_a1b2c3d4e5\n";
        let (profile, key) = answered(before(), &Profile::default(), typed.as_bytes()).unwrap();
        let expected = Profile {
            client: Some("cli_1".into()),
            base_url: Some("https://a/v2".into()),
            credential: Some(Kind::ApiKey),
            ..before()
        };
        assert_eq!((profile, kept(key)), (expected, vec!["nsx_live_a1b2c3d4e5".to_owned()]));
        let (profile, key) = answered(before(), &Profile::default(), &b""[..]).unwrap();
        assert_eq!((profile, kept(key)), (before(), Vec::new()));
        assert!(answered(before(), &Profile::default(), &b"http://a.example\n"[..]).is_err());
        assert!(answered(before(), &Profile::default(), &b"\n\n\n\n\n\nmagic\n"[..]).is_err());
    }

    #[test]
    fn who_says_it_with_the_command_is_asked_for_nothing_but_a_key() {
        let said = Profile { client: Some("cli_1".into()), ..Profile::default() };
        let (profile, key) = answered(before(), &said, &b"not read\n"[..]).unwrap();
        assert_eq!((profile.client.as_deref(), profile.account.as_deref()), (Some("cli_1"), Some("acme")));
        assert!(key.is_none());
        let said = Profile { credential: Some(Kind::ApiKey), ..Profile::default() };
        let (_, key) = answered(before(), &said, &b"nsx_live_a1b2c3d4e5\n"[..]).unwrap();
        assert_eq!(kept(key), ["nsx_live_a1b2c3d4e5"]);
        for bad in
            ["", "short", "nsx_live_a1b2 c3d4e5", "nsx_live_a1b2,c3d4e5", "nsx_live_a1b2\u{e9}c3d4e5", &"x".repeat(513)]
        {
            let why = answered(before(), &said, bad.as_bytes()).map(|it| kept(it.1)).unwrap_err().to_string();
            assert!(bad.len() < 3 || !why.contains(bad), "{why}");
        }
    }

    #[test]
    fn an_access_key_has_two_halves_and_is_not_taken_for_an_api_key() {
        let said = |kind| Profile { credential: Some(kind), ..Profile::default() };
        let typed = |kind, text: &str| answered(before(), &said(kind), text.as_bytes()).map(|it| kept(it.1));
        let (id, secret) = ("AKIDEXAMPLEEXAMPLE00", "wJalrXUtnFEMI/K7MDENG");
        for text in [format!("{id}\n{secret}\n"), format!("{id}:{secret}\n")] {
            assert_eq!(typed(Kind::AccessKey, &text).unwrap(), [id, secret]);
        }
        assert!(typed(Kind::ApiKey, &format!("{id}:{secret}\n")).unwrap_err().to_string().contains("access_key"));
        for bad in [
            "",
            "\n",
            "AKIDEXAMPLEEXAMPLE00\n",
            "AKIDEXAMPLEEXAMPLE00:\n",
            "short\nsecret\n",
            "akidexampleexample00:s\n",
            "AKIDEXAMPLEEXAMPLE00:two words\n",
        ] {
            assert!(typed(Kind::AccessKey, bad).is_err(), "{bad}");
        }
        assert!(word("in-mum").is_ok() && word("").is_err() && word("a/b").is_err() && word("A").is_err());
    }
}
