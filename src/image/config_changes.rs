//! What options change in a configuration: parts that are merged over it in order, and checked.

use serde_json::{Map, Value, json};

use crate::{
    basics::{Error, Result, Warning, json, text},
    document::{
        Platform,
        config_values::{
            self,
            kinds::{Fault, Step, Verdict},
            table::{CONFIG, CONFIGURATION},
        },
    },
    image::{
        config_options::{ConfigOptions, ExtraConfig},
        environment,
    },
};

/// The changes of a configuration.
pub(crate) struct ConfigChanges {
    parts: Vec<Part>,
    platform: Option<Platform>,
    unset_env: Vec<String>,
}

impl ConfigChanges {
    /// Reads the changes of these options.
    pub(crate) fn new(options: &ConfigOptions) -> Result<Self> {
        Ok(Self {
            parts: options.extra.iter().cloned().map(Part::new).collect::<Result<_>>()?,
            platform: options.platform.clone(),
            unset_env: options.unset_env.clone(),
        })
    }

    /// The values that the changes give to this member of `config`.
    pub(crate) fn of_config<'a>(&'a self, member: &'a str) -> impl Iterator<Item = &'a Value> {
        self.parts.iter().filter_map(move |part| part.config()?.get(member))
    }

    /// Whether the changes set the history.
    pub(crate) fn set_history(&self) -> bool {
        self.parts.iter().any(|part| part.members.contains_key("history"))
    }

    /// Changes a configuration without `rootfs`, whose values come from `below` and which is for
    /// this platform, and checks the result. `history` contains further entries of it.
    pub(crate) fn apply(
        mut self,
        value: &mut Value,
        below: &str,
        has: Option<&Platform>,
        history: &[Value],
        warnings: &mut Vec<Warning>,
    ) -> Result<()> {
        unset(value, self.unset_env, warnings);
        let said_platform = self.platform.is_some();
        let platform = self.platform.map(|platform| renamed(platform, warnings));
        let platform = match (platform, has) {
            // The platform below has more details: it may have a variant.
            (Some(platform), Some(has)) if platform.accepts(has) => has.clone(),
            (Some(platform), _) => platform,
            (None, has) => has.cloned().unwrap_or_default(),
        };
        json::merge(value, json::to_value(&platform));
        for part in &mut self.parts {
            part.merge_into(value, warnings);
        }
        normalise_platform(value, warnings);
        let sources = Sources { parts: &self.parts, said_platform, below };
        sources.check(value, history, warnings)
    }
}

/// Members from one source.
struct Part {
    source: String,
    /// Keys have the case of the specification, and references in `Env` are expanded.
    members: Map<String, Value>,
}

impl Part {
    fn new(extra: ExtraConfig) -> Result<Self> {
        let ExtraConfig { source, members } = extra;
        let what = |path: &str| match path {
            "" => format!("image configuration (set by {source})"),
            path => format!("image configuration, {path} (set by {source})"),
        };
        let mut members = config_values::with_known_members(&what, "", members, CONFIGURATION)
            .map_err(in_config)?;
        // `rootfs` always lists the layers.
        members.remove("rootfs");
        if let Some(Value::Object(ports)) =
            members.get_mut("config").and_then(|config| config.get_mut("ExposedPorts"))
        {
            *ports = std::mem::take(ports)
                .into_iter()
                .map(|(port, value)| (lower_protocol(port), value))
                .collect();
        }
        Ok(Self { source, members })
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.members.get("config")?.as_object()
    }

    /// Merges the members into a configuration, `Env` by name.
    fn merge_into(&mut self, value: &mut Value, warnings: &mut Vec<Warning>) {
        let mut over = self.members.clone();
        if let Some(Value::Array(new)) =
            over.get_mut("config").and_then(|config| config.get_mut("Env"))
        {
            let mut env = env_mut(value).map(std::mem::take).unwrap_or_default();
            let set = environment::set(&mut env, std::mem::take(new), &self.source, warnings);
            *new = env;
            self.members["config"]["Env"] = set.into();
        }
        json::merge(value, Value::Object(over));
    }
}

/// Suggests a member of `config` for one that was given beside `config`.
fn in_config(error: Error) -> Error {
    match error {
        Error::UnknownMember { what, member, closest: None, known } => {
            let names = config_values::names(CONFIG);
            let closest = text::closest(&member, &names).map(|name| format!("config.{name}"));
            Error::UnknownMember { what, member, closest, known }
        }
        other => other,
    }
}

