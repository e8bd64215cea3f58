//! Operations on existing layouts: appending to small and large ones, and reading every byte of one.
//!
//! ```console
//! $ TMPDIR=/dev/shm cargo bench --bench layouts [-- NAME]
//! ```

mod tree;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oci_layout::{
    Compression, FileMapping, Image, LayerOptions, Pool, image_config, image_layout,
    image_manifest, layer_tar,
    verify::{VerifyOptions, verify},
};
use serde_json::json;

use self::tree::{Tree, is_test};

criterion_group!(layouts, append, check);
criterion_main!(layouts);

/// Appends an image to a layout of 10 and of 2,000. It replaces the previous one, so the number
/// stays the same.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.sample_size(20);
    let pool = Pool::available();
    for count in [10, if is_test() { 20 } else { 2_000 }] {
        let dir = tempfile::tempdir().unwrap();
        let images = (0..count).map(|number| image(number).tagged(number.to_string()));
        let mut layout = image_layout(dir.path(), images, json!({})).unwrap();
        let mut next = count;
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            let new = || {
                next += 1;
                image(next).tagged("new")
            };
            bencher.iter_batched(
                new,
                |image| layout.append([image], &pool).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
}

/// An image with its own manifest and configuration, and a shared layer.
fn image(number: usize) -> Image {
    let layer =
        layer_tar([FileMapping::text("hello\n", "/etc/motd")], LayerOptions::default()).unwrap();
    let labels = json!({ "config": { "Labels": { "number": number.to_string() } } });
    let config = image_config([&layer], labels).unwrap();
    image_manifest(config, [layer], json!({})).unwrap().into()
}

/// `verify` of a layout with one image of one layer.
fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(10);
    let tree = Tree::mixed();
    group.throughput(Throughput::Bytes(tree.bytes));
    for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
        let dir = tempfile::tempdir().unwrap();
        let options = LayerOptions::from(compression).store(dir.path());
        let layer = layer_tar([FileMapping::new(tree.path(), "/")], options).unwrap();
        let config = image_config([&layer], json!({})).unwrap();
        let image = image_manifest(config, [layer], json!({})).unwrap();
        image_layout(dir.path(), [image.tagged("latest")], json!({})).unwrap();
        group.bench_function(BenchmarkId::from_parameter(compression), |bencher| {
            bencher.iter(|| assert_eq!(verify(dir.path(), &VerifyOptions::default()).unwrap(), []));
        });
    }
}
