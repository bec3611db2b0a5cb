//! Keys that users hold: bounded by what their users may do, and gone with them.

use domain::{Change, DeedClass, KeyId, KeyRecord, Scope};
use identity::{
    ApiTerms, CreateKeyError, ImportKey, ImportKeyError, KeyState, NewKey, NewServiceAccount, NewTeam, Person,
    PlainKey, Registry as _, RotateKeyError, Terms,
};

use crate::desk::{Desk, acme, api, desk};

/// Two APIs whose roles hold other things.
fn terms() -> Terms {
    terms_with(&[("owner", &["compute", "data", "network"]), ("viewer", &["data"]), ("guest", &[])])
}

/// The same, with other roles at the first.
pub(crate) fn terms_with(nova: &[(&str, &[&str])]) -> Terms {
    let with = |api: ApiTerms, roles: &[(&str, &[&str])]| {
        let scopes = |it: &[&str]| it.iter().map(|it| it.parse().unwrap()).collect::<Vec<Scope>>();
        let roles = roles.iter().map(|(name, it)| (name.parse().unwrap(), scopes(it))).collect();
        ApiTerms { roles, ..api }
    };
    let nova = with(api("novastraxis", &["nsx_live_"]), nova);
    let nx = with(api("cloudnx", &[]), &[("owner", &["compute", "data", "network"]), ("viewer", &["network"])]);
    Terms::new([nova, nx])
}

fn key_for(owner: &str, api: &str, name: &str) -> NewKey {
    let scopes = ["compute", "data", "network"].map(|it| it.parse().unwrap()).into();
    NewKey { owner: Some(owner.to_owned()), scopes, ..NewKey::new(api.parse().unwrap(), acme(), name) }
}

impl Desk {
    /// A user with this role in both tenants, and another owner of each.
    async fn holder(&self, role: &str) -> Person {
        self.tenant("globex").await;
        let _ = self.person_in("zoe", &[("acme", &["owner"]), ("globex", &["owner"])]).await;
        self.person_in("ann", &[("acme", &[role]), ("globex", &[role])]).await
    }

    async fn held(&self, owner: &Person, api: &str, name: &str) -> KeyId {
        self.identity.create_key(&key_for(&owner.id, api, name), &terms()).await.unwrap().record.id
    }

    async fn held_at_globex(&self, owner: &Person) -> KeyId {
        let new = NewKey { tenant: "globex".parse().unwrap(), ..key_for(&owner.id, "novastraxis", "far") };
        self.identity.create_key(&new, &terms()).await.unwrap().record.id
    }

    /// What a key may do now; nothing where it opens nothing any more.
    async fn does(&self, id: &KeyId) -> Option<Vec<String>> {
        let key = self.key(id).await;
        let works = self.state(&key) == KeyState::Active;
        works.then(|| key.scopes.iter().map(ToString::to_string).collect())
    }

    async fn give(&self, user: &Person, roles: &[&str]) {
        let roles: Vec<_> = roles.iter().map(|it| it.parse().unwrap()).collect();
        self.identity.set_roles(&user.id, &acme(), &roles, &terms()).await.unwrap();
    }

    /// A key as it could be made before owners were looked at.
    async fn of_old(&self, owner: &str, name: &str) -> KeyId {
        let made =
            self.identity.create_key(&NewKey { owner: None, ..key_for("", "novastraxis", name) }, &terms()).await;
        let record = KeyRecord { owner: Some(owner.to_owned()), ..made.unwrap().record };
        let id = record.id.clone();
        let seen = self.store.version().await.unwrap();
        self.store.publish(seen, &[Change::Key(Box::new(record))], &[]).await.unwrap();
        id
    }
}

fn words(scopes: &[&str]) -> Vec<String> {
    scopes.iter().map(|it| (*it).to_owned()).collect()
}

#[tokio::test]
async fn a_key_of_a_user_does_no_more_than_its_user_may_now_or_later() {
    let desk = desk().await;
    let ann = desk.holder("owner").await;
    let (nova, nx) = (desk.held(&ann, "novastraxis", "a").await, desk.held(&ann, "cloudnx", "b").await);
    let far = desk.held_at_globex(&ann).await;
    assert_eq!(desk.does(&nova).await, Some(words(&["compute", "data", "network"])));
    desk.give(&ann, &["viewer"]).await;
    // At each API what the role holds there, and in another tenant what it was.
    assert_eq!((desk.does(&nova).await, desk.does(&nx).await), (Some(words(&["data"])), Some(words(&["network"]))));
    assert_eq!(desk.does(&far).await, Some(words(&["compute", "data", "network"])));
    // What was lost does not come back by itself, and a new one has what its user has.
    desk.give(&ann, &["owner"]).await;
    assert_eq!(desk.does(&nova).await, Some(words(&["data"])));
    desk.give(&ann, &["viewer"]).await;
    let later = desk.held(&ann, "novastraxis", "c").await;
    assert_eq!(desk.does(&later).await, Some(words(&["data"])));
    let next = desk.identity.rotate_key(&later, None, &terms()).await.unwrap().record;
    assert_eq!((desk.does(&next.id).await, next.owner.as_deref()), (Some(words(&["data"])), Some(ann.id.as_str())));
    let deeds = desk.deeds_of(DeedClass::Key).await;
    assert_eq!(deeds.iter().filter(|it| it.action == "narrow").count(), 2, "{deeds:#?}");
}

