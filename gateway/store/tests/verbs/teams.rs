//! Teams: what they make of their members, who joins them by an invite, and that somebody is left to look after a tenant.

use std::sync::Arc;
use std::time::Duration;

use domain::{DeedClass, KeyId};
use identity::{
    AcceptInviteError, ChangePersonError, ChangeTeamError, CreateInviteError, CreateTeamError, Joining, MadeInvite,
    NewInvite, NewPerson, NewTeam, Person, Team,
};

use crate::desk::{DAY, Desk, acme, desk};
use crate::people::{PASSWORD, terms};

impl Desk {
    pub(crate) async fn team(&self, name: &str, roles: &[&str]) -> Team {
        let roles = roles.iter().map(|it| it.parse().unwrap()).collect();
        let new = NewTeam { tenant: acme(), name: name.to_owned(), roles };
        self.identity.create_team(&new, &terms()).await.unwrap()
    }

    pub(crate) async fn invite(&self, team: &Team, email: &str, role: &str) -> Result<MadeInvite, CreateInviteError> {
        let new = NewInvite { team: team.id.clone(), email: email.to_owned(), role: role.parse().unwrap(), by: None };
        self.identity.create_invite(&new, &terms()).await
    }

    async fn accept(&self, token: &str, who: Joining<'_>) -> Result<Team, AcceptInviteError> {
        Ok(self.identity.accept_invite(token, who, &terms()).await?.team)
    }

    /// Somebody who is in a team by an invite.
    pub(crate) async fn member(&self, team: &Team, email: &str, role: &str) -> Person {
        let made = self.invite(team, email, role).await.unwrap();
        self.accept(made.token.reveal(), newcomer()).await.unwrap();
        self.identity.person_called(&format!("acme/{email}")).await.unwrap().unwrap()
    }

    async fn roles(&self, user: &str) -> Vec<String> {
        let all = self.identity.memberships(user).await.unwrap();
        all.iter().filter(|it| it.tenant == acme()).flat_map(|it| &it.roles).map(ToString::to_string).collect()
    }

    async fn scopes(&self, id: &KeyId) -> Vec<String> {
        self.key(id).await.scopes.iter().map(ToString::to_string).collect()
    }
}

fn newcomer() -> Joining<'static> {
    Joining::New { display: Some("Zoe"), password: PASSWORD }
}

#[tokio::test]
async fn who_joins_a_team_is_what_it_makes_them_until_they_are_not_in_it_any_more() {
    let desk = desk().await;
    let team = desk.team("Platform", &["viewer"]).await;
    let ann = desk.member(&team, "Ann@example.com", "owner").await;
    assert_eq!(
        (ann.name.as_str(), desk.roles(&ann.id).await),
        ("acme/Ann@example.com", vec!["owner".into(), "viewer".into()])
    );
    let bob = desk.person_in("bob@example.com", &[("acme", &["viewer"])]).await;
    let invite = desk.invite(&team, "BOB@example.com", "owner").await.unwrap();
    desk.accept(invite.token.reveal(), Joining::User(&bob.id)).await.unwrap();
    assert_eq!(desk.roles(&bob.id).await, ["owner", "viewer"]);
    let members = desk.identity.members_of(&team).await.unwrap();
    let names: Vec<(&str, &str)> = members.iter().map(|it| (it.user.as_str(), it.role.as_str())).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&(ann.id.as_str(), "owner")) && names.contains(&(bob.id.as_str(), "owner")), "{names:?}");
    desk.identity.remove_member(&team.id, &bob.id, &terms()).await.unwrap();
    assert_eq!(desk.roles(&bob.id).await, ["viewer"], "what they are by themselves they stay");
    let gone = desk.identity.remove_member(&team.id, &bob.id, &terms()).await;
    assert!(matches!(gone, Err(ChangeTeamError::NoMember(_))));
    let deeds = desk.deeds_of(DeedClass::Group).await;
    let actions: Vec<&str> = deeds.iter().filter(|it| it.refused.is_none()).map(|it| it.action.as_str()).collect();
    assert_eq!(actions, ["create", "invite", "join", "invite", "join", "remove_member"]);
    assert_eq!(deeds[2].actor, ann.id, "joining is their own deed");
    let shown = format!("{deeds:?} {:?}", desk.deeds_of(DeedClass::Role).await).to_lowercase();
    assert!(!shown.contains("example.com") && !shown.contains("platform") && !shown.contains("ivt_"), "{shown}");
}

