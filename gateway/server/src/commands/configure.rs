//! `portcullis configure`

use std::io::{BufRead, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum as _};
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
    /// What is asked with; an API key is read from standard input
    #[arg(long, value_enum)]
    credential: Option<Kind>,
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
            credential: self.credential,
            ..self.issuer.said()?
        };
        let mut held = Safe::under(&folder).hold(&name)?;
        let profile = if self.show {
            before
        } else {
            let input = std::io::stdin().lock();
            let (profile, key) = answered(before, &said, input)?;
            if let Some(key) = key {
                held.keep(Credential::ApiKey { key: key.to_string() })?;
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

/// What was said with the command, or else in answer to questions; and an API key where that is what is asked with.
fn answered(
    before: Profile,
    said: &Profile,
    mut input: impl BufRead,
) -> anyhow::Result<(Profile, Option<Zeroizing<String>>)> {
    let asks = *said == Profile::default();
    let profile = if asks { ask(&before, &mut input)? } else { said.clone() };
    let profile = before.with(profile);
    let wants_key = profile.credential == Some(Kind::ApiKey) && (asks || said.credential.is_some());
    if !wants_key {
        return Ok((profile, None));
    }
    prompt("API key")?;
    let key = line(&mut input)?;
    match (key.is_empty(), asks) {
        (true, false) => bail!("there is no API key on standard input"),
        // As it was.
        (true, true) => Ok((profile, None)),
        (false, _) => Ok((profile, Some(key))),
    }
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
    let ca = question("File of authorities", before.ca.as_ref().map(|it| it.display().to_string()))?;
    let ca = ca.map(|it| std::path::absolute(it).context("the file of authorities")).transpose()?;
    let was = before.credential.and_then(|it| Some(it.to_possible_value()?.get_name().to_owned()));
    let credential = question("Credential (login or api_key)", was)?;
    let credential = credential.map(|it| Kind::from_str(&it, false).map_err(anyhow::Error::msg)).transpose()?;
    Ok(Profile { issuer, client, base_url, account, ca, connect: None, credential })
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

    #[test]
    fn each_is_asked_for_and_an_empty_answer_leaves_it() {
        let typed = "\ncli_1\nhttps://a/v2\n\n\napi_key\nnsx_live_x\n";
        let (profile, key) = answered(before(), &Profile::default(), typed.as_bytes()).unwrap();
        let expected = Profile {
            client: Some("cli_1".into()),
            base_url: Some("https://a/v2".into()),
            credential: Some(Kind::ApiKey),
            ..before()
        };
        assert_eq!((profile, key.as_deref().map(String::as_str)), (expected, Some("nsx_live_x")));
        let (profile, key) = answered(before(), &Profile::default(), &b""[..]).unwrap();
        assert_eq!((profile, key), (before(), None));
        assert!(answered(before(), &Profile::default(), &b"http://a.example\n"[..]).is_err());
        assert!(answered(before(), &Profile::default(), &b"\n\n\n\n\nmagic\n"[..]).is_err());
    }

    #[test]
    fn who_says_it_with_the_command_is_asked_for_nothing_but_a_key() {
        let said = Profile { client: Some("cli_1".into()), ..Profile::default() };
        let (profile, key) = answered(before(), &said, &b"not read\n"[..]).unwrap();
        assert_eq!((profile.client.as_deref(), profile.account.as_deref(), key), (Some("cli_1"), Some("acme"), None));
        let said = Profile { credential: Some(Kind::ApiKey), ..Profile::default() };
        let (_, key) = answered(before(), &said, &b"nsx_live_x\n"[..]).unwrap();
        assert_eq!(key.as_deref().map(String::as_str), Some("nsx_live_x"));
        assert!(answered(before(), &said, &b""[..]).is_err());
    }
}
