//! The certificate that clients see: the operator's files, or one of a development authority of our own.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::Timestamp;
use prometheus::{IntGauge, Registry};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::parse_x509_certificate;

use crate::settings::TlsSettings;

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    /// A file cannot be read or written.
    #[error("`{path}`: {cause}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the PEM reader said.
        cause: String,
    },
    /// The key is not the certificate's, or of a kind that cannot sign.
    #[error("certificate `{path}` and its key do not fit: {cause}", path = .path.display())]
    Mismatch {
        /// The certificate.
        path: PathBuf,
        /// What rustls said.
        cause: rustls::Error,
    },
    /// Its time is over.
    #[error("certificate `{path}` was good until {ended} and is not any more", path = .path.display())]
    Expired {
        /// The certificate.
        path: PathBuf,
        /// When it ended.
        ended: Timestamp,
    },
    /// The development certificate could not be made.
    #[error("development certificate: {0}")]
    Development(#[from] rcgen::Error),
    /// Nobody could be told when it ends.
    #[error("meter: {0}")]
    Meter(#[from] prometheus::Error),
    /// TLS itself could not be set up.
    #[error("TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate in force. Replaced whole by a reload; connections under way keep theirs.
#[derive(Debug)]
pub(crate) struct Certificate {
    current: ArcSwap<CertifiedKey>,
    /// When it ends, in seconds since 1970.
    ends: IntGauge,
}

/// A certificate with its key that was read, and is not in force yet.
#[derive(Debug)]
pub(crate) struct Pair {
    path: PathBuf,
    key: CertifiedKey,
    ends: Timestamp,
}

impl Pair {
    /// Whether its time is not over.
    pub(crate) fn good_at(&self, now: Timestamp) -> Result<(), TlsFault> {
        let expired = || TlsFault::Expired { path: self.path.clone(), ended: self.ends };
        if now <= self.ends { Ok(()) } else { Err(expired()) }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl Certificate {
    /// What to begin with. One whose time is over serves all the same, with a word in the log: no gateway is no better.
    pub(crate) fn load(
        settings: Option<&TlsSettings>,
        data: &Path,
        hosts: &[String],
        now: Timestamp,
    ) -> Result<Self, TlsFault> {
        let pair = read(settings, data, hosts)?;
        if let Err(cause) = pair.good_at(now) {
            tracing::error!(%cause, "clients will refuse the gateway until it has another");
        }
        let ends = IntGauge::new(
            "tls_certificate_not_after_seconds",
            "When the certificate that clients are shown ends, in seconds since 1970.",
        )?;
        ends.set(pair.ends.seconds());
        Ok(Self { current: ArcSwap::from_pointee(pair.key), ends })
    }

    /// Whether another may take its place: one whose time is over only where the time of this one is as well, because nothing
    /// is lost by it, and all else of a reload is not held up.
    pub(crate) fn may_give_way(&self, pair: &Pair, now: Timestamp) -> Result<(), TlsFault> {
        match pair.good_at(now) {
            Err(cause) if self.ends.get() < now.seconds() => {
                tracing::error!(%cause, "clients will refuse the gateway until it has another");
                Ok(())
            }
            other => other,
        }
    }

    /// Puts another in its place.
    pub(crate) fn replace(&self, pair: Pair) {
        self.ends.set(pair.ends.seconds());
        self.current.store(Arc::new(pair.key));
    }

    /// Has everybody see when it ends.
    pub(crate) fn measure(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.ends.clone()))
    }
}

/// What listeners speak.
pub(crate) static VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// What listeners are set up with: these versions, HTTP/2 preferred.
pub(crate) fn server_config(certificate: Arc<Certificate>) -> Result<ServerConfig, TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&VERSIONS)?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Where the development authority's certificate lies, for clients to trust.
pub(crate) fn authority_file(data: &Path) -> PathBuf {
    data.join("tls/ca.pem")
}

/// Reads the operator's files, or makes a development certificate for these hosts in `<data>/tls`.
pub(crate) fn read(settings: Option<&TlsSettings>, data: &Path, hosts: &[String]) -> Result<Pair, TlsFault> {
    if let Some(files) = settings {
        return pair(&files.certificate, &files.key);
    }
    let folder = data.join("tls");
    let (certificate, key, named) = (folder.join("cert.pem"), folder.join("key.pem"), folder.join("hosts"));
    let wanted = hosts.join("\n");
    let current = fs::read_to_string(&named).is_ok_and(|it| it == wanted) && certificate.exists() && key.exists();
    if !current {
        make(&folder, hosts)?;
        keep(&named, &wanted, 0o644)?;
    }
    pair(&certificate, &key)
}

/// A chain and the key it belongs to.
pub(crate) fn pair(certificate: &Path, key: &Path) -> Result<Pair, TlsFault> {
    let failed = |path: &Path, cause: &dyn ToString| TlsFault::File { path: path.to_owned(), cause: cause.to_string() };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|it| failed(certificate, &it))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|it| failed(key, &it))?;
    let key = CertifiedKey::from_der(chain, secret, &aws_lc_rs::default_provider())
        .map_err(|cause| TlsFault::Mismatch { path: certificate.to_owned(), cause })?;
    let leaf = key.end_entity_cert()?;
    let (_, leaf) = parse_x509_certificate(leaf).map_err(|it| failed(certificate, &it))?;
    let ends = Timestamp::from_seconds(leaf.validity().not_after.timestamp());
    Ok(Pair { path: certificate.to_owned(), key, ends })
}

