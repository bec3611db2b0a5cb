//! What each kind of order must say, what it makes, and what must be let go of before it can be deleted.

use domain::Timestamp;
use serde_json::{Map, Value, json};

use super::resources::{Made, Phase, Resource, World};
use crate::clock::whole;
use crate::fields::{Fields, fields};
use crate::ids::Seed;
use crate::pace::Pace;
use crate::refused::Refused;

/// Where an order is carried out.
pub(super) struct Site<'a> {
    pub(super) world: &'a mut World,
    pub(super) id: &'a str,
    pub(super) now: Timestamp,
    pub(super) pace: Pace,
}

impl Site<'_> {
    fn passing(&self, first: &'static str, then: &'static str) -> Phase {
        Phase { first, until: self.now + self.pace.provisioning, then }
    }

    /// The resource that `field` names, which must be there.
    fn named(&mut self, order: &Fields, field: &str, kind: (&'static str, &str)) -> Result<Option<String>, Refused> {
        let Some(id) = order.text(field)? else { return Ok(None) };
        self.world.find(kind.0, kind.1, id).map(|it| Some(it.id.clone()))
    }
}

const VPC: (&str, &str) = ("vpcs", "VPC");
const INSTANCE: (&str, &str) = ("instances", "Instance");

pub(super) fn instance(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let (name, kind) = (order.required_text("name")?, order.required_text("instance_type")?);
    let image = order.required_text("image_id")?;
    let vpc = site.named(order, "vpc_id", VPC)?;
    for id in order.texts("firewall_ids")?.unwrap_or_default() {
        site.world.find("firewalls", "Firewall", &id)?;
    }
    order.text("key_name")?;
    order.text("user_data")?;
    let fields = machine(site.id, name, kind, image, vpc.as_deref());
    Ok(Made { fields, phase: site.passing("provisioning", "running") })
}

/// The fields of an instance.
pub(super) fn machine(id: &str, name: &str, kind: &str, image: &str, vpc: Option<&str>) -> Map<String, Value> {
    let mut seed = Seed::of(id);
    fields(json!({
        "name": name,
        "instance_type": kind,
        "image_id": image,
        "vpc_id": vpc,
        "private_ip": format!("10.0.{}.{}", seed.below(256), 2 + seed.below(250)),
        "public_ip": null,
    }))
}

pub(super) fn autoscaling_group(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let name = order.required_text("name")?;
    let least = order.number("min_size", 0..=100)?.ok_or_else(|| missing("min_size"))?;
    let most = order.number("max_size", 0..=100)?.ok_or_else(|| missing("max_size"))?;
    if most < least {
        return Err(Refused::invalid("max_size", "max_size must be at least min_size"));
    }
    let desired = order.number("desired_capacity", 0..=100)?.unwrap_or(least);
    if !(least..=most).contains(&desired) {
        return Err(Refused::invalid("desired_capacity", "desired_capacity must lie between min_size and max_size"));
    }
    let kind = order.text("instance_type")?.unwrap_or("cx2.small");
    let image = order.text("image_id")?.unwrap_or("img-ubuntu-24.04");
    let mut members = Vec::new();
    for number in 1..=desired {
        let id = format!("i_{}", site.world.ids.hex(6));
        let fields = machine(&id, &format!("{name}-{}-{number}", site.id), kind, image, None);
        let phase = site.passing("provisioning", "running");
        let resource = Resource { id: id.clone(), fields, phase, created: whole(site.now) };
        site.world.all("instances").insert(id.clone(), resource);
        members.push(id);
    }
    let fields = fields(json!({
        "name": name,
        "min_size": least,
        "max_size": most,
        "desired_capacity": desired,
        "instance_ids": members,
    }));
    Ok(Made { fields, phase: Phase::settled("active") })
}

pub(super) fn elastic_ip(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let (name, instance) = (order.text("name")?, site.named(order, "instance_id", INSTANCE)?);
    let address = format!("203.0.113.{}", 1 + Seed::of(site.id).below(254));
    if let Some(instance) = &instance {
        if site.world.naming("elastic_ips", "instance_id", instance).next().is_some() {
            return Err(Refused::conflict("the instance has an elastic IP already"));
        }
        let machine = site.world.find(INSTANCE.0, INSTANCE.1, instance)?;
        machine.fields.insert("public_ip".to_owned(), json!(address));
    }
    let status = if instance.is_some() { "associated" } else { "allocated" };
    let fields = fields(json!({ "name": name, "address": address, "instance_id": instance }));
    Ok(Made { fields, phase: Phase::settled(status) })
}

