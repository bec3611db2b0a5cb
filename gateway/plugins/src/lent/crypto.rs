//! `crypto`: digests.

use aws_lc_rs::digest::{SHA256, digest};
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::Lent;

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    to.func_wrap("sha256", |_: StoreContextMut<'_, Lent>, (data,): (Vec<u8>,)| {
        Ok((digest(&SHA256, &data).as_ref().to_vec(),))
    })
}