#[tokio::test]
async fn what_a_team_gave_the_keys_of_its_members_lose_with_it() {
    let desk = desk().await;
    let ann = desk.holder("viewer").await;
    let new = NewTeam { tenant: acme(), name: "Core".to_owned(), roles: vec!["owner".parse().unwrap()] };
    let team = desk.identity.create_team(&new, &terms()).await.unwrap();
    let new = identity::NewInvite {
        team: team.id.clone(),
        email: "ann@x.y".to_owned(),
        role: "viewer".parse().unwrap(),
        by: None,
    };
    let invited = desk.identity.create_invite(&new, &terms()).await.unwrap();
    let joining = identity::Joining::New { display: None, password: "correct horse" };
    desk.identity.accept_invite(invited.token.reveal(), joining, &terms()).await.unwrap();
    let member = desk.identity.person_called("acme/ann@x.y").await.unwrap().unwrap();
    let (theirs, hers) = (desk.held(&member, "novastraxis", "a").await, desk.held(&ann, "novastraxis", "b").await);
    assert_eq!(desk.does(&theirs).await, Some(words(&["compute", "data", "network"])));
    desk.identity.change_team(&team.id, None, Some(&[]), &terms()).await.unwrap();
    assert_eq!(desk.does(&theirs).await, Some(words(&["data"])));
    desk.identity.remove_member(&team.id, &member.id, &terms()).await.unwrap();
    assert_eq!((desk.does(&theirs).await, desk.does(&hers).await), (None, Some(words(&["data"]))), "nobody else's");
}

#[tokio::test]
async fn a_key_ends_with_its_user_and_in_the_tenant_that_they_have_left() {
    for (role_gone, action) in [(true, "roles"), (true, "expel"), (false, "suspend"), (false, "delete")] {
        let desk = desk().await;
        let ann = desk.holder("owner").await;
        let (near, far) = (desk.held(&ann, "novastraxis", "a").await, desk.held_at_globex(&ann).await);
        match action {
            "roles" => desk.give(&ann, &[]).await,
            "expel" => drop(desk.identity.expel(&ann.id, &acme()).await.unwrap()),
            "suspend" => drop(desk.identity.suspend_person(&ann.id).await.unwrap()),
            _ => drop(desk.identity.delete_person(&ann.id).await.unwrap()),
        }
        assert_eq!(desk.does(&near).await, None, "{action}");
        assert_eq!(desk.does(&far).await.is_some(), role_gone, "{action}");
        assert!(matches!(desk.identity.rotate_key(&near, None, &terms()).await, Err(RotateKeyError::Dead(..))));
        let deeds = desk.deeds_of(DeedClass::Key).await;
        let told = serde_json::to_string(deeds.iter().find(|it| it.action == "revoke").unwrap()).unwrap();
        assert!(told.contains(&ann.id), "{told}");
        if action == "suspend" {
            desk.identity.resume_person(&ann.id).await.unwrap();
            assert_eq!(desk.does(&near).await, None, "what has ended does not begin again");
        }
    }
}

#[tokio::test]
async fn nobody_holds_a_key_who_is_no_user_of_its_tenant_nor_a_service_account() {
    let desk = desk().await;
    desk.tenant("globex").await;
    let eve = desk.person_in("eve", &[("globex", &["owner"])]).await;
    let ben = desk.person("ben").await;
    for owner in [eve.id.as_str(), "usr_0000000000000000", "ops", "ben", "usr_x"] {
        let told = desk.identity.create_key(&key_for(owner, "novastraxis", "a"), &terms()).await;
        assert!(matches!(told, Err(CreateKeyError::UnknownOwner(..))), "{owner}: {told:?}");
        let key = PlainKey::Plain("a key from elsewhere".replace(' ', "-").into());
        let import = ImportKey { new: key_for(owner, "novastraxis", "a"), key };
        let told = desk.identity.import_keys(&[import], &terms()).await;
        assert!(matches!(told, Err(ImportKeyError::Create(CreateKeyError::UnknownOwner(..)))), "{owner}: {told:?}");
    }
    desk.identity.suspend_person(&ben.id).await.unwrap();
    let told = desk.identity.create_key(&key_for(&ben.id, "novastraxis", "a"), &terms()).await;
    assert!(matches!(told, Err(CreateKeyError::SuspendedOwner(_))), "{told:?}");
}

