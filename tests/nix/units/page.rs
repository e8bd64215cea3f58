//! `docs/systemd-units.md` has the table of directives that the code has.
//!
//! After a change of `nix/units/directives.nix`, `REFERENCE=write cargo test --all-features --test
//! nix units::page` writes the table.

use std::collections::BTreeMap;
use std::{env, fs};

use serde::Deserialize;

use crate::nix::units::evaluate;
use crate::nix::versions::{Nix, Version};

const PAGE: &str = "docs/systemd-units.md";
const BEGIN: &str = "<!-- The table comes from nix/units/directives.nix. -->\n";
const END: &str = "<!-- The table ends here. -->\n";

#[derive(Deserialize)]
struct Directive {
    outcome: String,
    text: String,
}

#[derive(Deserialize)]
struct Family {
    prefix: String,
    #[serde(flatten)]
    directive: Directive,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sections<Of> {
    unit: Of,
    service: Of,
}

#[derive(Deserialize)]
struct Directives {
    #[serde(flatten)]
    names: Sections<BTreeMap<String, Directive>>,
    prefixes: Sections<Vec<Family>>,
}

#[test]
fn the_page_has_the_table_of_the_code() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if env::var_os("REFERENCE").is_some_and(|reference| reference == "write") {
        return fs::write(PAGE, expected).unwrap();
    }
    for (expected, line) in expected.lines().zip(page.lines()) {
        assert_eq!(
            expected, line,
            "{PAGE} is out of date; see the head of tests/nix/units/page.rs"
        );
    }
    assert_eq!(expected, page);
}

fn table() -> String {
    let nix = Nix::new(Version::System);
    let directives: Directives =
        serde_json::from_value(evaluate(&nix, "units.directives")).unwrap();
    let mut table = String::new();
    for (title, names, families) in [
        ("`[Unit]`", directives.names.unit, directives.prefixes.unit),
        ("`[Service]`", directives.names.service, directives.prefixes.service),
    ] {
        let mut rows: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
        let named = names.into_iter().map(|(name, directive)| (format!("`{name}`"), directive));
        let families = families
            .into_iter()
            .map(|family| (format!("others with `{}…`", family.prefix), family.directive));
        for (name, Directive { outcome, text }) in named.chain(families) {
            let rank = ["mapped", "silent", "dropped", "refused"];
            let rank = rank.iter().position(|known| *known == outcome).unwrap();
            rows.entry((rank, text)).or_default().push(name);
        }
        if !table.is_empty() {
            table.push('\n');
        }
        table += &format!("| {title} | | |\n|---|---|---|\n");
        for ((rank, text), names) in rows {
            let outcome = ["becomes", "no effect", "left out", "refused"][rank];
            table += &format!("| {} | {outcome} | {text} |\n", names.join(", "));
        }
    }
    table
}
