//! Where components and their compiled code lie between runs.
//!
//! Compiled code is native code: whoever could put some of their own here would run it in the gateway. So it is believed
//! only with a code of authentication under the key of this node, over bytes that are in memory already. A component needs
//! none: its name is its digest.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use domain::{Random, keyformat};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::PluginSettings;
use crate::compile::{CompileFault, Compiles};
use crate::engine;

/// What a code of authentication is made for, so that none that was made for something else is one.
const PURPOSE: &[u8] = b"portcullis compiled plugin v1";

/// How long a code of authentication is, in bytes.
const TAG: usize = 32;

/// How long a component's name may be: a digest in hexadecimal.
const NAME: usize = 64;

/// The folder of components and compiled code.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    key: hmac::Key,
}

/// The shelf could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ShelfFault {
    /// The file system has refused.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A component that is not the one it is called.
    #[error("the component `{0}` is damaged: its digest is another; help: push it again")]
    Damaged(String),
    /// There is no compiled code of it that can be believed.
    #[error("the component `{0}` is not compiled yet")]
    NotCompiled(String),
    /// It could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileFault),
    /// What was compiled just now is not taken.
    #[error("the compiled code is not taken: {0}")]
    Unfit(String),
}

impl Shelf {
    /// The shelf in this folder, with the key of the node.
    pub fn open(folder: &Path, key: &[u8; 32]) -> Result<Self, ShelfFault> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| ShelfFault::Io { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, key) })
    }

    /// Keeps a component. Gives its digest, which is its name.
    pub fn put(&self, component: &[u8], random: &dyn Random) -> Result<String, ShelfFault> {
        let name = name_of(component);
        let path = self.component_path(&name);
        write(&path, &[component], random).map_err(|source| ShelfFault::Io { path, source })?;
        Ok(name)
    }

    /// The component of this name, ready for the engine. Never compiles.
    pub(crate) fn load(&self, name: &str, engine: &Engine) -> Result<Component, ShelfFault> {
        let code = self.code(name, engine);
        let component = code.and_then(|code| believed(engine, &code).ok());
        component.ok_or_else(|| ShelfFault::NotCompiled(name.to_owned()))
    }

    /// Compiles the component of this name and keeps the code.
    pub(crate) fn compile(
        &self,
        name: &str,
        engine: &Engine,
        settings: &PluginSettings,
        (compiler, random): (&dyn Compiles, &dyn Random),
    ) -> Result<(), ShelfFault> {
        let bytes = self.component(name, settings)?;
        let code = compiler.compile(&bytes, settings)?;
        believed(engine, &code).map_err(|it| ShelfFault::Unfit(format!("{it:#}")))?;
        let path = self.code_path(name, engine);
        let tag = self.tag(name, engine, &code);
        write(&path, &[tag.as_ref(), &code], random).map_err(|source| ShelfFault::Io { path, source })
    }

    /// Code that this node has put there for this component and this engine; nothing where it is anything else.
    fn code(&self, name: &str, engine: &Engine) -> Option<Vec<u8>> {
        let path = self.code_path(name, engine);
        let mut bytes = fs::read(&path).ok()?;
        let genuine = bytes
            .split_at_checked(TAG)
            .is_some_and(|(tag, code)| hmac::verify(&self.key, &message(name, engine, code), tag).is_ok());
        if !genuine {
            tracing::error!(path = %path.display(), "compiled code is not what this gateway has put there: it is compiled anew");
            return None;
        }
        bytes.drain(..TAG);
        Some(bytes)
    }

    fn tag(&self, name: &str, engine: &Engine, code: &[u8]) -> hmac::Tag {
        hmac::sign(&self.key, &message(name, engine, code))
    }

    /// The bytes of a component, once they are those that it is named for.
    fn component(&self, name: &str, settings: &PluginSettings) -> Result<Vec<u8>, ShelfFault> {
        let path = self.component_path(name);
        let long = fs::metadata(&path).is_ok_and(|it| it.len() > u64::from(settings.component_bytes));
        if long || name.len() != NAME {
            return Err(ShelfFault::Damaged(name.to_owned()));
        }
        let bytes = fs::read(&path).map_err(|source| ShelfFault::Io { path, source })?;
        if name_of(&bytes) == name { Ok(bytes) } else { Err(ShelfFault::Damaged(name.to_owned())) }
    }

    fn component_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.wasm"))
    }

    fn code_path(&self, name: &str, engine: &Engine) -> PathBuf {
        self.folder.join(format!("{name}-{:016x}.cwasm", engine::compatibility(engine)))
    }
}

/// What is authenticated: of which component it is, for which engine, how long, and every byte of it.
fn message(name: &str, engine: &Engine, code: &[u8]) -> Vec<u8> {
    let parts = [
        PURPOSE,
        &(name.len() as u64).to_le_bytes(),
        name.as_bytes(),
        &engine::compatibility(engine).to_le_bytes(),
        &(code.len() as u64).to_le_bytes(),
    ];
    [&parts.concat()[..], digest(&SHA256, code).as_ref()].concat()
}

/// The digest of a component, in hexadecimal.
pub(crate) fn name_of(component: &[u8]) -> String {
    hex::encode(digest(&SHA256, component))
}

/// Compiled code as something that can be run.
#[expect(unsafe_code, reason = "see the proof within")]
fn believed(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` runs whatever it is handed as native code, so that it must be what `precompile_component` gave.
    // It comes from two places: from the process that compiles, which is this program and was handed a component that had
    // been looked at; or from the shelf, and then an HMAC under a key that only this account of the machine can read was
    // good for the very bytes in `code`, which are in memory and cannot be changed beneath it. That the library, the
    // processor and every setting are those it was compiled for, `deserialize` checks by itself.
    unsafe { Component::deserialize(engine, code) }
}

/// Puts a file in its place whole or not at all, so that it is there after a crash as well.
fn write(path: &Path, parts: &[&[u8]], random: &dyn Random) -> io::Result<()> {
    let draft = path.with_extension(keyformat::draw_id("new-", 12, random));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let put = parts.iter().try_for_each(|it| file.write_all(it)).and_then(|()| file.sync_all());
    let put = put.and_then(|()| fs::rename(&draft, path));
    let put = put.and_then(|()| path.parent().map_or(Ok(()), |it| fs::File::open(it)?.sync_all()));
    if put.is_err() {
        let _ = fs::remove_file(&draft);
    }
    put
}
