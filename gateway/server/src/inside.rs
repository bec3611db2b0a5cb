//! The socket inside the data folder, over which the edge asks for what the gateway answers itself.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use admin::{Books, Bounds, IntroductionKey, Messenger, Offered, Operations, SessionCookies, Shelf};
use anyhow::Context as _;
use async_trait::async_trait;
use audit::Log;
use authn::dpop::Nonces;
use authn::{Keyring, Replays, Secrets, SystemRandom};
use catalog::{Profile, Sessions};
use domain::{Clock, Declined, NativeVerb, Operation, PathMode, Random};
use identity::{Identity, Issuer, Terms};
use limits::Limiter;
use tokio::net::UnixListener;

use crate::desk;
use crate::edge::Inward;
use crate::errands::Errands;
use crate::office::Office;

/// The folder of the socket, and the socket. Short, because the path of a socket may not be long.
const FOLDER: &str = "run";
const SOCKET: &str = "own";

/// The socket, bound, and who answers there.
pub(crate) struct Inside {
    pub(crate) operations: Operations,
    pub(crate) listener: UnixListener,
    /// The way there.
    pub(crate) inward: Inward,
}

impl Inside {
    /// Binds the socket anew. What lies there is of a process that is gone: one that lived would hold the lock of the log,
    /// and this one could not have come so far.
    pub(crate) fn open(data: &Path, office: &Arc<Office>) -> anyhow::Result<Self> {
        let folder = data.join(FOLDER);
        let socket = folder.join(SOCKET);
        let listener = bind(&folder, &socket).with_context(|| {
            format!("socket `{}`: cannot be bound (where it is too long, give `data` a shorter path)", socket.display())
        })?;
        let key = Arc::new(IntroductionKey::draw(&SystemRandom));
        let path = socket.to_str().context("`data` is not text, and names a socket")?;
        let inward = Inward::over(path, Arc::clone(&key), Arc::clone(&office.gateway.clock))?;
        let own = Own { office: Arc::clone(office), errands: Errands::default() };
        let operations = Operations::new(key, Arc::new(own), Bounds::default());
        Ok(Self { operations, listener, inward })
    }
}

fn bind(folder: &Path, socket: &Path) -> io::Result<UnixListener> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Whoever made it, nobody else may look in.
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    match std::fs::symlink_metadata(socket) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(socket)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what lies there is no socket")),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause),
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What this gateway keeps.
struct Own {
    office: Arc<Office>,
    errands: Errands,
}

#[async_trait]
impl Books for Own {
    fn log(&self) -> &Log {
        &self.office.gateway.log
    }

    fn clock(&self) -> &dyn Clock {
        &*self.office.gateway.clock
    }

    fn keyring(&self) -> Arc<Keyring> {
        self.office.gateway.keyring.load_full()
    }

    fn secrets(&self) -> &Secrets {
        &self.office.gateway.secrets
    }

    fn limiter(&self) -> &Limiter {
        &self.office.gateway.limiter
    }

    fn nonces(&self) -> &Nonces {
        self.office.gateway.nonces()
    }

    fn proofs(&self) -> &Replays {
        self.office.gateway.proofs()
    }

    fn issuer(&self) -> &Issuer {
        &self.office.issuer
    }

    fn identity(&self) -> &Identity {
        &self.office.identity
    }

    fn terms(&self) -> Terms {
        desk::terms(&self.office.gateway.configuration().catalog)
    }

    async fn come_into_force(&self) -> Result<(), Declined> {
        self.office.come_into_force().await.map_err(|cause| {
            tracing::error!(%cause, "what was published cannot be taken in");
            Declined::Busy
        })
    }

    fn random(&self) -> &dyn Random {
        &*self.office.gateway.random
    }

    fn messenger(&self) -> &dyn Messenger {
        &self.errands
    }

    fn shelf(&self, api: &str) -> Option<Shelf> {
        let configuration = self.office.gateway.configuration();
        let profile = configuration.catalog.profiles().iter().find(|it| it.api.name.as_str() == api)?;
        let region = profile.credentials.sigv4.as_ref()?.region.clone();
        let mut objects = profile.surfaces.iter().filter(|it| it.paths == PathMode::Objects);
        let (surface, service) = objects.find_map(|it| Some((it, it.sigv4_service.clone()?)))?;
        Some(Shelf { host: surface.hosts.first()?.clone(), region, service })
    }

    fn offered(&self, api: &str) -> Option<Offered> {
        let configuration = self.office.gateway.configuration();
        let profile = configuration.catalog.profiles().iter().find(|it| it.api.name.as_str() == api)?;
        let issuer = profile.token_issuer.clone()?;
        let mut scopes: Vec<String> = profile.api.scopes().map(ToString::to_string).collect();
        scopes.sort_unstable();
        scopes.dedup();
        Some(Offered {
            api: profile.api.name.clone(),
            places: profile.api.operations.iter().filter_map(|it| place(it, &issuer)).collect(),
            issuer,
            scopes,
            session: sessions(profile),
        })
    }
}

/// Where an operation of the issuer's own is.
fn place(operation: &Operation, issuer: &str) -> Option<(NativeVerb, String)> {
    Some((operation.native.served()?, format!("{issuer}{}", operation.template)))
}

/// Where an API keeps sessions of browsers. Their refresh tokens go to what stands beside the operation that renews them.
fn sessions(profile: &Profile) -> Option<SessionCookies> {
    let renews = |it: &&Arc<Operation>| it.native.served() == Some(NativeVerb::RenewSession);
    let path = &profile.api.operations.iter().find(renews)?.template;
    let Sessions { access, refresh, origins } = profile.credentials.session.clone()?;
    let (refresh_path, _) = path.rsplit_once('/')?;
    Some(SessionCookies { access, refresh, refresh_path: refresh_path.to_owned(), origins })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_bound_anew_and_nobody_else_reaches_it() {
        let data = tempfile::tempdir().unwrap();
        let (folder, socket) = (data.path().join(FOLDER), data.path().join(FOLDER).join(SOCKET));
        let mode = |it: &Path| std::fs::metadata(it).unwrap().permissions().mode() & 0o777;
        drop(bind(&folder, &socket).unwrap());
        // What a process that is gone has left behind.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let _listener = bind(&folder, &socket).unwrap();
        assert_eq!((mode(&folder), mode(&socket)), (0o700, 0o600));
        let _stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone_and_a_path_that_is_too_long_is_a_fault() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        let socket = folder.join(SOCKET);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&socket, "somebody's file").unwrap();
        assert!(bind(&folder, &socket).is_err());
        assert_eq!(std::fs::read_to_string(&socket).unwrap(), "somebody's file");
        let deep = data.path().join("d".repeat(120));
        assert!(bind(&deep, &deep.join(SOCKET)).is_err());
    }
}
