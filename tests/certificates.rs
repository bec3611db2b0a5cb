//! The certificate that clients are shown: another is taken when its files change, and none whose time is over.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::path::Path;
use std::time::Duration;

use acceptance::{Door, Request, World, until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_secs(20);

/// An authority, whose certificate lies in this file.
fn authority(file: &Path) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().expect("a key");
    std::fs::write(file, params.self_signed(&key).expect("a certificate").pem()).expect("a file of the test");
    Issuer::new(params, key)
}

/// Puts a certificate that ends with the year before this one where the settings say, and its key.
fn issue(authority: &Issuer<'_, KeyPair>, folder: &Path, year: i32) {
    let mut params = CertificateParams::new([NSX.to_owned()]).expect("a name");
    params.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    std::fs::create_dir_all(folder).expect("a folder of the test");
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("a file of the test");
    std::fs::write(folder.join("cert.pem"), certificate.pem()).expect("a file of the test");
}

fn failures(world: &World) -> f64 {
    world.gateway.metric("portcullis_config_reload_failures_total", &[])
}

/// Waits until the certificate ends so many seconds after the beginning of 1970.
#[track_caller]
fn ends(world: &World, seconds: f64) {
    let told = || world.gateway.metric("portcullis_tls_certificate_not_after_seconds", &[]);
    until("the certificate to be in force", SOON, || ((told() - seconds).abs() < 1.0).then_some(()));
}

/// Makes a change of the files that the gateway has to refuse.
#[track_caller]
fn is_refused(world: &World, change: impl FnOnce()) {
    let before = failures(world);
    change();
    until("the change to be refused", SOON, || (failures(world) > before).then_some(()));
}

#[test]
fn a_renewed_certificate_is_taken_and_one_that_is_over_never_takes_the_place_of_a_good_one() {
    let world = World::start();
    let (folder, door) = (world.folder(), world.gateway.door());
    let request = Request::get(NSX, "/v2/compute/instances");
    let issuer = authority(&folder.join("own-ca.pem"));
    let settings = world.gateway.settings().to_owned();
    let development = std::fs::read_to_string(&settings).expect("settings");
    let files = format!(
        "{development}\n[tls]\ncertificate = \"{0}/live/cert.pem\"\nkey = \"{0}/live/key.pem\"\n",
        folder.join("certificates").display()
    );
    // As certificates are renewed: the files lie elsewhere, and a link leads to those of today.
    let certificates = folder.join("certificates");
    std::fs::create_dir(&certificates).expect("a folder of the test");
    let live = |of: &str| {
        let next = certificates.join("next");
        std::os::unix::fs::symlink(folder.join(of), &next).expect("a link of the test");
        std::fs::rename(next, certificates.join("live")).expect("a link of the test");
    };
    issue(&issuer, &folder.join("first"), 2100);
    live("first");
    std::fs::write(&settings, &files).expect("settings");
    ends(&world, 4_102_444_800.0);
    let own = Door::new(door.http, door.https, &folder.join("own-ca.pem"));
    let _ = own.ask(&request).expect(401);

    issue(&issuer, &folder.join("late"), 2020);
    is_refused(&world, || live("late"));
    ends(&world, 4_102_444_800.0);
    let _ = own.ask(&request).expect(401);
    let checked = world.gateway.command(&["check"]);
    assert!(checked.code == 2 && checked.errors.contains("was good until 2020-01-01"), "{checked:?}");

    issue(&issuer, &folder.join("renewed"), 2101);
    live("renewed");
    ends(&world, 4_133_980_800.0);
    let _ = own.ask(&request).expect(401);
    assert_eq!(world.gateway.command(&["check"]).code, 0);
    // In the same place.
    issue(&issuer, &folder.join("renewed"), 2102);
    ends(&world, 4_165_516_800.0);
}

#[test]
fn a_gateway_begins_with_a_certificate_that_is_over_and_says_so() {
    let mut world = World::start();
    let issuer = authority(&world.folder().join("own-ca.pem"));
    let live = world.folder().join("live");
    issue(&issuer, &live, 2020);
    let settings = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&settings).expect("settings");
    let files = format!("[tls]\ncertificate = \"{0}/cert.pem\"\nkey = \"{0}/key.pem\"\n", live.display());
    let text = format!("{text}\n{files}");
    is_refused(&world, || std::fs::write(&settings, &text).expect("settings"));
    assert_eq!(world.ask(&Request::get(NSX, "/v2/compute/instances")).status, 401, "the good one is in force");
    world.gateway.restart();
    ends(&world, 1_577_836_800.0);
    // It holds up nothing else, and another is taken at once.
    let taken = world.gateway.metric("portcullis_config_generation", &[]);
    world.gateway.process().signal("HUP");
    until("the rest to be read anew", SOON, || {
        (world.gateway.metric("portcullis_config_generation", &[]) > taken).then_some(())
    });
    assert!(world.gateway.process().log().contains("clients will refuse the gateway"), "nothing was said");
}

#[test]
fn another_data_folder_waits_for_a_restart_and_so_does_what_clients_trust_in_it() {
    let world = World::start();
    let settings = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&settings).expect("settings");
    let (data, other) = (world.gateway.data(), world.folder().join("other"));
    let before = world.gateway.metric("portcullis_config_generation", &[]);
    let moved = text.replace(&data.display().to_string(), &other.display().to_string());
    assert_ne!(moved, text);
    std::fs::write(&settings, moved).expect("settings");
    until("the settings to be read", SOON, || {
        (world.gateway.metric("portcullis_config_generation", &[]) > before).then_some(())
    });
    assert!(!other.join("tls").exists(), "another authority was made");
    let _ = world.ask(&Request::get(NSX, "/v2/compute/instances")).expect(401);
}
