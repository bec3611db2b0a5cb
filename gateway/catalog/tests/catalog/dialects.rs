//! One golden file for each surface and status: what a client of each API really reads.

use std::fmt::Write;

use catalog::{Dialect, STATUSES, Worded};
use domain::{RequestId, Told};
use http::StatusCode;

use crate::{load, shipped};

#[test]
fn every_refusal_of_every_api_reads_as_its_golden_file() {
    let catalog = load(&shipped());
    for profile in catalog.profiles() {
        for surface in &profile.surfaces {
            for status in STATUSES {
                let name = format!("{}@{}@{status}", profile.api.name, surface.hosts[0]);
                insta::assert_snapshot!(name, wording(&surface.dialect, status, "a_reason"));
            }
        }
    }
}

#[test]
fn an_address_off_the_list_has_a_code_of_its_own_where_the_reference_has_one() {
    let catalog = load(&shipped());
    let dialect = catalog.host("api.cloudnexus.io").unwrap().dialect();
    let worded = wording(dialect, 403, "ip_not_allowed");
    assert!(worded.contains(r#""code":"IP_NOT_ALLOWED""#), "{worded}");
}

#[test]
fn a_resource_of_another_tenant_looks_like_none_at_all_on_cloudnx() {
    let catalog = load(&shipped());
    let worded = wording(catalog.host("cloudnx.in").unwrap().dialect(), 403, "tenant_mismatch");
    assert!(worded.starts_with("404 ") && !worded.contains("tenant"), "{worded}");
}

/// The whole refusal as text.
fn wording(dialect: &Dialect, status: u16, reason: &'static str) -> String {
    let told = Told::new(reason, "What the room says, \"in quotes\" & <tags>.").about("field[0]");
    let id = RequestId::from_bytes([0x5a; 16]);
    let Worded { status, content_type, headers, body } =
        dialect.word_about("/v2/thing", StatusCode::from_u16(status).unwrap(), &told, &id);
    let mut text = format!("{status}\ncontent-type: {}\n", content_type.to_str().unwrap());
    for (name, value) in headers {
        writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    format!("{text}\n{}", std::str::from_utf8(&body).unwrap())
}
