//! Devices without a browser of their own (RFC 8628): each is given two codes. The long one it shows to the issuer, again and
//! again, until its user has typed the short one where they are signed in, and has said whether it may act for them.
//!
//! The short one is meant to be typed, so it is all that stands between a stranger and the tokens of whoever they talk into
//! typing it: it is good for ten minutes and once, and the page tells what it lets in and where that was asked for.

use std::net::IpAddr;
use std::time::Duration;

use domain::{Change, DeedClass, KeyRecord, Random, Scope, Timestamp, keyformat};
use serde::{Deserialize, Serialize};

use crate::clients::Client;
use crate::grants::{BegunConsent, Consented, Lapsed};
use crate::kept::Kept;
use crate::people::BrowserSession;
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::{Page, StoreFault};
use crate::terms::{Terms, Unfit};
use crate::{Identity, Shown};

/// How long both codes are good.
pub const DEVICE_LIFETIME: Duration = Duration::from_mins(10);

/// How much longer a device is told that its time is over, before nobody knows of it.
const REMEMBERED: Duration = Duration::from_mins(10);

/// How many digits the code of a device has: 256 bits.
const DIGITS: usize = 43;

/// What the code of a user is made of: no vowels, so that it spells nothing, and nothing that is taken for something else
/// (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many letters it has: one in 25,600,000,000, of which [`MOST`] are good at once for a client.
const LETTERS_OF_CODE: usize = 8;

/// How many devices of one client may wait at once.
const MOST: u32 = 1000;

/// By what a device is found besides its own code.
const BY_CODE: &str = "user_code";
const BY_CLIENT: &str = "client";
const BY_USER: &str = "user";

/// What a device was just given.
#[derive(Debug)]
pub struct BegunDevice {
    /// What it shows itself.
    pub device: Shown,
    /// What it shows to its user, as people read it: `BDWP-HQPK`.
    pub user: Shown,
}

/// A device that waits for its user to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskingDevice {
    /// How it is named here. No secret, and no code.
    pub id: String,
    /// The client that runs there.
    pub client: String,
    /// What it asks for.
    pub scopes: Vec<Scope>,
    /// Where it asked from.
    pub source: IpAddr,
    /// When.
    pub since: Timestamp,
}

/// What a user answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// It may not.
    Denied,
    /// It may do this.
    Allowed(Vec<Scope>),
}

/// What a user has answered, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptAnswer {
    Denied,
    Allowed {
        user: String,
        scopes: Vec<Scope>,
        authenticated: Option<Timestamp>,
        methods: Vec<String>,
        /// The session of the browser in which they did. An answer from before it was kept has none, and none stands for it.
        #[serde(default)]
        session: String,
    },
}

/// What the code of a device was good for.
#[derive(Debug)]
pub struct RedeemedDevice {
    /// The grant by which the client acts.
    pub grant: KeyRecord,
    /// What keeps it alive, where the client may have that.
    pub refresh: Option<Shown>,
    /// The user.
    pub user: String,
    /// When they showed who they are, where that is known.
    pub authenticated: Option<Timestamp>,
    /// How they did.
    pub methods: Vec<String>,
}

