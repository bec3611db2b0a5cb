//! Whose a name is: everywhere where an operator has given it, and in one tenant where that has.

use domain::TenantId;
use identity::{BadRole, ChangePersonError, CreatePersonError, NewPerson, SignIn};

use crate::desk::{acme, desk};
use crate::people::{PASSWORD, terms};

#[tokio::test]
async fn what_a_tenant_calls_its_own_user_takes_no_name_from_anybody_and_reaches_nowhere_else() {
    let desk = desk().await;
    let globex = desk.tenant("globex").await.id;
    let own = async |tenant: &TenantId, password: &str| {
        let new = NewPerson {
            name: "Ann@example.com".to_owned(),
            home: Some(tenant.clone()),
            email: Some("Ann@example.com".to_owned()),
            password: Some(password.to_owned()),
            roles: [(tenant.clone(), vec!["viewer".parse().unwrap()])].into(),
            ..NewPerson::default()
        };
        desk.identity.create_person(&new, &terms()).await
    };
    let first = own(&acme(), "a horse of acme").await.unwrap();
    assert_eq!((first.name.as_str(), first.home.as_ref()), ("acme/Ann@example.com", Some(&acme())));
    assert!(matches!(own(&acme(), PASSWORD).await, Err(CreatePersonError::Taken(_))));
    // Whose address it is can be made known all the same: by whoever operates the gateway, and by another tenant.
    let (real, other) = (desk.person("ann@example.com").await, own(&globex, "a horse of globex").await.unwrap());
    for (name, password, user) in [
        ("ACME/ann@example.com", "a horse of acme", None),
        ("acme/ANN@example.com", "a horse of acme", Some(&first)),
        ("globex/ann@example.com", "a horse of globex", Some(&other)),
        ("globex/ann@example.com", "a horse of acme", None),
        ("ann@example.com", "a horse of acme", None),
        ("ann@example.com", PASSWORD, Some(&real)),
        ("acme/ann@example.com", PASSWORD, None),
    ] {
        let let_in = match desk.identity.sign_in(name, password, None).await {
            Ok(SignIn::Done(who)) => Some(who.user().to_owned()),
            Ok(SignIn::CodeWanted(_)) | Err(_) => None,
        };
        assert_eq!(let_in.as_ref(), user.map(|it| &it.id), "{name}");
    }
    let elsewhere = desk.identity.set_roles(&first.id, &globex, &["viewer".parse().unwrap()], &terms()).await;
    assert!(matches!(elsewhere, Err(ChangePersonError::Role(BadRole::Elsewhere(it))) if it == acme()));
    assert_eq!(real.names().collect::<Vec<_>>(), ["ann@example.com"]);
    assert_eq!(first.names().collect::<Vec<_>>(), ["acme/Ann@example.com"], "by the address it is somebody else");
}
