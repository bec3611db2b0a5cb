use proptest::prelude::*;

use super::*;
use crate::cbor::entry_of;

/// The index of one bundle, of which every tenth entry is none.
fn index() -> Vec<u8> {
    let mut builder = Builder::new(7);
    for place in 0..FULL {
        let (tenant, id) = (format!("tenant-{}", place % 3), format!("{place:032x}"));
        let entry = entry_of(|it| {
            it.signed("time", i64::try_from(place).unwrap());
            it.text("cause", &id);
            it.text("tenant", &tenant);
        });
        builder.add(1, place, if place % 10 == 0 { b"none" } else { &entry });
    }
    builder.finish()
}

fn asked(bytes: Vec<u8>, tenant: &str) -> Result<Vec<Spot>, NotAnIndex> {
    let filter = Filter { tenant: Some(tenant.to_owned()), ..Filter::default() };
    Index::of(bytes, 7).and_then(|it| file::spots(&it, &filter))
}

#[test]
fn it_names_the_places_of_a_term_and_of_what_is_no_entry() {
    let wanted = |place: &usize| place.is_multiple_of(10) || place % 3 == 1;
    let only = (0..FULL).filter(wanted).map(|it| u8::try_from(it).unwrap()).collect();
    assert_eq!(asked(index(), "tenant-1"), Ok(vec![Spot { bundle: 7 * BUNDLES + 1, only: Some(only) }]));
    let odd = (0..FULL).filter(|it| it.is_multiple_of(10)).map(|it| u8::try_from(it).unwrap()).collect();
    assert_eq!(asked(index(), "nobody"), Ok(vec![Spot { bundle: 7 * BUNDLES + 1, only: Some(odd) }]));
}

#[test]
fn one_of_another_segment_or_with_more_than_there_can_be_is_none() {
    let filter = Filter::default();
    assert_eq!(Index::of(index(), 8).and_then(|it| file::spots(&it, &filter)), Err(NotAnIndex));
    for count in [16, 20, 24] {
        let mut content = vec![0; 5_000];
        content[..8].copy_from_slice(file::MAGIC);
        content[8] = 7;
        assert!(Index::of(pages::pages(7, &content), 7).is_ok());
        content[count + 3] = 1;
        assert!(Index::of(pages::pages(7, &content), 7).is_err(), "{count}");
    }
}

proptest! {
    #[test]
    fn a_changed_bit_is_noticed_or_changes_no_answer(at in any::<prop::sample::Index>(), bit in 0_u8..8, kept in any::<prop::sample::Index>()) {
        let good = index();
        let mut changed = good.clone();
        changed[at.index(good.len())] ^= 1 << bit;
        let cut = good[..kept.index(good.len())].to_vec();
        let expected = asked(good, "tenant-2");
        for bytes in [changed, cut] {
            let told = asked(bytes, "tenant-2");
            prop_assert!(told == expected || told == Err(NotAnIndex));
        }
    }
}
