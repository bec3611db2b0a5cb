//! `request-data`: the granted headers, asked for one by one.

use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::Lent;

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    to.func_wrap("header-values", |store: StoreContextMut<'_, Lent>, (name,): (String,)| {
        let named = store.data().headers.iter().filter(|it| it.name.eq_ignore_ascii_case(&name));
        Ok((named.map(|it| it.value.clone()).collect::<Vec<_>>(),))
    })
}