#[tokio::test]
async fn what_a_member_may_do_changes_with_the_team_in_the_session_they_are_in() {
    let desk = desk().await;
    let team = desk.team("Platform", &["viewer"]).await;
    desk.person_in("owner", &[("acme", &["owner"])]).await;
    let ann = desk.member(&team, "ann@example.com", "viewer").await;
    let session = desk.session("acme/ann@example.com").await.grant.id;
    assert_eq!(desk.scopes(&session).await, ["data"]);
    let change = async |roles: &[&str]| {
        let roles: Vec<_> = roles.iter().map(|it| it.parse().unwrap()).collect();
        desk.identity.change_team(&team.id, None, Some(&roles), &terms()).await.unwrap()
    };
    change(&["owner"]).await;
    assert_eq!(desk.scopes(&session).await, ["compute", "data", "network"]);
    change(&[]).await;
    assert_eq!((desk.scopes(&session).await, desk.roles(&ann.id).await), (vec!["data".into()], vec!["viewer".into()]));
    let other = desk.session("owner").await.grant.id;
    desk.identity.delete_team(&team.id, &terms()).await.unwrap();
    assert!(desk.key(&session).await.revoked.is_some(), "nothing is left that they could do");
    assert!(desk.key(&other).await.revoked.is_none());
    assert!(desk.roles(&ann.id).await.is_empty());
    assert!(desk.identity.team(&team.id).await.unwrap().is_none());
    assert!(desk.identity.person(&ann.id).await.unwrap().is_some(), "they are known still");
}

