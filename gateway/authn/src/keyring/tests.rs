use std::time::Duration;

use domain::{Overlap, Vault};
use proptest::prelude::*;

use super::*;
use crate::testing::{NOW, kept, minted_key, record, secrets, tenant};
use crate::{MasterKey, Secrets};

fn key(number: u32) -> String {
    let mut bits = [0; 32];
    bits[..4].copy_from_slice(&number.to_be_bytes());
    domain::keyformat::write("nsx_live_", &mut bits)
}

fn ring(keys: &[KeyRecord]) -> Keyring {
    Keyring::build([tenant("acme")], keys.to_vec())
}

fn found<'a>(ring: &'a Keyring, key: &str) -> Option<&'a KeyId> {
    ring.find_minted(key, secrets().peppers()).map(|it| it.id())
}

#[test]
fn every_key_of_many_is_found_and_no_other() {
    let records: Vec<KeyRecord> = (0..3000).map(|it| kept(&key(it))).collect();
    let ring = ring(&records);
    assert_eq!(ring.len(), 3000);
    for (number, record) in (0..).zip(&records) {
        assert_eq!(found(&ring, &key(number)), Some(&record.id));
    }
    assert_eq!(found(&ring, &key(3000)), None);
}

#[test]
fn a_change_shows_in_the_new_ring_only() {
    let record = kept(&key(1));
    let before = ring(std::slice::from_ref(&record));
    let added = kept(&key(2));
    let after = before.apply([
        Change::Key(Box::new(KeyRecord { revoked: Some(NOW), ..record })),
        Change::Key(Box::new(added.clone())),
    ]);
    let alive = |ring: &Keyring| ring.find_minted(&key(1), secrets().peppers()).unwrap().alive(NOW);
    assert_eq!(alive(&before), Ok(()));
    assert_eq!(alive(&after), Err(Ended::Revoked));
    assert_eq!((found(&before, &key(2)), found(&after, &key(2))), (None, Some(&added.id)));
    assert_eq!((before.len(), after.len()), (1, 2));
}

#[test]
fn a_key_of_an_unknown_tenant_is_suspended() {
    let ring = Keyring::build([], [kept(&key(1))]);
    assert!(ring.find_minted(&key(1), secrets().peppers()).unwrap().standing().suspended);
}

#[test]
fn the_tier_of_a_tenant_goes_before_the_tier_of_its_key() {
    let mut enterprise = tenant("acme");
    enterprise.tiers.insert("novastraxis".parse().unwrap(), "enterprise".parse().unwrap());
    let plain = ring(&[kept(&key(1))]);
    let tier =
        |ring: &Keyring| ring.find_minted(&key(1), secrets().peppers()).unwrap().standing().tier.as_str().to_owned();
    let raised = plain.apply([Change::Tenant(enterprise)]);
    assert_eq!((tier(&plain).as_str(), tier(&raised).as_str()), ("standard", "enterprise"));
    assert_eq!(tier(&raised.apply([Change::Tenant(tenant("acme"))])), "standard");
}

#[test]
fn a_use_is_noted_to_the_second_and_outlives_changes() {
    let record = kept(&key(1));
    let first = ring(std::slice::from_ref(&record));
    first.find_minted(&key(1), secrets().peppers()).unwrap().mark_used(NOW);
    let mut suspended = tenant("acme");
    suspended.suspended = Some(NOW);
    let second = first.apply([Change::Tenant(suspended)]).apply([Change::Key(Box::new(record.clone()))]);
    assert_eq!(second.used_since(NOW), [(record.id, NOW)]);
    let entry = second.find_minted(&key(1), secrets().peppers()).unwrap();
    entry.mark_used(NOW + Duration::from_millis(999));
    assert_eq!(entry.last_used(), Some(NOW));
    entry.mark_used(NOW + Duration::from_secs(1));
    assert_eq!(second.used_since(NOW + Duration::from_secs(1)).len(), 1);
    assert_eq!(second.used_since(NOW + Duration::from_secs(2)), []);
}

#[test]
fn the_first_use_after_a_rotation_is_noted_however_soon_it_comes() {
    let record = kept(&key(1));
    let first = ring(std::slice::from_ref(&record));
    first.find_minted(&key(1), secrets().peppers()).unwrap().mark_used(NOW);
    let rotated = NOW + Duration::from_millis(20);
    let overlap = Overlap { since: rotated, until: NOW + Duration::from_hours(24) };
    let second = first.apply([Change::Key(Box::new(KeyRecord { overlap: Some(overlap), ..record }))]);
    let entry = second.find_minted(&key(1), secrets().peppers()).unwrap();
    let used = NOW + Duration::from_millis(700);
    entry.mark_used(used);
    assert_eq!(entry.last_used(), Some(used));
    entry.mark_used(used + Duration::from_millis(200));
    assert_eq!(entry.last_used(), Some(used), "and to the second again");
}