/// A device was given no codes.
#[derive(Debug, thiserror::Error)]
pub enum BeginDeviceError {
    /// As many wait as may.
    #[error("{MOST} devices of this client wait, which is as many as may")]
    TooMany,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// The code of a device is good for nothing, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No code of ours, or one that was used.
    #[error("it is no code of this issuer, or it was used")]
    Unknown,
    /// Of another client.
    #[error("it was given to another client")]
    OtherClient,
    /// Nobody has answered yet.
    #[error("its user has not answered yet")]
    Waiting,
    /// Its user has said no.
    #[error("its user does not let it act for them")]
    Denied,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Nothing is left of what was allowed.
    #[error(transparent)]
    Lapsed(#[from] Lapsed),
    /// The API does not take tokens any more.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// A device as it is kept: neither code is.
#[derive(Clone, Serialize, Deserialize)]
struct Device {
    id: String,
    code: String,
    client: String,
    scopes: Vec<Scope>,
    source: IpAddr,
    since: Timestamp,
    answer: Option<KeptAnswer>,
}

impl Kept for Device {
    const KIND: &'static str = "device";

    fn id(&self) -> &str {
        &self.id
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        let user = match &self.answer {
            Some(KeptAnswer::Allowed { user, .. }) => Some((BY_USER, user.clone())),
            Some(KeptAnswer::Denied) | None => None,
        };
        [(BY_CODE, self.code.clone()), (BY_CLIENT, self.client.clone())].into_iter().chain(user).collect()
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.since + DEVICE_LIFETIME + REMEMBERED)
    }
}

impl Identity {
    /// The changes that forget the devices of a client, or of every one, that a user has let in and that have not come yet.
    pub(crate) async fn devices_of(&self, user: &str, client: Option<&str>) -> Result<Vec<Change>, StoreFault> {
        let (mut changes, mut page) = (Vec::new(), Page::default());
        loop {
            let some: Vec<Device> = self.list(None, Some((BY_USER, user)), &page).await?;
            let Some(last) = some.last() else { return Ok(changes) };
            page.after = Some(last.id.clone());
            let meant = some.iter().filter(|it| client.is_none_or(|client| client == it.client));
            changes.extend(meant.map(Kept::gone));
        }
    }
}

impl KeptAnswer {
    fn allowed(session: &BrowserSession, scopes: &[Scope]) -> Self {
        Self::Allowed {
            user: session.user.clone(),
            scopes: scopes.to_vec(),
            authenticated: session.authenticated,
            methods: session.methods.clone(),
            session: session.id.clone(),
        }
    }
}

impl Device {
    fn is_good(&self, now: Timestamp) -> bool {
        now < self.since + DEVICE_LIFETIME
    }

    fn waits(&self, now: Timestamp) -> bool {
        self.answer.is_none() && self.is_good(now)
    }
}

impl Identity {
    /// Gives codes to a device of a client, which asks for this from there.
    pub async fn begin_device(
        &self,
        client: &Client,
        scopes: &[Scope],
        source: IpAddr,
    ) -> Result<BegunDevice, BeginDeviceError> {
        let now = self.clock.now().wall;
        let device = Shown::new(keyformat::draw_id("", DIGITS, &*self.random));
        let id = &digest_of(device.reveal());
        let user = self
            .settle(|| {
                Box::pin(async move {
                    let all = Page { after: None, limit: MOST + 1 };
                    let others: Vec<Device> = self.list(None, Some((BY_CLIENT, &client.id)), &all).await?;
                    if MOST as usize <= others.iter().filter(|it| it.waits(now)).count() {
                        return Err(BeginDeviceError::TooMany);
                    }
                    let user = draw_code(&*self.random);
                    let device = Device {
                        id: id.clone(),
                        code: digest_of(&user),
                        client: client.id.clone(),
                        scopes: scopes.to_vec(),
                        source,
                        since: now,
                        answer: None,
                    };
                    Ok(Decision { changes: vec![device.kept()?], deeds: Vec::new(), outcome: user })
                })
            })
            .await?;
        let (first, second) = user.split_at(LETTERS_OF_CODE / 2);
        Ok(BegunDevice { device, user: Shown::new(format!("{first}-{second}")) })
    }

    /// The device whose user was shown this, while it waits. It may be typed in small letters, and with or without the dash.
    pub async fn asking_device(&self, code: &str) -> Result<Option<AskingDevice>, StoreFault> {
        let now = self.clock.now().wall;
        let Some(code) = typed(code) else { return Ok(None) };
        let found: Option<Device> = self.find_by(BY_CODE, &digest_of(&code)).await?;
        Ok(found.filter(|it| it.waits(now)).map(|it| AskingDevice {
            id: it.id,
            client: it.client,
            scopes: it.scopes,
            source: it.source,
            since: it.since,
        }))
    }

    /// Answers a device for whoever sits at a browser. False where it waits no more.
    pub async fn answer_device(
        &self,
        id: &str,
        client: &Client,
        (session, answer): (&BrowserSession, &DeviceAnswer),
    ) -> Result<bool, StoreFault> {
        let now = self.clock.now().wall;
        self.settle(|| {
            Box::pin(async move {
                let waiting = self.find::<Device>(id).await?.filter(|it| it.waits(now) && it.client == client.id);
                let Some(waiting) = waiting else {
                    return Ok(Decision { changes: Vec::new(), deeds: Vec::new(), outcome: false });
                };
                let deed = |action| {
                    let deed = self.deed(DeedClass::Identity, action).of(&client.tenant).on(&client.id);
                    deed.with("user", &session.user)
                };
                let (deed, answer) = match answer {
                    DeviceAnswer::Denied => (deed("deny_device"), KeptAnswer::Denied),
                    DeviceAnswer::Allowed(scopes) => {
                        let deed = deed("allow_device").with("scopes", spaced(scopes));
                        (deed, KeptAnswer::allowed(session, scopes))
                    }
                };
                let answered = Device { answer: Some(answer), ..waiting };
                Ok(Decision { changes: vec![answered.kept()?], deeds: vec![deed], outcome: true })
            })
        })
        .await
    }

