use super::*;
use crate::compile;
use crate::testing::{Guest, small};

#[track_caller]
fn refused(bytes: &[u8]) -> BadComponent {
    Shape::of(bytes, &small()).unwrap_err()
}

#[test]
fn what_is_no_component_is_refused_by_what_it_is() {
    let good = Guest::passing().component();
    assert_eq!(refused(b""), BadComponent::NotWasm);
    assert_eq!(refused(b"#!/bin/sh"), BadComponent::NotWasm);
    assert_eq!(refused(&wat::parse_str("(module)").unwrap()), BadComponent::CoreModule);
    assert_eq!(refused(&compile(&good, &small()).unwrap()), BadComponent::Compiled);
    for cut in [9, good.len() / 2, good.len() - 1] {
        assert!(matches!(refused(&good[..cut]), BadComponent::Invalid(_)), "cut at {cut}");
    }
    let short = PluginSettings { component_bytes: 100, ..small() };
    assert_eq!(Shape::of(&good, &short), Err(BadComponent::TooLong { has: good.len(), most: 100 }));
    assert_eq!(refused(&wat::parse_str("(component)").unwrap()), BadComponent::NoLifecycle);
}

#[test]
fn what_a_component_needs_and_gives_is_known_before_anything_is_compiled() {
    let guest = Guest::passing().importing("clock", "now-ms", "(result i64)");
    let shape = Shape::of(&guest.component(), &small()).unwrap();
    assert_eq!(shape.needs().filter(|it| *it != "types").collect::<Vec<_>>(), ["clock"]);
    assert!(shape.gives("request") && shape.gives("lifecycle") && !shape.gives("response"));
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let component = |kind: &str, name: &str| {
        let text = match kind {
            "import" => format!("(component (import \"{name}\" (instance)))"),
            _ => format!("(component (instance $it) (export \"{name}\" (instance $it)))"),
        };
        wat::parse_str(text).unwrap()
    };
    for name in ["wasi:cli/environment@0.2.0", "portcullis:plugin/http-client@1.0.0", "portcullis:plugin/kv@2.0.0"] {
        assert_eq!(refused(&component("import", name)), BadComponent::UnknownImport(name.to_owned()));
    }
    for name in ["wasi:cli/run@0.2.0", "portcullis:plugin/request-body@1.0.0"] {
        assert_eq!(refused(&component("export", name)), BadComponent::UnknownExport(name.to_owned()));
    }
}

/// Each proposal that is switched off, and a module that needs it.
#[test]
fn a_feature_that_is_off_is_refused_when_it_is_looked_at_and_when_it_is_compiled() {
    for (feature, module) in [
        ("threads", "(module (memory 1 1 shared))"),
        ("memory64", "(module (memory i64 1))"),
        ("multi-memory", "(module (memory 1) (memory 1))"),
        ("exceptions", "(module (tag $e) (func (throw $e)))"),
        ("gc", "(module (type (struct (field i32))))"),
        ("function-references", "(module (type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0))))"),
        ("custom-page-sizes", "(module (memory 1 (pagesize 1)))"),
        (
            "wide-arithmetic",
            "(module (func (param i64 i64 i64 i64) (result i64 i64) (i64.add128 (local.get 0) \
          (local.get 1) (local.get 2) (local.get 3))))",
        ),
        (
            "relaxed-simd",
            "(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
        ),
        ("stack-switching", "(module (type $f (func)) (type $c (cont $f)))"),
        ("tail-call, which is on", "(module (func $f (return_call $f)))"),
        ("simd, which is on", "(module (func (param v128) (result v128) (i8x16.neg (local.get 0))))"),
    ] {
        let component = wat::parse_str(format!("(component {})", module.replacen('(', "(core ", 1))).unwrap();
        let on = feature.ends_with("on");
        let seen = Shape::of(&component, &small()).unwrap_err();
        assert_eq!(matches!(seen, BadComponent::Invalid(_)), !on, "{feature}: {seen}");
        assert_eq!(compile(&component, &small()).is_ok(), on, "{feature}");
    }
}