/// Writes the protocol of a port in lower case, as other tools do.
fn lower_protocol(port: String) -> String {
    match port.split_once('/') {
        Some((number, protocol)) => format!("{number}/{}", protocol.to_ascii_lowercase()),
        None => port,
    }
}

fn env_mut(value: &mut Value) -> Option<&mut Vec<Value>> {
    value.get_mut("config")?.get_mut("Env")?.as_array_mut()
}

fn unset(value: &mut Value, names: Vec<String>, warnings: &mut Vec<Warning>) {
    for name in names {
        if !env_mut(value).is_some_and(|env| environment::unset(env, &name)) {
            warnings.push(Warning::VariableNotSet { name });
        }
    }
}

/// The platform in a configuration. `None` if it is invalid.
pub(crate) fn platform_of(value: &Value) -> Option<Platform> {
    let text = |name| value.get(name)?.as_str();
    let variant = match value.get("variant") {
        Some(Value::String(variant)) => Some(variant.clone()),
        Some(Value::Null) | None => None,
        Some(_) => return None,
    };
    Some(Platform { variant, ..Platform::new(text("os")?, text("architecture")?) })
}

fn normalise_platform(value: &mut Value, warnings: &mut Vec<Warning>) {
    let Some(given) = platform_of(value) else { return };
    let used = renamed(given, warnings);
    value["os"] = used.os.as_str().into();
    value["architecture"] = used.architecture.as_str().into();
    json::merge(value, json!({ "variant": used.variant }));
}

/// The platform with the names that images use.
fn renamed(given: Platform, warnings: &mut Vec<Warning>) -> Platform {
    let used = given.normalised();
    let (given, name) = (given.to_string(), used.to_string());
    // An empty variant is the same as no variant, not another name.
    if given.trim_end_matches('/') != name {
        warnings.push(Warning::PlatformRenamed { given, used: name });
    }
    used
}

/// The sources of the members of a configuration.
struct Sources<'a> {
    parts: &'a [Part],
    said_platform: bool,
    /// The source of everything else.
    below: &'a str,
}

impl Sources<'_> {
    /// Checks the values. `history` contains the entries below those of the new layers.
    fn check(&self, value: &Value, history: &[Value], warnings: &mut Vec<Warning>) -> Result<()> {
        let Some(members) = value.as_object() else { return Ok(()) };
        let mut faults = Vec::new();
        config_values::check(members, &mut |fault| faults.push(fault));
        // These entries come from below.
        let history = Map::from_iter([("history".to_owned(), Value::from(history))]);
        config_values::check(&history, &mut |fault| faults.push(fault));
        for fault in faults {
            let source = self.source(value, &fault.path);
            let is_base = source == self.below;
            let member = fault.member();
            if fault.verdict == Verdict::Forbidden || fault.verdict == Verdict::Refused && !is_base
            {
                let remedy = if is_base { ": set another value, or null to remove it" } else { "" };
                let what = format!("image configuration, {member} (set by {source})");
                return Err(Error::invalid(what, format!("{fault}{remedy}")));
            }
            let Fault { found, expected, verdict, .. } = fault;
            let (source_name, expected) = (source.to_owned(), expected.into_owned());
            warnings.push(match verdict {
                Verdict::Unusual => Warning::MemberUnusual { member, source_name, found, expected },
                _ => Warning::MemberRefused { member, source_name, found, expected },
            });
        }
        Ok(())
    }

    /// The source of the value at this path: the last part that sets it.
    fn source(&self, value: &Value, path: &[Step]) -> &str {
        let from_part = self.parts.iter().rev().find(|part| has(&part.members, value, path));
        match (from_part, path.first()) {
            (Some(part), _) => &part.source,
            (None, Some(Step::Member(name)))
                if self.said_platform
                    && ["architecture", "os", "variant"].contains(&name.as_str()) =>
            {
                "the option platform"
            }
            _ => self.below,
        }
    }
}

/// Whether these members have the same value at this path as the document. In a merged list,
/// whether they have the same value anywhere.
fn has(members: &Map<String, Value>, document: &Value, path: &[Step]) -> bool {
    let [Step::Member(name), rest @ ..] = path else { return false };
    let (Some(mut here), Some(mut there)) = (members.get(name), document.get(name)) else {
        return false;
    };
    for step in rest {
        let next = match step {
            Step::Member(name) => here.get(name).zip(there.get(name)),
            Step::Index(index) => there.get(index).and_then(|there| {
                here.as_array()?.iter().find(|value| *value == there).map(|here| (here, there))
            }),
        };
        let Some(pair) = next else { return false };
        (here, there) = pair;
    }
    true
}
