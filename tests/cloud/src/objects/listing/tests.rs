//! The laws of walking through a bucket, against a plain reading of what a delimiter means.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use domain::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::blobs::Blobs;

fn bucket_of(keys: &BTreeSet<String>) -> (Bucket, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let blobs = Blobs::in_folder(folder.path()).unwrap();
    let nothing = futures::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::new())]);
    let blob = runtime.block_on(blobs.keep(nothing, 10)).unwrap();
    let mut bucket = Bucket::new(Timestamp::from_seconds(0));
    for key in keys {
        let object = Object {
            blob: Arc::clone(&blob),
            etag: String::new(),
            modified: Timestamp::from_seconds(0),
            attributes: crate::objects::shelf::Attributes::default(),
            checksum: s3s::dto::Checksum::default(),
            parts: Vec::new(),
        };
        bucket.objects.insert(key.clone(), object);
    }
    (bucket, folder)
}

/// Every key and every group, each once, in order.
fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let mut all = BTreeSet::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let group = delimiter.and_then(|it| {
            rest.split(it).next().filter(|head| *head != rest).map(|head| format!("{prefix}{head}{it}"))
        });
        all.insert(group.unwrap_or_else(|| key.clone()));
    }
    all.into_iter().collect()
}

proptest! {
    #[test]
    fn a_walk_shows_every_key_and_every_group_once_whatever_the_page(
        keys in prop::collection::btree_set("[ab/%+]{1,5}", 0..40),
        prefix in "[ab/]{0,2}",
        delimited in any::<bool>(),
        most in 1_i32..5,
    ) {
        let delimiter = delimited.then_some("/");
        let (bucket, _folder) = bucket_of(&keys);
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = page(&bucket, Some(&prefix), delimiter, after.as_deref(), most);
            let mut shown: Vec<String> = page.keys.iter().map(|(key, _)| (*key).to_owned()).collect();
            shown.extend(page.prefixes.clone());
            shown.sort();
            prop_assert!(shown.len() <= usize::try_from(most).unwrap());
            seen.extend(shown);
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        prop_assert_eq!(seen, expected(&keys, &prefix, delimiter));
    }

    #[test]
    fn a_continuation_token_names_its_key(key in "\\PC{0,30}") {
        prop_assert_eq!(unmark(&mark(&key)).unwrap(), key);
    }
}
