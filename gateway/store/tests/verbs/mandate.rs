//! What somebody may do to others by what they hold: judged again as a change is made, by what they hold then.

use std::collections::BTreeMap;

use domain::{DeedClass, KeyRecord, RoleName, Scope};
use identity::{
    ChangePersonError, ChangeTeamError, CreateKeyError, CreatePersonError, Mandate, NewKey, NewPerson,
    NewServiceAccount, Over, Registry as _, RevokeKeyError,
};

use crate::desk::{Desk, NOW, acme, desk};
use crate::people::terms;

impl Desk {
    /// What somebody may do in a session that they begin for it.
    async fn mandate(&self, user: &str, over: Over, roles: &[&str]) -> Mandate {
        let session = self.session(user).await.grant;
        Mandate {
            credential: session.id,
            user: session.owner,
            api: session.api,
            tenant: acme(),
            scopes: session.scopes.into_iter().collect(),
            over,
            roles: roles.iter().map(|it| it.parse().unwrap()).collect(),
            given: Vec::new(),
            terms: terms(),
        }
    }

    async fn holds(&self, mandate: &Mandate) -> bool {
        self.identity.holds(mandate).await.unwrap()
    }
}

fn roles(names: &[&str]) -> Vec<RoleName> {
    names.iter().map(|it| it.parse().unwrap()).collect()
}

#[tokio::test]
async fn nobody_holds_more_than_their_credential_and_they_do_themselves() {
    let desk = desk().await;
    let _ = desk.person_in("zoe", &[("acme", &["owner"])]).await;
    let ben = desk.person("ben").await;
    for (user, role, holds) in
        [("zoe", "owner", true), ("zoe", "viewer", true), ("ben", "viewer", true), ("ben", "owner", false)]
    {
        assert_eq!(desk.holds(&desk.mandate(user, Over::Nobody, &[role]).await).await, holds, "{user} {role}");
    }
    assert!(desk.holds(&desk.mandate("zoe", Over::User(ben.id.clone()), &[]).await).await);
    let zoe = desk.mandate("zoe", Over::Nobody, &[]).await.user.unwrap();
    assert!(!desk.holds(&desk.mandate("ben", Over::User(zoe), &[]).await).await);
    // A session that was begun for less does less, whatever its user is.
    let narrow =
        Mandate { scopes: ["data".parse().unwrap()].into(), ..desk.mandate("zoe", Over::Nobody, &["owner"]).await };
    assert!(!desk.holds(&narrow).await);
    // One that has ended does nothing.
    let ended = desk.mandate("zoe", Over::Nobody, &["viewer"]).await;
    desk.identity.end_grant(&ended.credential, "end").await.unwrap();
    assert!(!desk.holds(&ended).await);
    // Nor does one that is suspended, has expired, or was replaced and has no more time.
    let dead: [fn(KeyRecord) -> KeyRecord; 3] = [
        |it| KeyRecord { suspended: Some(NOW), ..it },
        |it| KeyRecord { expires: Some(NOW), ..it },
        |it| KeyRecord { overlap: Some(domain::Overlap { since: NOW, until: NOW }), ..it },
    ];
    for die in dead {
        let mandate = desk.mandate("zoe", Over::Nobody, &["viewer"]).await;
        assert!(desk.holds(&mandate).await);
        let record = die(desk.key(&mandate.credential).await);
        let seen = desk.store.version().await.unwrap();
        desk.store.publish(seen, &[domain::Change::Key(Box::new(record.clone()))], &[]).await.unwrap();
        assert!(!desk.holds(&mandate).await, "{record:?}");
    }
    // Nor any of a tenant that is suspended.
    let mandate = desk.mandate("zoe", Over::Nobody, &["viewer"]).await;
    desk.identity.suspend_tenant(&acme()).await.unwrap();
    assert!(!desk.holds(&mandate).await);
}

#[tokio::test]
async fn what_was_lost_after_it_was_judged_does_nothing_any_more() {
    let desk = desk().await;
    let _ = desk.person_in("zoe", &[("acme", &["owner"])]).await;
    let ann = desk.person_in("ann", &[("acme", &["owner"])]).await;
    let (ben, new) = (desk.person("ben").await, "a password that is long");
    // Whoever asks loses their role.
    let mandate = desk.mandate("ann", Over::User(ben.id.clone()), &["owner"]).await;
    assert!(desk.holds(&mandate).await);
    let acting = desk.identity.clone().under(mandate);
    desk.identity.set_roles(&ann.id, &acme(), &roles(&["viewer"]), &terms()).await.unwrap();
    let given = acting.set_roles(&ben.id, &acme(), &roles(&["owner"]), &terms()).await;
    assert!(matches!(&given, Err(ChangePersonError::Store(it)) if it.is_outgrown()), "{given:?}");
    let made = NewPerson {
        name: "eve".to_owned(),
        password: Some(new.to_owned()),
        roles: BTreeMap::from([(acme(), roles(&["owner"]))]),
        ..NewPerson::default()
    };
    let made = acting.create_person(&made, &terms()).await;
    assert!(matches!(&made, Err(CreatePersonError::Store(it)) if it.is_outgrown()), "{made:?}");
    // Whom it is done to gains more than whoever asks has.
    let mandate = desk.mandate("ann", Over::User(ben.id.clone()), &[]).await;
    let acting = desk.identity.clone().under(mandate);
    acting.rename_person(&ben.id, "Ben").await.unwrap();
    desk.identity.set_roles(&ben.id, &acme(), &roles(&["owner"]), &terms()).await.unwrap();
    let set = acting.set_password(&ben.id, new, None).await;
    assert!(matches!(&set, Err(ChangePersonError::Store(it)) if it.is_outgrown()), "{set:?}");
    assert!(desk.identity.sign_in("ben", new, None).await.is_err(), "the password was given all the same");
}

