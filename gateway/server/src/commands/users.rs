//! `portcullis users`

mod consents;

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use authn::SystemRandom;
use clap::{Args, Subcommand};
use domain::{Deed, RoleName, TenantId, keyformat};
use identity::{ChangePersonError, Identity, Membership, NewPerson, Page, Person};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{enter_read, with_desk};
use crate::settings::Settings;

/// How many digits a password has that is drawn here: 142 bits, in one word that can be copied.
const DRAWN: usize = 24;

/// The longest line that is read for a password.
const LINE: u64 = 4096;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Make a user known
    Create(New),
    /// List users, never their passwords
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Show one user
    Show {
        /// Which user: the id, or what they sign in by
        user: String,
    },
    /// From now on they cannot sign in, and what they had signed in to is over
    Suspend {
        /// Which user: the id, or what they sign in by
        user: String,
        /// Also where nobody else looks after a tenant of theirs
        #[arg(long)]
        last_owner: bool,
    },
    /// They may sign in again
    Resume {
        /// Which user: the id, or what they sign in by
        user: String,
    },
    /// Give them another password; what they had signed in to is over, and whoever was locked out is let in
    SetPassword {
        /// Which user: the id, or what they sign in by
        user: String,
        #[command(flatten)]
        password: Source,
    },
    /// Say what they are in a tenant; what they had signed in to there is over
    SetRoles {
        /// Which user: the id, or what they sign in by
        user: String,
        /// Where
        #[arg(long)]
        tenant: TenantId,
        /// What, separated by commas, such as `member`; empty to take all away
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
    },
    /// Take away the second factor of somebody who has lost it
    ResetMfa {
        /// Which user: the id, or what they sign in by
        user: String,
    },
    /// List which applications may act for them, or take that back
    Consents(consents::Consents),
    /// They are known no more, and what they had signed in to is over
    Delete {
        /// Which user: the id, or what they sign in by
        user: String,
    },
}

/// Who a user shall be.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// By what they sign in, such as an e-mail address
    #[arg(long)]
    name: String,
    /// Where mail reaches them; they sign in by it as well
    #[arg(long)]
    email: Option<String>,
    /// What people call them
    #[arg(long)]
    display: Option<String>,
    /// What they are in a tenant, such as `acme=owner`; may be repeated
    #[arg(long = "role", value_name = "TENANT=ROLE", value_parser = role)]
    roles: Vec<(TenantId, RoleName)>,
    #[command(flatten)]
    password: Source,
}

/// Where a password comes from: never from the command line, which everybody on the machine can read.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Source {
    /// Read the password from standard input, one line [default: one is drawn, and shown this once]
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    email: Option<String>,
    display: Option<String>,
    status: &'static str,
    second_factor: bool,
    roles: Vec<String>,
    created: String,
    /// The keys that they hold and that work, by their ids.
    keys: Vec<String>,
    /// A password that was drawn. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl Rows for Shown {
    const COLUMNS: &'static [&'static str] = &["id", "name", "status", "second factor", "roles", "keys", "created"];

    fn row(&self) -> Vec<String> {
        let Self { id, name, status, second_factor, roles, keys, created, .. } = self;
        let (factor, status) = (if *second_factor { "yes" } else { "no" }.to_owned(), (*status).to_owned());
        vec![id.clone(), name.clone(), status, factor, roles.join(" "), keys.join(" "), created.clone()]
    }
}

impl Shown {
    fn of(it: Person, memberships: &[Membership], keys: Vec<String>) -> Self {
        let role = |it: &Membership| it.roles.iter().map(|role| format!("{}={role}", it.tenant)).collect::<Vec<_>>();
        Self {
            id: it.id,
            name: it.name,
            email: it.email,
            display: it.display,
            status: if it.suspended { "suspended" } else { "active" },
            second_factor: it.second_factor,
            roles: memberships.iter().flat_map(role).collect(),
            created: it.created.to_string(),
            keys,
            password: None,
        }
    }
}

/// What an operator may do who cannot wait for another owner.
fn lonely(why: ChangePersonError) -> anyhow::Error {
    let last = matches!(why, ChangePersonError::LastOwner(_));
    let why = anyhow::Error::from(why);
    if last { why.context("`--last-owner` suspends them all the same") } else { why }
}

