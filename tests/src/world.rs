//! Everything together: the clouds, the gateway in front of them, and a tenant per API.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::clouds::UPSTREAM_KEY;
use crate::keys::{make_key, make_tenant};
use crate::{Answer, Clouds, Gateway, Key, Request, Settings};

/// The five APIs that the project ships with a cloud behind each. A sixth is the gateway's own.
pub const APIS: [&str; 5] = ["novastraxis", "cloudnexus", "cloudnexus-servers", "cloudnx", "novastack"];

/// A gateway with the five APIs behind it. What is made in it goes when it goes.
#[derive(Debug)]
pub struct World {
    /// What clients ask.
    pub gateway: Gateway,
    /// What is behind it.
    pub clouds: Clouds,
    tenants: Mutex<BTreeMap<String, String>>,
    folder: TempDir,
}

impl World {
    /// With everything as delivered.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(|_, _| {})
    }

    /// With something changed: the settings, or files in the folder that they may point to.
    #[track_caller]
    pub fn with(change: impl FnOnce(&mut Settings, &std::path::Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-acceptance-").tempdir().expect("a temporary folder");
        let clouds = Clouds::start(folder.path());
        let mut settings = Settings::default();
        for api in APIS {
            settings.upstreams.insert(api.to_owned(), clouds.address(api));
        }
        settings.upstreams.insert("cloudnx/s3.cloudnx.in".to_owned(), clouds.address("cloudnx-objects"));
        let secret = folder.path().join("upstream-secret");
        std::fs::write(&secret, UPSTREAM_KEY.1).expect("a secret in the test's own folder");
        std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("the rights to it");
        settings.more = format!(
            "[upstream_keys.\"cloudnx/s3.cloudnx.in\"]\naccess_key_id = {:?}\nsecret_file = \"{}\"\n",
            UPSTREAM_KEY.0,
            secret.display()
        );
        change(&mut settings, folder.path());
        let gateway = Gateway::start(folder.path(), &settings);
        clouds.know(&gateway.ask_admin("/identity/jwks").expect(200).text());
        Self { gateway, clouds, tenants: Mutex::default(), folder }
    }

    /// Where everything of this world lies.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The tenant of an API that tests use when any will do.
    #[track_caller]
    pub fn tenant(&self, api: &str) -> String {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(api.to_owned()).or_insert_with(|| make_tenant(&self.gateway, api)).clone()
    }

    /// A tenant nobody else uses.
    #[track_caller]
    pub fn new_tenant(&self, name: &str) -> String {
        make_tenant(&self.gateway, name)
    }

    /// A new key of the usual tenant.
    #[track_caller]
    pub fn key(&self, api: &str, scopes: &[&str]) -> Key {
        self.key_with(api, &self.tenant(api), scopes, &[])
    }

    /// A new key with further words of `api-keys create`.
    #[track_caller]
    pub fn key_with(&self, api: &str, tenant: &str, scopes: &[&str], more: &[&str]) -> Key {
        make_key(&self.gateway, api, tenant, scopes, more)
    }

    /// Asks through the front door.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        self.gateway.ask(request)
    }
}
