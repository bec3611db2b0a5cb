//! Where tenants and keys are looked after: the store, its secrets, and the verbs over both.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use audit::{KnownDeeds, LastSaid};
use authn::upstream::{IdentityKey, IdentityTokens};
use authn::{SecretFiles, Secrets, SystemRandom};
use catalog::{Catalog, Profile};
use domain::{Clock, NativeVerb};
use identity::{ApiTerms, BucketKeys, ClientGrant, Identity, Terms};
use store::Sqlite;

use crate::office::is_begun;
use crate::settings::Settings;

/// An open store and what goes with it.
pub(crate) struct Desk {
    pub(crate) identity: Identity,
    pub(crate) secrets: Secrets,
    pub(crate) store: Sqlite,
}

/// Opens the store in the data folder, and makes what was never there.
pub(crate) async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Desk> {
    let file = settings.data.join("portcullis.db");
    anyhow::ensure!(
        file.exists() || !has_deeds(settings),
        "`{}`: the database is missing, and there is an audit log of what was in it: put the newest copy back, or \
         `portcullis audit accept-database` says what is missing and begins another",
        file.display()
    );
    open_or_begin(settings, clock).await
}

/// Whether the audit log says that anything was done in a registry.
fn has_deeds(settings: &Settings) -> bool {
    let said = || LastSaid::of(&settings.data.join("audit")).ok()?.unknown_to(&KnownDeeds::default());
    is_begun(settings) && said().is_some()
}

/// The same, and begins another where the one that the audit log speaks of was lost.
pub(crate) async fn open_or_begin(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Desk> {
    let data = &settings.data;
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700).create(data).with_context(|| format!("data folder `{}`", data.display()))?;
    private(settings).iter().try_for_each(|it| authn::secrets::keep_private(it))?;
    let files = SecretFiles::under(data);
    let secrets = Secrets::open(&files)?;
    let store = Sqlite::open(&data.join("portcullis.db")).await?;
    let vault = Arc::new(Secrets::open(&files)?);
    let identity = Identity::new(Arc::new(store.clone()), vault, Arc::new(SystemRandom), clock, settings.keys.clone());
    let identity = identity.with_people(settings.people.clone());
    identity.check_secrets(&secrets.marks()).await?;
    Ok(Desk { identity, secrets, store })
}

/// What nobody else may read or change, besides the secrets that are refused where they are read: the folders, since whoever
/// can write there can put another file in the place of each, the database, and the keys that seal.
pub(crate) fn private(settings: &Settings) -> Vec<PathBuf> {
    let data = &settings.data;
    let beside = ["secrets", "portcullis.db", "portcullis.db-wal", "portcullis.db-shm"].map(|it| data.join(it));
    [data.clone()].into_iter().chain(beside).chain([subjects_file(settings)]).collect()
}

/// Who tells the APIs behind who calls, in the name of this gateway. The key is made where it was never there.
pub(crate) fn identity_tokens(settings: &Settings) -> anyhow::Result<IdentityTokens> {
    let (key, others) = identity_keys(settings)?;
    Ok(IdentityTokens::new(key, &others, format!("portcullis/{}", settings.node))?)
}

/// The key that signs identity tokens, and those that are known beside it.
pub(crate) fn identity_keys(settings: &Settings) -> anyhow::Result<(IdentityKey, Vec<IdentityKey>)> {
    let seeds = authn::secrets::identity_seeds(&SecretFiles::under(&settings.data))?;
    let others = seeds.next.iter().map(|(_, it)| it).chain(&seeds.before);
    let others = others.map(|it| IdentityKey::from_seed(it)).collect::<Result<_, _>>()?;
    Ok((IdentityKey::from_seed(&seeds.current)?, others))
}

/// Where the keys are kept that seal what entries say of people.
pub(crate) fn subjects_file(settings: &Settings) -> PathBuf {
    settings.data.join("secrets").join("subjects")
}

/// What keys of each API may be, as its profile and documents say.
pub(crate) fn terms(catalog: &Catalog) -> Terms {
    Terms::new(catalog.profiles().iter().map(api_terms))
}

fn api_terms(profile: &Profile) -> ApiTerms {
    let keys = profile.credentials.api_key.as_ref();
    ApiTerms {
        api: profile.api.name.clone(),
        prefixes: keys.map(|it| it.prefixes.clone()).unwrap_or_default(),
        imported: keys.is_some_and(|it| it.imported),
        access_keys: profile.credentials.sigv4.is_some(),
        scopes: profile.api.scopes().cloned().collect(),
        tiers: profile.limits.tiers.keys().cloned().collect(),
        default_tier: profile.limits.default_tier.name.clone(),
        counted_by: profile.limits.counted_by,
        roles: profile.roles.clone(),
        grants: grants(profile),
        bucket_keys: profile.credentials.bucket_keys.clone().map(|it| BucketKeys { read: it.read, write: it.write }),
    }
}

/// The ways in which clients come to tokens at an API: those of which it has every operation.
fn grants(profile: &Profile) -> Vec<ClientGrant> {
    let has = |verb: &NativeVerb| profile.api.operations.iter().any(|it| it.native.served() == Some(*verb));
    ClientGrant::ALL.into_iter().filter(|it| it.takes().iter().all(has)).collect()
}
