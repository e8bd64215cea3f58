//! podman and containerd run the sample's program as its configuration says.

use oci_layout::Compression;
use serde_json::{Value, json};

use crate::common::tool::{Containerd, Containers};
use crate::tools::sample::{Sample, annotations, for_each_compression, run_config};

for_each_compression! { podman_runs, containerd_runs }

const SAID: &str = "arg one\narg two words\nin /srv/kept\n1000:1001\na = b\n";
const SAID_OTHERWISE: &str = "arg other\nin /srv/kept\n1000:1001\na = b\n";

fn podman_runs(compression: Compression) {
    let sample = Sample::new(compression);
    let containers = Containers::new(sample.folder());
    let run = ["run", "--rm", "--quiet", "oci:layout:latest"];
    assert_eq!(containers.podman(run), SAID);
    // Further arguments replace Cmd, and not Entrypoint.
    assert_eq!(containers.podman(run.into_iter().chain(["other"])), SAID_OTHERWISE);

    let images = containers.podman(["image", "inspect", sample.config.digest().hex().as_str()]);
    let image: &Value = &serde_json::from_str::<Value>(&images).unwrap()[0];
    assert_eq!(image["Config"], run_config());
    assert_eq!(image["Annotations"], annotations());
    assert_eq!(image["RootFS"], json!({ "Type": "layers", "Layers": sample.diff_ids() }));
    assert_eq!(image["Author"], "the tests");
}

fn containerd_runs(compression: Compression) {
    let sample = Sample::new(compression);
    let containerd = Containerd::start();
    let images = containerd.import(&sample.layout());
    assert_eq!(containerd.run(&images[0], &[]), SAID);
    assert_eq!(containerd.run(&images[0], &["/bin/report", "other"]), SAID_OTHERWISE);
}