impl Users {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, consulted, _| {
            let (done, words, password) = match self {
                Self::Create(new) => {
                    let (password, drawn) = new.password.read()?;
                    let new = new.person(&password);
                    (identity.create_person(&new, consulted.terms()?).await?, "is made known", drawn)
                }
                Self::List { tenant } => return list(identity, tenant.as_ref(), output).await,
                Self::Show { user } => {
                    let person = whom(identity, &user).await?;
                    enter_read(identity, "show_user", |deed| deed.on(&person.id)).await?;
                    let shown = shown(identity, person).await?;
                    return output.list(&[shown]);
                }
                Self::Suspend { user, last_owner } => {
                    let id = whom(identity, &user).await?.id;
                    let suspended = if last_owner {
                        identity.suspend_even_last_owner(&id).await?
                    } else {
                        identity.suspend_person(&id).await.map_err(lonely)?
                    };
                    (suspended, "is suspended", None)
                }
                Self::Resume { user } => {
                    let id = whom(identity, &user).await?.id;
                    (identity.resume_person(&id).await?, "may sign in again", None)
                }
                Self::Consents(asked) => return asked.run(identity, output).await,
                Self::SetPassword { user, password } => {
                    let id = whom(identity, &user).await?.id;
                    let (password, drawn) = password.read()?;
                    (identity.set_password(&id, &password, None).await?, "has another password", drawn)
                }
                Self::SetRoles { user, tenant, roles } => {
                    let id = whom(identity, &user).await?.id;
                    let roles = roles.iter().filter(|it| !it.is_empty()).map(|it| it.parse());
                    let roles: Vec<RoleName> = roles.collect::<Result<_, _>>()?;
                    (identity.set_roles(&id, &tenant, &roles, consulted.terms()?).await?, "has other roles", None)
                }
                Self::ResetMfa { user } => {
                    let person = whom(identity, &user).await?;
                    identity.remove_factor(&person.id, None).await?;
                    (whom(identity, &person.id).await?, "has no second factor any more", None)
                }
                Self::Delete { user } => {
                    let id = whom(identity, &user).await?.id;
                    (identity.delete_person(&id).await?, "is known no more", None)
                }
            };
            tell(identity, (done, words), password, output).await
        })
    }
}

impl New {
    fn person(self, password: &Zeroizing<String>) -> NewPerson {
        let mut roles: BTreeMap<TenantId, Vec<RoleName>> = BTreeMap::new();
        for (tenant, role) in self.roles {
            roles.entry(tenant).or_default().push(role);
        }
        let password = Some(password.to_string());
        NewPerson { name: self.name, home: None, email: self.email, display: self.display, password, roles }
    }
}

impl Source {
    /// The password; and again where it was drawn and is to be shown.
    fn read(self) -> anyhow::Result<(Zeroizing<String>, Option<String>)> {
        if self.password_stdin {
            let input = std::io::stdin();
            if input.is_terminal() {
                bail!(
                    "give the password on standard input, from a file or another program: what is typed here is seen"
                );
            }
            return Ok((line_of(input.lock())?, None));
        }
        let drawn = keyformat::draw_id("", DRAWN, &SystemRandom);
        Ok((Zeroizing::new(drawn.clone()), Some(drawn)))
    }
}

async fn list(identity: &Identity, tenant: Option<&TenantId>, output: Output) -> anyhow::Result<()> {
    let (mut all, mut page) = (Vec::new(), Page::default());
    loop {
        let people = identity.people(tenant, &page).await?;
        let Some(last) = people.last() else { break };
        page.after = Some(last.id.clone());
        for person in people {
            all.push(shown(identity, person).await?);
        }
    }
    enter_read(identity, "list_users", |deed| tenant.into_iter().fold(deed, Deed::of)).await?;
    output.list(&all)
}

async fn tell(
    identity: &Identity,
    (person, words): (Person, &str),
    password: Option<String>,
    output: Output,
) -> anyhow::Result<()> {
    let mut shown = shown(identity, person).await?;
    let mut words = format!("user `{}` {words}", shown.id);
    if let Some(password) = &password {
        words = format!("{password}\n\nThis is the only time it is shown: {words}");
    }
    shown.password = password;
    output.one(&shown, &words)
}

async fn shown(identity: &Identity, person: Person) -> anyhow::Result<Shown> {
    let memberships = identity.memberships(&person.id).await?;
    let keys = identity.working_keys_of(&person.id).await?.into_iter().map(|it| it.id.to_string()).collect();
    Ok(Shown::of(person, &memberships, keys))
}

/// The user of this id, or who signs in by this.
pub(super) async fn whom(identity: &Identity, user: &str) -> anyhow::Result<Person> {
    let found = match identity.person(user).await? {
        Some(person) => Some(person),
        None => identity.person_called(user).await?,
    };
    found.with_context(|| format!("there is no user `{}`", keyformat::without_keys(user)))
}

fn line_of(input: impl BufRead) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    input.take(LINE).read_line(&mut line)?;
    let password = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() {
        bail!("there is no password on standard input");
    }
    Ok(password)
}

fn role(text: &str) -> Result<(TenantId, RoleName), String> {
    let (tenant, role) = text.split_once('=').ok_or("write TENANT=ROLE, such as `acme=owner`")?;
    Ok((tenant.parse().map_err(|it| format!("{it}"))?, role.parse().map_err(|it| format!("{it}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_whole() {
        let line = |it: &str| line_of(it.as_bytes()).map(|it| it.to_string());
        assert_eq!(line(" correct horse \r\nmore\n").unwrap(), " correct horse ");
        assert!(line("\n").is_err() && line("").is_err());
    }

    #[test]
    fn a_role_is_given_in_a_tenant() {
        assert_eq!(role("acme=owner").unwrap().1.as_str(), "owner");
        assert!(role("owner").is_err() && role("acme=").is_err());
    }
}
