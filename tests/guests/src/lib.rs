//! Plugins that are written by hand, so that they can be as hostile as a test likes.
//!
//! A guest is a core module as text. What it answers is laid out in its memory before it runs.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "what fails here must stop the test that relies on it, and say where"
)]

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract.
const WIT: &str = include_str!("../../../sdk-wasm/wit/plugin.wit");

/// Where what a guest answers lies in its memory.
const ANSWER: usize = 1024;

/// A world of everything, so that a guest may import what it likes.
const WORLD: &str = "world guest { include lent; export lifecycle; export request; }";

/// A guest as it is written in a test.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// What it imports, as text.
    pub imports: String,
    /// What else is in its module, as text.
    pub more: String,
    /// What `configure` does; nothing where it takes every configuration.
    pub configure: Option<String>,
    /// What its hook does: instructions that give the address of a verdict.
    pub on_request: String,
    /// What lies where its verdict is.
    pub data: Vec<u8>,
}

impl Guest {
    /// One whose hook runs this, and gives the address of its verdict.
    pub fn doing(on_request: &str) -> Self {
        Self { on_request: on_request.to_owned(), ..Self::default() }
    }

    /// One that lets everything pass.
    pub fn passing() -> Self {
        Self::doing(&format!("i32.const {ANSWER}"))
    }

    /// One that sets these headers.
    pub fn setting(headers: &[(&str, &str)]) -> Self {
        let mut data = vec![0; 56];
        let ops = data.len();
        data.resize(ops + headers.len() * 20, 0);
        data[0] = 1;
        put(&mut data, 4, ops);
        put_number(&mut data, 8, headers.len());
        for (at, (name, value)) in headers.iter().enumerate() {
            put_text(&mut data, ops + at * 20 + 4, name);
            put_text(&mut data, ops + at * 20 + 12, value);
        }
        Self { data, ..Self::passing() }
    }

    /// One that answers with this status and body.
    pub fn answering(status: u16, body: &str) -> Self {
        let mut data = vec![0; 56];
        data[0] = 2;
        data[4..6].copy_from_slice(&status.to_le_bytes());
        put_text(&mut data, 16, body);
        Self { data, ..Self::passing() }
    }

    /// The same with a finding of high severity, which feeds one control.
    #[must_use]
    pub fn finding(mut self, code: &str, message: &str, control: &str) -> Self {
        // Numbers lie at multiples of four.
        let findings = self.data.len().max(56).next_multiple_of(4);
        self.data.resize(findings + 36, 0);
        put(&mut self.data, 48, findings);
        put_number(&mut self.data, 52, 1);
        self.data[findings + 8] = 3;
        put(&mut self.data, findings + 20, findings + 28);
        put_number(&mut self.data, findings + 24, 1);
        for (at, text) in [(0, code), (12, message), (28, control)] {
            put_text(&mut self.data, findings + at, text);
        }
        self
    }

    /// The same with an interface that it calls.
    #[must_use]
    pub fn importing(self, interface: &str, function: &str, kind: &str) -> Self {
        let line =
            format!("(import \"portcullis:plugin/{interface}@1.0.0\" \"{function}\" (func ${function} {kind}))\n");
        Self { imports: self.imports + &line, ..self }
    }

    /// Its core module as text.
    pub fn text(&self) -> String {
        let data: Vec<String> = self.data.iter().map(|it| format!("\\{it:02x}")).collect();
        let data = data.concat();
        let configure = self.configure.as_deref().unwrap_or("i32.const 16");
        format!(
            r#"(module {imports}
            (memory (export "memory") 2)
            (global $heap (mut i32) (i32.const 65536))
            (data (i32.const {ANSWER}) "{data}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "portcullis:plugin/lifecycle@1.0.0#configure") (param i32 i32) (result i32) {configure})
            (func $hook (export "portcullis:plugin/request@1.0.0#on-request") (param i32) (result i32) {on_request})
            {more})"#,
            imports = self.imports,
            on_request = self.on_request,
            more = self.more,
        )
    }

    /// Its core module, as a compiler with the SDK would give it.
    pub fn module(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).expect("a module");
        let mut resolve = Resolve::default();
        let package = resolve.push_str("plugin.wit", &format!("{WIT}\n{WORLD}")).expect("the contract");
        let world = resolve.select_world(&[package], Some("guest")).expect("its world");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("room for its world");
        module
    }

    /// Its component.
    pub fn component(&self) -> Vec<u8> {
        let mut encoder = ComponentEncoder::default().module(&self.module()).expect("a module with a world");
        encoder.encode().expect("a component")
    }
}

fn put_number(data: &mut [u8], at: usize, number: usize) {
    data[at..at + 4].copy_from_slice(&u32::try_from(number).expect("a small number").to_le_bytes());
}

fn put(data: &mut [u8], at: usize, offset: usize) {
    put_number(data, at, ANSWER + offset);
}

fn put_text(data: &mut Vec<u8>, at: usize, text: &str) {
    let end = data.len();
    put(data, at, end);
    put_number(data, at + 4, text.len());
    data.extend(text.as_bytes());
}