pub(super) fn firewall(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let (name, vpc) = (order.required_text("name")?, site.named(order, "vpc_id", VPC)?);
    let rules = objects(order, "rules")?;
    for rule in &rules {
        rule.required_text("protocol")?;
        rule.choice("direction", &["ingress", "egress"])?;
    }
    let rules = order.value("rules").cloned().unwrap_or_else(|| json!([]));
    let fields = fields(json!({ "name": name, "vpc_id": vpc, "rules": rules }));
    Ok(Made { fields, phase: Phase::settled("active") })
}

pub(super) fn snapshot(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let volume = order.required_text("volume_id")?;
    let gigabytes = site.world.find("volumes", "Volume", volume)?.fields.get("size_gb").cloned();
    let fields = fields(json!({ "name": order.text("name")?, "volume_id": volume, "size_gb": gigabytes }));
    Ok(Made { fields, phase: site.passing("pending", "completed") })
}

pub(super) fn volume(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let name = order.required_text("name")?;
    let gigabytes = order.number("size_gb", 1..=65_536)?.ok_or_else(|| missing("size_gb"))?;
    let kind = order.text("volume_type")?.unwrap_or("ssd");
    site.named(order, "snapshot_id", ("snapshots", "Snapshot"))?;
    let instance = site.named(order, "instance_id", INSTANCE)?;
    let then = if instance.is_some() { "in-use" } else { "available" };
    let fields = fields(json!({ "name": name, "size_gb": gigabytes, "volume_type": kind, "instance_id": instance }));
    Ok(Made { fields, phase: site.passing("creating", then) })
}

pub(super) fn load_balancer(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let (name, vpc) = (order.required_text("name")?, site.named(order, "vpc_id", VPC)?);
    for listener in objects(order, "listeners")? {
        listener.number("port", 1..=65_535)?.ok_or_else(|| missing("port"))?;
        listener.number("target_port", 1..=65_535)?;
        listener.text("protocol")?;
    }
    for id in order.texts("target_ids")?.unwrap_or_default() {
        site.world.find(INSTANCE.0, INSTANCE.1, &id)?;
    }
    let listeners = order.value("listeners").cloned().unwrap_or_else(|| json!([]));
    let host = format!("{}.lb.cloudnx.in", site.id.replace('_', "-"));
    let fields = fields(json!({ "name": name, "vpc_id": vpc, "dns_name": host, "listeners": listeners }));
    Ok(Made { fields, phase: site.passing("provisioning", "active") })
}

pub(super) fn vpc(site: &mut Site<'_>, order: &Fields) -> Result<Made, Refused> {
    let (name, cidr) = (order.required_text("name")?, order.required_text("cidr")?);
    if !is_cidr(cidr) {
        return Err(Refused::invalid("cidr", "cidr must be a range such as 10.0.0.0/16"));
    }
    let fields = fields(json!({ "name": name, "cidr": cidr }));
    Ok(Made { fields, phase: site.passing("pending", "available") })
}

/// Lets go of what hangs on a resource that is to be deleted, or says why it must stay.
pub(super) fn release(world: &mut World, plural: &'static str, id: &str) -> Result<(), Refused> {
    match plural {
        "instances" => {
            for (kind, status) in [("elastic_ips", "allocated"), ("volumes", "available")] {
                for resource in world.naming(kind, "instance_id", id) {
                    resource.fields.insert("instance_id".to_owned(), Value::Null);
                    resource.phase = Phase::settled(status);
                }
            }
        }
        "elastic_ips" => {
            let address = world.find(plural, "Elastic IP", id)?.fields.get("address").cloned();
            let address = address.as_ref().and_then(Value::as_str).unwrap_or_default();
            for machine in world.naming("instances", "public_ip", address) {
                machine.fields.insert("public_ip".to_owned(), Value::Null);
            }
        }
        "autoscaling_groups" => {
            let members = world.find(plural, "Autoscaling group", id)?.fields.get("instance_ids").cloned();
            for member in members.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str) {
                world.all("instances").remove(member);
            }
        }
        "volumes" if world.find(plural, "Volume", id)?.fields.get("instance_id").is_some_and(|it| !it.is_null()) => {
            return Err(Refused::conflict("the volume is in use"));
        }
        "vpcs" => {
            let held = ["instances", "firewalls", "load_balancers"];
            if held.into_iter().any(|kind| world.naming(kind, "vpc_id", id).next().is_some()) {
                return Err(Refused::conflict("the VPC is not empty"));
            }
        }
        _ => {}
    }
    Ok(())
}

fn objects(order: &Fields, name: &str) -> Result<Vec<Fields>, Refused> {
    let wrong = || Refused::invalid(name, format!("{name} must be a list of objects"));
    let Some(value) = order.value(name) else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(wrong)?;
    items.iter().map(|it| it.as_object().map(Fields::within).ok_or_else(wrong)).collect()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    address.parse::<std::net::Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|it| it <= 32)
}

fn missing(name: &str) -> Refused {
    Refused::invalid(name, format!("{name} is required"))
}
