//! The cost of a split when the closure changes, compared with other methods, by replaying updates.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
};

use crate::common::tool::{run, tool};

/// The script, and the closures of real images, are next to the checkout of the developers.
const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");

#[test]
fn updates_cost_less_than_with_size_cohorts() {
    let script = Path::new(SHARED).join("tools/replay.py");
    if !script.exists() {
        // Written directly, because the test harness shows the output of a test only if it fails.
        writeln!(
            io::stderr(),
            "updates_cost_less_than_with_size_cohorts: not run: there is no {SHARED}"
        )
        .unwrap();
        return;
    }
    let closures = fs::read_dir(Path::new(SHARED).join("closures")).unwrap();
    let closures: Vec<_> = closures.map(|file| file.unwrap().path()).collect();
    let planner = format!(
        "{} closure-layers --max-layers {{max}} {{graph}}",
        env!("CARGO_BIN_EXE_oci-layout")
    );
    let options =
        ["--planner", &planner, "--max-layers", "20", "--max-layers", "60", "--sample", "40"];
    let said = run(tool("python3").arg(script).args(options).args(&closures));

    // graph, limit, way, number of layers, bytes to push, layers under 1 MiB; in the last rows:
    // word, share.
    let rows: Vec<Vec<&str>> =
        said.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let of = |way: &str| -> BTreeMap<_, _> {
        rows.iter().filter(|row| row[2] == way).map(|row| ((row[0], row[1]), &row[3..])).collect()
    };
    let number = |text: &str| text.parse::<f64>().unwrap();
    let (ours, cohorts) = (of("planner"), of("cohort"));
    assert_eq!(ours.len(), 2 * closures.len() + 2, "{said}");
    let mut ratios = Vec::new();
    for ((graph, limit), row) in &ours {
        let cohort = cohorts[&(*graph, *limit)];
        if *graph == "ALL" {
            assert!(number(row[1]) <= number(cohort[1]) + 0.01, "share at {limit} layers\n{said}");
            continue;
        }
        let ratio = number(row[1]) / number(cohort[1]);
        assert!(
            ratio <= if *limit == "20" { 1.0 } else { 1.05 },
            "push of {graph} at {limit} layers\n{said}"
        );
        if *limit == "20" {
            ratios.push(ratio);
            assert!(3.0 * number(row[2]) <= number(row[0]), "small layers of {graph}\n{said}");
        }
    }
    let average = ratios.iter().sum::<f64>() / ratios.len() as f64;
    assert!(average < 0.9, "push at 20 layers is {average} of that of cohorts\n{said}");
}
