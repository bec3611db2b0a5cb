//! Which issuer, which client, which API: what a user has told once and does not type again. No secret is here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::kept;

/// The file, in the folder of the user.
const FILE: &str = "config.toml";

/// The longest name of a profile.
const LONGEST: usize = 64;

/// What is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// What `portcullis login` was given
    Login,
    /// An API key
    ApiKey,
    /// An access key, which signs requests
    AccessKey,
}

/// Everything that a command may be told by a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Profile {
    /// Who gives tokens: `https://api.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The client that this program is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    /// Where the API is, with what all its paths begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
    /// The account, where the API wants to hear of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// The header in which the API wants to hear of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_header: Option<String>,
    /// A file of authorities, where those of the system will not do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// Where the issuer is really reached, where that is not what its name leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<SocketAddr>,
    /// What is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<Kind>,
    /// The region that an access key signs for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// The service that an access key signs for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
}

/// Every profile of a user.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Profiles {
    profile: BTreeMap<String, Profile>,
}

impl Profile {
    /// With what was said now in the place of what was said before.
    pub(crate) fn with(self, said: Self) -> Self {
        Self {
            issuer: said.issuer.or(self.issuer),
            client: said.client.or(self.client),
            base_url: said.base_url.or(self.base_url),
            account: said.account.or(self.account),
            account_header: said.account_header.or(self.account_header),
            ca: said.ca.or(self.ca),
            connect: said.connect.or(self.connect),
            credential: said.credential.or(self.credential),
            region: said.region.or(self.region),
            service: said.service.or(self.service),
        }
    }
}

impl Profiles {
    /// Those in this folder; none where there is no file.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("`{}`", file.display())),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(cause).with_context(|| format!("`{}` cannot be read", file.display())),
        }
    }

    /// The one of this name; an empty one where there is none.
    pub(crate) fn named(&self, name: &str) -> Profile {
        self.profile.get(name).cloned().unwrap_or_default()
    }

    /// The one of this name, where it was configured.
    pub(crate) fn known(&self, name: &str) -> anyhow::Result<Profile> {
        let known = || self.profile.keys().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        let there = || if self.profile.is_empty() { "none".to_owned() } else { known() };
        self.profile.get(name).cloned().with_context(|| {
            let make = "`portcullis login` or `portcullis configure` makes one";
            format!("there is no profile `{name}`, there is {}; help: {make}", there())
        })
    }

    /// Keeps one in the place of the one of its name.
    pub(crate) fn keep(&mut self, name: &str, profile: Profile, folder: &Path) -> anyhow::Result<()> {
        self.profile.insert(name.to_owned(), profile);
        kept::write(&folder.join(FILE), toml::to_string(self)?.as_bytes())
    }
}

/// A name that is the name of a file as well.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    let good = (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain);
    if good { Ok(text.to_owned()) } else { Err("a profile is named with letters, digits, `-` and `_`".to_owned()) }
}

/// An address that is asked over TLS, or on this machine.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let bad = "tokens and keys would be heard by others";
    crate::outward::address(&crate::outward::HTTP, text, "https://api.example.com", bad)?;
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_now_goes_before_what_was_said_before() {
        let folder = tempfile::tempdir().unwrap();
        let before = Profile { issuer: Some("https://a".into()), client: Some("cli_1".into()), ..Profile::default() };
        let mut all = Profiles::read(folder.path()).unwrap();
        all.keep("default", before.clone(), folder.path()).unwrap();
        let said = Profile { client: Some("cli_2".into()), credential: Some(Kind::Login), ..Profile::default() };
        let read = Profiles::read(folder.path()).unwrap();
        assert_eq!(read.named("default"), before);
        let after = read.named("default").with(said);
        assert_eq!((after.issuer.as_deref(), after.client.as_deref()), (Some("https://a"), Some("cli_2")));
        assert_eq!(read.named("other"), Profile::default());
        std::fs::write(folder.path().join(FILE), "[profile.x]\nisuer = 1\n").unwrap();
        assert!(Profiles::read(folder.path()).is_err());
    }

    #[test]
    fn a_name_leads_to_no_other_file_and_an_address_to_no_listener() {
        assert!(name("work-2_x").is_ok());
        for bad in ["", "..", "a/b", "a.b", "a b", &"x".repeat(65)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(address("https://a.example/v2/").unwrap(), "https://a.example/v2");
        assert!(address("http://a.example").is_err() && address("https://a@b").is_err());
    }
}