#[test]
fn a_key_moves_to_the_new_pepper_at_its_next_use() {
    let old = kept(&key(1));
    let first = ring(std::slice::from_ref(&old));
    let both =
        Secrets::new(Peppers::new([(1, [7; 32]), (2, [8; 32])]).unwrap(), MasterKey::from_bytes([9; 32]).unwrap());
    assert_eq!(first.find_minted(&key(1), both.peppers()).unwrap().id(), &old.id);
    let renewals = first.take_renewals();
    assert_eq!(renewals, [(old.id.clone(), both.keep_minted(&key(1)))]);
    assert_eq!(first.take_renewals(), [], "handed out once");

    let (_, secret) = renewals[0].clone();
    let moved = KeyRecord { secret, ..old };
    let second = first.apply([Change::Key(Box::new(moved.clone()))]);
    assert_eq!(second.len(), 1);
    assert_eq!(found(&second, &key(1)), None, "the old digest opens nothing any more");
    assert!(second.find_minted(&key(1), both.peppers()).is_some());
    assert_eq!(second.take_renewals(), []);
    let third = second.apply([Change::Key(Box::new(KeyRecord { revoked: Some(NOW), ..moved }))]);
    let ended = third.find_minted(&key(1), both.peppers()).unwrap().alive(NOW);
    assert_eq!(ended, Err(Ended::Revoked));
}

#[test]
fn an_access_key_is_found_by_its_id() {
    let made = record(secrets().keep_access_key("AKIDAAAAAAAAAAAAAAAA", "the secret").unwrap());
    let ring = ring(std::slice::from_ref(&made));
    let entry = ring.access_key("AKIDAAAAAAAAAAAAAAAA").unwrap();
    assert_eq!(entry.id(), &made.id);
    assert!(ring.access_key("AKIDBBBBBBBBBBBBBBBB").is_none());
    let revoked = ring.apply([Change::Key(Box::new(KeyRecord { revoked: Some(NOW), ..made }))]);
    assert_eq!(revoked.access_key("AKIDAAAAAAAAAAAAAAAA").unwrap().alive(NOW), Err(Ended::Revoked));
    assert_eq!(revoked.len(), 1);
}

#[test]
fn a_key_of_either_kind_is_found_by_its_id_as_it_is_now() {
    let keys = [kept(&key(1)), record(secrets().keep_access_key("AKIDAAAAAAAAAAAAAAAA", "the secret").unwrap())];
    let first = ring(&keys);
    for made in keys {
        assert_eq!(first.by_id(&made.id).unwrap().alive(NOW), Ok(()));
        let mut suspended = tenant("acme");
        suspended.suspended = Some(NOW);
        let second = first.apply([Change::Tenant(suspended)]);
        assert!(second.by_id(&made.id).unwrap().standing().suspended);
        let third = second.apply([Change::Key(Box::new(KeyRecord { revoked: Some(NOW), ..made.clone() }))]);
        assert_eq!(third.by_id(&made.id).unwrap().alive(NOW), Err(Ended::Revoked));
        assert_eq!(first.by_id(&made.id).unwrap().alive(NOW), Ok(()), "who pinned the old ring keeps it");
    }
    assert!(first.by_id(&"key_unheard_of".parse().unwrap()).is_none());
}

#[test]
fn a_key_whose_digest_went_to_another_is_found_no_more_by_its_id() {
    let (former, now) = (kept(&key(1)), kept(&key(1)));
    let ring = ring(&[former.clone(), now.clone()]);
    assert_eq!(found(&ring, &key(1)), Some(&now.id));
    assert!(ring.by_id(&former.id).is_none() && ring.by_id(&now.id).is_some());
}

#[test]
fn a_digest_under_another_form_opens_nothing() {
    let KeySecret::Minted { digest, pepper } = secrets().keep_minted(&key(1)) else { panic!() };
    let ring = ring(&[record(KeySecret::Imported { digest, pepper }), record(KeySecret::Minted { digest, pepper: 9 })]);
    assert_eq!(found(&ring, &key(1)), None);
}

#[test]
fn a_digest_that_differs_in_one_bit_anywhere_is_another() {
    let digest = std::array::from_fn(|it| u8::try_from(it).unwrap());
    assert!(entry::DigestKey(digest) == entry::DigestKey(digest));
    for at in 0..256 {
        let mut other = digest;
        other[at / 8] ^= 1 << (at % 8);
        assert!(entry::DigestKey(digest) != entry::DigestKey(other), "bit {at}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, bool),
    Suspend(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..12, any::<bool>()).prop_map(|(number, revoked)| Step::Put(number, revoked)),
        any::<bool>().prop_map(Step::Suspend),
    ]
}

proptest! {
    #[test]
    fn taking_in_changes_one_by_one_is_building_from_their_outcome(steps in proptest::collection::vec(step(), 0..40)) {
        let records: Vec<KeyRecord> = (0..12).map(|it| kept(&minted_key("nsx_live_", it + 1))).collect();
        let mut one_by_one = ring(&[]);
        let (mut kept, mut acme) = (HashMap::new(), tenant("acme"));
        for step in steps {
            let change = match step {
                Step::Put(number, revoked) => {
                    let mut record = records[usize::from(number)].clone();
                    record.revoked = revoked.then_some(NOW);
                    kept.insert(number, record.clone());
                    Change::Key(Box::new(record))
                }
                Step::Suspend(suspended) => {
                    acme.suspended = suspended.then_some(NOW);
                    Change::Tenant(acme.clone())
                }
            };
            one_by_one = one_by_one.apply([change]);
        }
        let at_once = Keyring::build([acme], kept.into_values());
        prop_assert_eq!(one_by_one.len(), at_once.len());
        for number in 0..12 {
            let key = minted_key("nsx_live_", number + 1);
            let seen = |ring: &Keyring| ring.find_minted(&key, secrets().peppers()).map(|it| (it.alive(NOW), it.standing().clone()));
            prop_assert_eq!(seen(&one_by_one), seen(&at_once));
        }
    }
}