#[tokio::test]
async fn what_was_made_before_owners_were_looked_at_is_bounded_at_a_start() {
    let desk = desk().await;
    let ann = desk.holder("viewer").await;
    let (hers, word) = (desk.of_old(&ann.id, "a").await, desk.of_old("ops", "b").await);
    let (gone, free) = (desk.of_old("usr_0000000000000000", "c").await, desk.made("d").await.record.id);
    assert_eq!(desk.does(&hers).await, Some(words(&["compute", "data", "network"])));
    let lost = desk.of_old("sa_0000000000000000", "e").await;
    assert_eq!(desk.identity.fit_to_roles(&terms()).await.unwrap(), 4);
    assert_eq!(desk.identity.fit_to_roles(&terms()).await.unwrap(), 0, "once");
    assert_eq!(desk.does(&hers).await, Some(words(&["data"])));
    assert_eq!((desk.does(&word).await, desk.does(&gone).await, desk.does(&lost).await), (None, None, None));
    assert!(desk.does(&free).await.is_some(), "nobody holds it");
    let told = serde_json::to_string(&desk.deeds_of(DeedClass::Key).await).unwrap();
    assert!(!told.contains("ops"), "a word may be the name of a person: {told}");
}

#[tokio::test]
async fn what_a_role_loses_in_a_profile_is_lost_by_keys_and_sessions_and_what_it_gains_by_sessions_alone() {
    let desk = desk().await;
    let _ = desk.person_in("zoe", &[("acme", &["owner"])]).await;
    let ann = desk.person_in("ann", &[("acme", &["owner"])]).await;
    let new = NewServiceAccount {
        api: "novastraxis".parse().unwrap(),
        tenant: acme(),
        name: "reports".to_owned(),
        roles: vec!["owner".parse().unwrap()],
        permissions: vec!["network".parse().unwrap()],
        workloads: Vec::new(),
    };
    let account = desk.identity.create_service_account(&new, &terms()).await.unwrap();
    let (hers, far) = (desk.held(&ann, "novastraxis", "a").await, desk.held(&ann, "cloudnx", "b").await);
    let robot = desk.identity.create_key(&key_for(&account.id, "novastraxis", "c"), &terms()).await.unwrap().record.id;
    let (who, all) = (desk.signed_in("ann").await, terms());
    let session = desk.identity.begin_session(&who, all.of(&new.api).unwrap(), None).await.unwrap().grant.id;
    let gus = desk.person("gus").await;
    desk.give(&gus, &["guest"]).await;
    let (guest, nova) = (desk.signed_in("gus").await, all.of(&new.api).unwrap());
    let guest = desk.identity.begin_session(&guest, nova, None).await.unwrap().grant.id;
    assert_eq!(desk.identity.fit_to_roles(&terms()).await.unwrap(), 0, "nothing has changed");

    let less = terms_with(&[("owner", &["data"]), ("guest", &[])]);
    assert_eq!(desk.identity.fit_to_roles(&less).await.unwrap(), 3);
    assert_eq!((desk.does(&hers).await, desk.does(&session).await), (Some(words(&["data"])), Some(words(&["data"]))));
    assert_eq!(desk.does(&robot).await, Some(words(&["data", "network"])), "one was given to it besides its role");
    assert_eq!(
        desk.does(&far).await,
        Some(words(&["compute", "data", "network"])),
        "the role is another at another API"
    );
    assert_eq!(desk.does(&guest).await, Some(Vec::new()), "a role that may do nothing is one");
    let told = serde_json::to_string(&desk.deeds_of(DeedClass::Key).await).unwrap();
    assert!([&hers, &session, &robot].iter().all(|it| told.contains(it.as_str())), "{told}");

    assert_eq!(desk.identity.fit_to_roles(&terms()).await.unwrap(), 1);
    assert_eq!(desk.does(&session).await, Some(words(&["compute", "data", "network"])));
    assert_eq!(desk.does(&hers).await, Some(words(&["data"])), "no key gains what it was not given");

    // Without the API nothing is known of its roles; with its roles gone nobody may do anything.
    let (none, gone) = (Terms::new([all.of(&"cloudnx".parse().unwrap()).unwrap().clone()]), terms_with(&[]));
    assert_eq!(desk.identity.fit_to_roles(&none).await.unwrap(), 0);
    assert_eq!(desk.identity.fit_to_roles(&gone).await.unwrap(), 4);
    assert_eq!((desk.does(&session).await, desk.does(&guest).await), (None, None));
    let ends = desk.deeds_of(DeedClass::SessionEnd).await;
    assert!(ends.iter().any(|it| it.action == "end" && it.facts["user"] == ann.id), "it is said whose: {ends:?}");
    assert_eq!(desk.does(&robot).await, Some(words(&["network"])));
}