    /// What the code of a device is good for that this client brings, which has shown that it is the one, and that it holds a
    /// key where it has. It is good once.
    pub async fn redeem_device(
        &self,
        code: &str,
        client: &Client,
        key: Option<&str>,
        terms: &Terms,
    ) -> Result<RedeemedDevice, DeviceError> {
        let now = self.clock.now().wall;
        let terms = terms.of(&client.api)?;
        let id = &digest_of(code);
        self.settle(|| {
            Box::pin(async move {
                let device: Device = self.find(id).await?.ok_or(DeviceError::Unknown)?;
                if device.client != client.id {
                    return Err(DeviceError::OtherClient);
                }
                if !device.is_good(now) {
                    return Err(DeviceError::Expired);
                }
                let consented = match &device.answer {
                    None => return Err(DeviceError::Waiting),
                    Some(KeptAnswer::Denied) => return Err(DeviceError::Denied),
                    Some(KeptAnswer::Allowed { user, scopes, authenticated, methods, session }) => {
                        let (authenticated, session) = (*authenticated, Some(session.as_str()));
                        Consented { user, scopes, authenticated, methods, session, key }
                    }
                };
                let begun = self.begin_consented::<DeviceError>(consented, client, terms, now).await?;
                let BegunConsent { grant, refresh, mut changes, mut deeds } = begun;
                changes.push(device.gone());
                let deed = self.deed(DeedClass::SessionStart, "grant").of(&grant.tenant).on(&grant.id);
                let deed = deed.with("kind", "device").with("client", &client.id);
                deeds.push(deed.with("scopes", spaced(&grant.scopes)));
                let Consented { user, authenticated, methods, .. } = consented;
                let (user, methods) = (user.to_owned(), methods.to_vec());
                let outcome = RedeemedDevice { grant, refresh, user, authenticated, methods };
                Ok(Decision { changes, deeds, outcome })
            })
        })
        .await
    }
}

fn spaced(scopes: &[Scope]) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

/// Letters, each as likely as every other.
fn draw_code(random: &dyn Random) -> String {
    let mut code = String::with_capacity(LETTERS_OF_CODE);
    let fair = u8::MAX - u8::MAX % 20;
    while code.len() < LETTERS_OF_CODE {
        let mut byte = [0];
        random.fill(&mut byte);
        if byte[0] < fair {
            code.extend(LETTERS.get(usize::from(byte[0] % 20)).copied().map(char::from));
        }
    }
    code
}

/// A code as it was drawn, from what people make of it.
fn typed(text: &str) -> Option<String> {
    let meant = |it: &char| !matches!(it, ' ' | '-' | '.' | '_');
    let letters: String = text.chars().filter(meant).take(LETTERS_OF_CODE + 1).collect::<String>().to_ascii_uppercase();
    let good = letters.len() == LETTERS_OF_CODE && letters.bytes().all(|it| LETTERS.contains(&it));
    good.then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    #[test]
    fn a_code_is_letters_that_spell_nothing_each_as_likely() {
        // From 255 down: what would favour some letters is drawn again.
        let code = draw_code(&Counting(std::sync::atomic::AtomicU8::new(255)));
        assert_eq!(code, "ZXWVTSRQ");
        assert_eq!(LETTERS.len(), 20);
    }

    #[test]
    fn a_code_is_known_however_people_type_it() {
        for it in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "bcdf.ghjk", "B-C-D-F-G-H-J-K"] {
            assert_eq!(typed(it).as_deref(), Some("BCDFGHJK"), "{it}");
        }
        for it in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF+GHJK", "\u{412}CDF-GHJK", "%42CDFGHJK"] {
            assert_eq!(typed(it), None, "{it}");
        }
    }
}
