//! Outside issuers whose word for workloads is taken, and the keys by which it is known.

use domain::{Deed, DeedClass, Timestamp};
use serde::{Deserialize, Serialize};

use super::WorkloadIdentity;
use crate::Identity;
use crate::elsewhere::{Elsewhere, LONGEST_CA};
use crate::kept::Kept;
use crate::publish::{Decision, Entered};
use crate::store::{Page, StoreFault};

/// How many there may be.
const MOST: u32 = 100;

/// An outside issuer, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedIssuer {
    /// Its name, to the letter.
    pub issuer: String,
    /// Its public keys, as a set in JSON (RFC 7517) that was found good; nothing where it is asked for them.
    #[serde(default)]
    pub keys: Option<String>,
    /// The authorities that vouch for it where it is asked, as PEM; those of the system where there are none.
    #[serde(default)]
    pub ca: Option<String>,
    /// Whether it may be asked at an address that is not public.
    #[serde(default)]
    pub private: bool,
    /// Since when it is known by these keys, or is asked for them.
    pub since: Timestamp,
}

/// Where the keys of an outside issuer come from.
#[derive(Clone, Debug)]
pub enum IssuerKeys {
    /// They were handed over: a set in JSON that was found good.
    Given(String),
    /// It is asked for them, where it says of itself that they are (OpenID Connect Discovery 1.0, section 3).
    Asked {
        /// The authorities that vouch for it, as PEM; those of the system where there are none.
        ca: Option<String>,
        /// Whether it may be at an address that is not public.
        private: bool,
    },
}

impl TrustedIssuer {
    /// Where it is asked for its keys, if they were not handed over.
    pub fn elsewhere(&self) -> Option<Elsewhere<'_>> {
        let here =
            Elsewhere { named: &self.issuer, issuer: &self.issuer, ca: self.ca.as_deref(), private: self.private };
        self.keys.is_none().then_some(here)
    }

    fn new(issuer: &str, keys: IssuerKeys, since: Timestamp) -> Result<Self, TrustError> {
        // As part of a workload identity it must be one.
        format!("{issuer}#x").parse::<WorkloadIdentity>().map_err(|_| TrustError::Name)?;
        let issuer = issuer.to_owned();
        let made = match keys {
            IssuerKeys::Given(keys) => Self { issuer, keys: Some(keys), ca: None, private: false, since },
            IssuerKeys::Asked { ca, private } => Self { issuer, keys: None, ca, private, since },
        };
        if made.ca.as_ref().is_some_and(|it| LONGEST_CA < it.len()) {
            return Err(TrustError::Ca);
        }
        if made.elsewhere().is_some_and(|it| !it.is_good()) { Err(TrustError::Place) } else { Ok(made) }
    }
}

impl Kept for TrustedIssuer {
    const KIND: &'static str = "workload_issuer";

    fn id(&self) -> &str {
        &self.issuer
    }
}

/// Nobody is trusted, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be an issuer.
    #[error("that is no issuer; help: write its address as its tokens have it, such as `https://issuer.example`")]
    Name,
    /// It is to be asked where nobody may be.
    #[error(
        "that is no address that may be asked for keys; help: write `https://` and no query, say `--private` for one on this \
         machine, or hand its keys over with `--jwks-file`"
    )]
    Place,
    /// Longer than any authorities are.
    #[error("the file of its authorities can have {LONGEST_CA} bytes at most")]
    Ca,
    /// There is none.
    #[error("no issuer of this name is trusted; help: `portcullis workload-issuers list` shows those that are")]
    Unknown,
    /// There are as many as there may be.
    #[error("{MOST} issuers are trusted, which is as many as there may be; help: remove some")]
    TooMany,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for TrustError {}

impl Identity {
    /// One of them.
    pub async fn trusted_issuer(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreFault> {
        self.find(issuer).await
    }

    /// All of them, in the order in which they were made known.
    pub async fn trusted_issuers(&self) -> Result<Vec<TrustedIssuer>, StoreFault> {
        self.list(None, None, &Page { after: None, limit: MOST }).await
    }

    /// Takes the word of an issuer from now on, by these keys and no others. Whoever calls has found good what is given.
    pub async fn trust_issuer(&self, issuer: &str, keys: IssuerKeys) -> Result<TrustedIssuer, TrustError> {
        let verb = async {
            let trusted = &TrustedIssuer::new(issuer, keys, self.clock.now().wall)?;
            self.settle(|| {
                Box::pin(async move {
                    let known = self.trusted_issuers().await?;
                    let new = known.iter().all(|it| it.issuer != trusted.issuer);
                    if new && known.len() >= MOST as usize {
                        return Err(TrustError::TooMany);
                    }
                    let deeds = vec![self.issuer_deed("trust", &trusted.issuer).with("new", new)];
                    Ok(Decision { changes: vec![trusted.kept()?], deeds, outcome: trusted.clone() })
                })
            })
            .await
        };
        self.told(self.deed(DeedClass::Identity, "trust").with("kind", TrustedIssuer::KIND), verb).await
    }

    /// Takes its word no more, and ends what was given for it: whoever is not believed now may not have been to be believed
    /// a minute ago.
    pub async fn distrust_issuer(&self, issuer: &str) -> Result<TrustedIssuer, TrustError> {
        let verb = self.settle(|| {
            Box::pin(async move {
                let known: TrustedIssuer = self.find(issuer).await?.ok_or(TrustError::Unknown)?;
                let (ends, ended) = self.end_vouched(issuer).await?;
                let deed = self.issuer_deed("distrust", issuer).with("grants", ended.len());
                let changes = [known.gone()].into_iter().chain(ends).collect();
                let deeds = [deed].into_iter().chain(ended).collect();
                Ok::<_, TrustError>(Decision { changes, deeds, outcome: known })
            })
        });
        self.told(self.deed(DeedClass::Identity, "distrust").with("kind", TrustedIssuer::KIND), verb).await
    }

    fn issuer_deed(&self, action: &str, issuer: &str) -> Deed {
        self.deed(DeedClass::Identity, action).on(issuer).with("kind", TrustedIssuer::KIND)
    }
}