#[tokio::test]
async fn an_invite_is_good_once_for_a_week_and_for_whom_it_is_meant() {
    let desk = desk().await;
    let team = desk.team("Platform", &[]).await;
    let eve = desk.person("eve@example.com").await;
    let one = desk.invite(&team, "ann@example.com", "viewer").await.unwrap();
    assert!(one.token.reveal().starts_with("ivt_") && !format!("{one:?}").contains(one.token.reveal()));
    let token = one.token.reveal();
    assert!(matches!(desk.accept("ivt_nobody", newcomer()).await, Err(AcceptInviteError::Unknown)));
    assert!(matches!(desk.accept(&one.invite.id, newcomer()).await, Err(AcceptInviteError::Unknown)));
    assert!(matches!(desk.accept(token, Joining::User(&eve.id)).await, Err(AcceptInviteError::ForAnother)));
    let weak = Joining::New { display: None, password: "ann@example.com" };
    assert!(matches!(desk.accept(token, weak).await, Err(AcceptInviteError::Password(_))));
    assert!(matches!(desk.invite(&team, "ANN@example.com", "viewer").await, Err(CreateInviteError::Already)));
    desk.accept(token, newcomer()).await.unwrap();
    assert!(matches!(desk.accept(token, newcomer()).await, Err(AcceptInviteError::Gone)));
    assert!(matches!(desk.invite(&team, "ann@example.com", "viewer").await, Err(CreateInviteError::Already)));
    // One who is known signs in, and is not made anew with a password of somebody else's.
    let known = desk.invite(&team, "eve@example.com", "viewer").await.unwrap();
    assert!(matches!(desk.accept(known.token.reveal(), newcomer()).await, Err(AcceptInviteError::Known)));
    // Who is another tenant's own is not whom this one means, whatever address that one says they have.
    let globex = desk.tenant("globex").await.id;
    let new = NewPerson {
        name: "zoe@example.com".to_owned(),
        home: Some(globex.clone()),
        email: Some("zoe@example.com".to_owned()),
        roles: [(globex, vec!["viewer".parse().unwrap()])].into(),
        ..NewPerson::default()
    };
    let theirs = desk.identity.create_person(&new, &terms()).await.unwrap();
    let zoe = desk.invite(&team, "zoe@example.com", "viewer").await.unwrap();
    let refused = desk.accept(zoe.token.reveal(), Joining::User(&theirs.id)).await;
    assert!(matches!(refused, Err(AcceptInviteError::ForAnother)));
    desk.accept(zoe.token.reveal(), newcomer()).await.unwrap();
    desk.identity.suspend_person(&eve.id).await.unwrap();
    let suspended = desk.accept(known.token.reveal(), Joining::User(&eve.id)).await;
    assert!(matches!(suspended, Err(AcceptInviteError::Suspended)));
    desk.identity.revoke_invite(&team.id, &known.invite.id).await.unwrap();
    assert!(matches!(desk.accept(known.token.reveal(), newcomer()).await, Err(AcceptInviteError::Gone)));
    let unknown = desk.identity.revoke_invite(&team.id, "inv_nobody").await;
    assert!(matches!(unknown, Err(ChangeTeamError::NoInvite(_))));
    let late = desk.invite(&team, "late@example.com", "viewer").await.unwrap();
    desk.clock.advance(DAY * 7);
    assert!(matches!(desk.accept(late.token.reveal(), newcomer()).await, Err(AcceptInviteError::Gone)));
    desk.clock.advance(DAY * 31);
    desk.identity.registry().sweep(domain::Clock::now(&*desk.clock).wall).await.unwrap();
    assert!(matches!(desk.accept(late.token.reveal(), newcomer()).await, Err(AcceptInviteError::Unknown)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_show_one_invite_at_once_one_joins() {
    let desk = Arc::new(desk().await);
    let team = desk.team("Platform", &[]).await;
    let made = desk.invite(&team, "ann@example.com", "viewer").await.unwrap();
    let token = made.token.reveal().to_owned();
    let tries = (0..8).map(|_| {
        let (desk, token) = (Arc::clone(&desk), token.clone());
        tokio::spawn(async move { desk.accept(&token, newcomer()).await.is_ok() })
    });
    let mut joined = 0;
    for it in tries.collect::<Vec<_>>() {
        joined += usize::from(it.await.unwrap());
    }
    assert_eq!((joined, desk.identity.members_of(&team).await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn somebody_is_left_to_look_after_a_tenant_however_they_came_to_it() {
    let desk = desk().await;
    let team = desk.team("Owners", &["owner"]).await;
    let ann = desk.member(&team, "ann@example.com", "viewer").await;
    let bob = desk.person_in("bob", &[("acme", &["viewer"])]).await;
    let viewer = ["viewer".parse().unwrap()];
    let last = |it: &Result<Team, ChangeTeamError>| matches!(it, Err(ChangeTeamError::LastOwner(_)));
    assert!(last(&desk.identity.remove_member(&team.id, &ann.id, &terms()).await));
    assert!(last(&desk.identity.delete_team(&team.id, &terms()).await));
    assert!(last(&desk.identity.change_team(&team.id, None, Some(&viewer), &terms()).await));
    let deleted = desk.identity.delete_person(&ann.id).await;
    assert!(matches!(deleted, Err(ChangePersonError::LastOwner(_))));
    assert!(matches!(desk.identity.expel(&ann.id, &acme()).await, Err(ChangePersonError::LastOwner(_))));
    let suspended = desk.identity.suspend_person(&ann.id).await;
    assert!(matches!(suspended, Err(ChangePersonError::LastOwner(_))));
    // Where that cannot wait it is said, and they may be resumed and suspended again.
    assert!(desk.identity.suspend_even_last_owner(&ann.id).await.unwrap().suspended);
    assert!(desk.identity.suspend_person(&ann.id).await.is_ok(), "they look after nothing any more");
    desk.identity.resume_person(&ann.id).await.unwrap();
    // Being an owner twice is being one.
    let owner = ["owner".parse().unwrap()];
    desk.identity.set_roles(&ann.id, &acme(), &owner, &terms()).await.unwrap();
    desk.identity.set_roles(&ann.id, &acme(), &[], &terms()).await.unwrap();
    desk.identity.set_roles(&bob.id, &acme(), &owner, &terms()).await.unwrap();
    // One who may not sign in looks after nothing.
    desk.identity.suspend_person(&bob.id).await.unwrap();
    assert!(last(&desk.identity.remove_member(&team.id, &ann.id, &terms()).await));
    desk.identity.resume_person(&bob.id).await.unwrap();
    desk.identity.expel(&ann.id, &acme()).await.unwrap();
    assert!(desk.roles(&ann.id).await.is_empty() && desk.identity.members_of(&team).await.unwrap().is_empty());
    desk.identity.delete_team(&team.id, &terms()).await.unwrap();
}

#[tokio::test]
async fn there_are_so_many_teams_and_open_invites_and_no_more() {
    let desk = desk().await;
    let team = desk.team("0", &[]).await;
    for number in 1..100 {
        desk.team(&number.to_string(), &[]).await;
    }
    let new =
        |name: &str, role: &str| NewTeam { tenant: acme(), name: name.to_owned(), roles: vec![role.parse().unwrap()] };
    let make = async |name: &str, role: &str| desk.identity.create_team(&new(name, role), &terms()).await;
    assert!(matches!(make("7", "viewer").await, Err(CreateTeamError::NameTaken(_))));
    assert!(matches!(make("100", "king").await, Err(CreateTeamError::Role(_))));
    assert!(matches!(make("", "viewer").await, Err(CreateTeamError::Unfit(_))));
    assert!(matches!(make("100", "viewer").await, Err(CreateTeamError::TooMany(_))));
    for number in 0..100 {
        desk.invite(&team, &format!("u{number}@example.com"), "viewer").await.unwrap();
    }
    assert!(matches!(desk.invite(&team, "x@example.com", "viewer").await, Err(CreateInviteError::TooMany)));
    assert!(matches!(desk.invite(&team, "x", "viewer").await, Err(CreateInviteError::Email)));
    assert!(matches!(desk.invite(&team, "x@example.com", "king").await, Err(CreateInviteError::Role(_))));
    desk.clock.advance(Duration::from_hours(24 * 8));
    desk.invite(&team, "x@example.com", "viewer").await.unwrap();
    let named = desk.identity.change_team(&team.id, Some("7"), None, &terms()).await;
    assert!(matches!(named, Err(ChangeTeamError::NameTaken(_))));
    assert_eq!(desk.identity.change_team(&team.id, Some("Core"), None, &terms()).await.unwrap().name, "Core");
}
