//! Keys that open one resource.

use domain::Bound;

use super::*;

#[test]
fn a_bound_key_is_permitted_what_names_its_resource_and_nothing_else() {
    let bench = Bench::with(&[grant(ALL)]);
    let bound = Bound { parameter: "id".to_owned(), value: "t1".to_owned() };
    let good = standing("t", &["things:read", "things:write"]);
    let caller = caller(Standing { bound: Some(bound), ..good });
    let ask = |operation: &str, parameters: &[&str]| {
        let call = call(&bench.api, operation, parameters);
        bench.authorizer.authorize(&call, Some(&caller), &arrival()).map(drop).map_err(|it| it.reason())
    };
    assert_eq!(ask("getThing", &["t1"]), Ok(()));
    assert_eq!(ask("getPart", &["t1", "p"]), Ok(()));
    for (operation, parameters) in [
        ("getThing", &["t2"][..]),
        ("getThing", &["T1"]),
        ("getThing", &[""]),
        ("getPart", &["p", "t1"]),
        // Those that name none, even where anybody may ask.
        ("listThings", &[]),
        ("status", &[]),
    ] {
        assert_eq!(ask(operation, parameters), Err(Reason::OtherResource), "{operation} {parameters:?}");
    }
}
