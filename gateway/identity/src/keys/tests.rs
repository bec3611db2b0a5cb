use std::time::Duration;

use domain::Overlap;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn record() -> KeyRecord {
    KeyRecord {
        id: "key_1".parse().unwrap(),
        lineage: "key_1".parse().unwrap(),
        api: "novastraxis".parse().unwrap(),
        tenant: "acme".parse().unwrap(),
        name: "ci".to_owned(),
        owner: None,
        secret: KeySecret::Minted { digest: [0; 32], pepper: 1 },
        scopes: Vec::new(),
        tier: "standard".parse().unwrap(),
        ip_allow: Vec::new(),
        bound: None,
        created: NOW,
        expires: None,
        rotated_from: None,
        overlap: None,
        revoked: None,
        suspended: None,
        last_used: None,
    }
}

#[test]
fn a_state_is_the_first_reason_that_holds() {
    let (past, next) = (Some(NOW), Some(NOW + Duration::from_nanos(1)));
    let state = |expires, until: Option<Timestamp>, revoked| {
        let overlap = until.map(|until| Overlap { since: NOW, until });
        KeyState::of(&KeyRecord { expires, overlap, revoked, ..record() }, NOW)
    };
    assert_eq!(state(None, None, None), KeyState::Active);
    assert_eq!(state(next, None, None), KeyState::Active);
    assert_eq!(state(next, next, None), KeyState::Retiring);
    assert_eq!(state(next, past, None), KeyState::Replaced);
    assert_eq!(state(past, past, None), KeyState::Expired);
    assert_eq!(state(past, next, past), KeyState::Revoked);
}

#[test]
fn a_kind_is_what_the_api_takes() {
    let terms = |prefixes: &[&str], access_keys| ApiTerms {
        api: "cloudnx".parse().unwrap(),
        prefixes: prefixes.iter().map(|it| (*it).to_owned()).collect(),
        imported: false,
        access_keys,
        scopes: std::collections::BTreeSet::new(),
        tiers: std::collections::BTreeSet::new(),
        default_tier: "standard".parse().unwrap(),
        counted_by: domain::CountedBy::Lineage,
        roles: std::collections::BTreeMap::new(),
        grants: Vec::new(),
        bucket_keys: None,
    };
    assert_eq!(kind(None, &terms(&["nx_"], false)), Ok(KeyKind::ApiKey));
    assert_eq!(kind(None, &terms(&["nx_"], true)), Ok(KeyKind::ApiKey));
    assert_eq!(kind(None, &terms(&[], true)), Ok(KeyKind::AccessKey));
    assert_eq!(kind(Some(KeyKind::AccessKey), &terms(&["nx_"], true)), Ok(KeyKind::AccessKey));
    assert!(kind(Some(KeyKind::AccessKey), &terms(&["nx_"], false)).is_err());
    assert!(kind(Some(KeyKind::ApiKey), &terms(&[], true)).is_err());
    assert!(kind(None, &terms(&[], false)).is_err());
}