/// Makes an authority once, and a certificate under it for exactly these hosts.
fn make(folder: &Path, hosts: &[String]) -> Result<(), TlsFault> {
    let failed = |cause: io::Error| TlsFault::File { path: folder.to_owned(), cause: cause.to_string() };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let (authority, authority_key) = (folder.join("ca.pem"), folder.join("ca.key"));
    if !authority.exists() || !authority_key.exists() {
        let key = KeyPair::generate()?;
        keep(&authority_key, &key.serialize_pem(), 0o600)?;
        keep(&authority, &authority_params()?.self_signed(&key)?.pem(), 0o644)?;
    }
    let authority_key = fs::read_to_string(&authority_key).map_err(failed)?;
    let issuer = Issuer::new(authority_params()?, KeyPair::from_pem(&authority_key)?);
    let key = KeyPair::generate()?;
    let mut names = hosts.to_vec();
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Portcullis development");
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer)?;
    keep(&folder.join("key.pem"), &key.serialize_pem(), 0o600)?;
    keep(&folder.join("cert.pem"), &certificate.pem(), 0o644)
}

/// What the authority's certificate says; the same each time, so that its certificate need not be read back.
fn authority_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Portcullis development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn keep(path: &Path, text: &str, mode: u32) -> Result<(), TlsFault> {
    let failed = |cause: io::Error| TlsFault::File { path: path.to_owned(), cause: cause.to_string() };
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_development_certificate_is_made_once_and_again_for_other_hosts() {
        let data = tempfile::tempdir().unwrap();
        let cert = || fs::read(data.path().join("tls/cert.pem")).unwrap();
        let authority = || fs::read(authority_file(data.path())).unwrap();
        let one = ["a.example".to_owned()];
        read(None, data.path(), &one).unwrap();
        let (first, root) = (cert(), authority());
        read(None, data.path(), &one).unwrap();
        assert_eq!(cert(), first);
        read(None, data.path(), &["b.example".to_owned()]).unwrap();
        assert_ne!(cert(), first);
        assert_eq!(authority(), root);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for it in [&one, &other] {
            read(None, it.path(), &["a.example".to_owned()]).unwrap();
        }
        let mixed = TlsSettings {
            certificate: one.path().join("tls/cert.pem"),
            key: other.path().join("tls/key.pem"),
            place: None,
        };
        assert!(matches!(read(Some(&mixed), one.path(), &[]), Err(TlsFault::Mismatch { .. })));
    }

    #[test]
    fn a_certificate_is_good_until_the_moment_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2026, 1, 31);
        let pair_key = KeyPair::generate().unwrap();
        fs::write(&certificate, params.self_signed(&pair_key).unwrap().pem()).unwrap();
        fs::write(&key, pair_key.serialize_pem()).unwrap();
        let ends: Timestamp = "2026-01-31T00:00:00Z".parse().unwrap();
        let read = || pair(&certificate, &key).unwrap();
        assert_eq!(read().ends, ends);
        assert!(read().good_at(ends).is_ok());
        let over = read().good_at(ends + std::time::Duration::from_secs(1)).unwrap_err();
        assert!(matches!(over, TlsFault::Expired { ended, .. } if ended == ends));
    }
}
