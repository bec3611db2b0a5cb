//! What the way of every request may cost.

use allocation_counter::measure;

use crate::{arrival, host, load, shipped};

#[test]
fn identifying_allocates_nothing_but_the_values_of_parameters() {
    let catalog = load(&shipped());
    for (target, most) in [
        ("api.novastraxis.com/v2/compute/instances?region=eu-1", 0),
        // Where the values stand in the path, the list of values, and the one value in it.
        ("api.novastraxis.com/v2/compute/instances/nsx-i-1", 3),
    ] {
        let method = if most == 0 { "GET" } else { "DELETE" };
        let arrival = arrival(method, target);
        let host = host(&catalog, &arrival);
        let mut call = None;
        let spent = measure(|| call = catalog.identify(host, &arrival).ok());
        assert!(call.is_some(), "{target}");
        assert!(spent.count_total <= most, "{target}: {} allocations", spent.count_total);
    }
}

#[test]
fn looking_things_up_for_a_call_allocates_nothing() {
    let catalog = load(&shipped());
    let arrival = arrival("GET", "api.novastraxis.com/v2/compute/instances");
    let call = catalog.identify(host(&catalog, &arrival), &arrival).unwrap();
    let spent = measure(|| {
        std::hint::black_box(catalog.profile(&call));
        std::hint::black_box(catalog.dialect(&call));
        std::hint::black_box(catalog.upstream(&call));
        std::hint::black_box(catalog.notices(&call, arrival.at.wall));
    });
    assert_eq!(spent.count_total, 0);
}
