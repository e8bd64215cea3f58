//! What a layer costs beside what Nix itself takes for a derivation.

use std::time::{Duration, Instant};

use crate::nix::{Nix, for_each_nix};
use crate::tool::run;

for_each_nix! { a_small_layer_costs_little_more_than_an_empty_derivation }

/// Far above what it costs on a quiet machine, which is a tenth of it: other tests run at the same time.
const BAR: Duration = Duration::from_millis(60);

fn a_small_layer_costs_little_more_than_an_empty_derivation(nix: Nix) {
    let time = |attribute: &str, round: u32| {
        let mut command = nix.on_expressions("nix-build");
        command.args(["--no-out-link", "--quiet", "--max-jobs", "1", "--attr", attribute]);
        let start = Instant::now();
        run(command.arg("--argstr").arg("changing").arg(format!("round {round}")));
        start.elapsed() / 10
    };
    // The best of several, in turn, so that a busy moment hits both.
    let rounds: Vec<_> = (0..3).map(|round| (time("speed.empty", round), time("speed.layers", round))).collect();
    let empty = rounds.iter().map(|(empty, _)| *empty).min().unwrap();
    let layer = rounds.iter().map(|(_, layer)| *layer).min().unwrap();
    assert!(layer < empty + BAR, "an empty derivation takes {empty:?}, a layer {layer:?}");
}