#[tokio::test]
async fn no_key_is_minted_or_ended_by_a_credential_that_ended_while_it_waited_for_its_turn() {
    let desk = desk().await;
    let _ = desk.person_in("zoe", &[("acme", &["owner"])]).await;
    let given: Vec<Scope> = vec!["compute".parse().unwrap()];
    let account = NewServiceAccount {
        api: "cloudnx".parse().unwrap(),
        tenant: acme(),
        name: "deploy".to_owned(),
        roles: Vec::new(),
        permissions: given.clone(),
        workloads: Vec::new(),
    };
    let account = desk.identity.create_service_account(&account, &terms()).await.unwrap();
    let key = |name: &str| NewKey {
        owner: Some(account.id.clone()),
        scopes: given.clone(),
        ..NewKey::new("cloudnx".parse().unwrap(), acme(), name)
    };
    let mints = Mandate { given: given.clone(), ..desk.mandate("zoe", Over::Nobody, &[]).await };
    let over = desk.mandate("zoe", Over::Account(account.id.clone()), &[]).await;
    let (minting, ending) = (desk.identity.clone().under(mints.clone()), desk.identity.clone().under(over.clone()));
    let made = minting.create_key(&key("one"), &terms()).await.unwrap().record;
    // Nobody mints, or acts on, what they do not have.
    let less = |it: &Mandate| Mandate { scopes: ["data".parse().unwrap()].into(), ..it.clone() };
    assert!(!desk.holds(&less(&mints)).await && !desk.holds(&less(&over)).await);
    for it in [&mints, &over] {
        desk.identity.end_grant(&it.credential, "end").await.unwrap();
    }
    let late = minting.create_key(&key("two"), &terms()).await;
    assert!(matches!(&late, Err(CreateKeyError::Store(it)) if it.is_outgrown()), "{late:?}");
    let late = ending.revoke_key(&made.id).await;
    assert!(matches!(&late, Err(RevokeKeyError::Store(it)) if it.is_outgrown()), "{late:?}");
    let late = ending.delete_service_account(&account.id).await;
    assert!(late.is_err() && desk.key(&made.id).await.revoked.is_none());
    let told = serde_json::to_string(&desk.deeds_of(DeedClass::Key).await).unwrap();
    assert!(told.contains("holds less by now") && !told.contains("the store failed"), "{told}");
}

#[tokio::test]
async fn who_is_taken_out_of_a_team_or_not_let_in_has_what_the_team_gives_by_then() {
    let desk = desk().await;
    for (name, role) in [("zoe", "owner"), ("ann", "viewer")] {
        let _ = desk.person_in(name, &[("acme", &[role])]).await;
    }
    let team = desk.team("Platform", &["viewer"]).await;
    let member = desk.member(&team, "ben@example.com", "viewer").await;
    let raised = desk.member(&team, "max@example.com", "owner").await;
    let invite = desk.invite(&team, "eve@example.com", "viewer").await.unwrap().invite;
    let higher = desk.invite(&team, "joe@example.com", "owner").await.unwrap().invite;
    let within = |user: &str| Over::User(user.to_owned());
    let invited = |it: &str| Over::Invite { team: team.id.clone(), invite: it.to_owned() };
    for over in [within(&raised.id), invited(&higher.id)] {
        assert!(!desk.holds(&desk.mandate("ann", over.clone(), &[]).await).await, "{over:?}");
        assert!(desk.holds(&desk.mandate("zoe", over, &[]).await).await);
    }
    let (mut over, joining) = (vec![within(&member.id), invited(&invite.id)], Over::Joining(team.id.clone()));
    over.push(joining.clone());
    let mut mandates = Vec::new();
    for it in over {
        mandates.push(desk.mandate("ann", it, &["viewer"]).await);
    }
    for it in &mandates {
        assert!(desk.holds(it).await, "{:?}", it.over);
    }
    assert!(!desk.holds(&desk.mandate("ann", joining, &["owner"]).await).await);
    desk.identity.change_team(&team.id, None, Some(&roles(&["owner"])), &terms()).await.unwrap();
    for it in &mandates {
        assert!(!desk.holds(it).await, "{:?}", it.over);
    }
    let acting = |it: &Mandate| desk.identity.clone().under(it.clone());
    let removed = acting(&mandates[0]).remove_member(&team.id, &member.id, &terms()).await;
    assert!(matches!(&removed, Err(ChangeTeamError::Store(it)) if it.is_outgrown()), "{removed:?}");
    let revoked = acting(&mandates[1]).revoke_invite(&team.id, &invite.id).await;
    assert!(matches!(&revoked, Err(ChangeTeamError::Store(it)) if it.is_outgrown()), "{revoked:?}");
}
