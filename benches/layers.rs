//! The time to make a layer, from the scan alone to a stored blob.
//!
//! ```console
//! $ TMPDIR=/dev/shm cargo bench --bench layers [-- NAME]
//! ```

mod tree;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use oci_layout::{Compression, FileMapping, LayerOptions, TarLayer, WriteOptions, layer_tar};

use self::tree::Tree;

criterion_group!(layers, scan, describe, store);
criterion_main!(layers);

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::GZIP, Compression::ZSTD];

/// Finding and sorting the files, and making their headers: the time without contents.
fn scan(criterion: &mut Criterion) {
    let tree = Tree::empty();
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(20).throughput(Throughput::Elements(tree.files));
    group.bench_function(tree.name, |bencher| {
        bencher.iter(|| pack(&tree, Compression::None.into()))
    });
}

/// Nothing is written. Without compression, this reads and hashes the tar.
fn describe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("describe");
    group.sample_size(10);
    for tree in [Tree::small(), Tree::large(), Tree::mixed()] {
        group.throughput(Throughput::Bytes(tree.bytes));
        for compression in COMPRESSIONS {
            let id = BenchmarkId::new(compression.to_string(), tree.name);
            group.bench_function(id, |bencher| bencher.iter(|| pack(&tree, compression.into())));
        }
    }
}

/// Into a new folder each time. The disk is not measured.
fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    for tree in [Tree::small(), Tree::large(), Tree::mixed()] {
        group.throughput(Throughput::Bytes(tree.bytes));
        for compression in COMPRESSIONS {
            let id = BenchmarkId::new(compression.to_string(), tree.name);
            group.bench_function(id, |bencher| {
                // The returned value is dropped while the clock is stopped, and so is the folder.
                let store = |dir: tempfile::TempDir| {
                    let options =
                        LayerOptions::from(compression).write(WriteOptions::default().sync(false));
                    (pack(&tree, options.store(dir.path())), dir)
                };
                bencher.iter_batched(
                    || tempfile::tempdir().unwrap(),
                    store,
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

fn pack(tree: &Tree, options: LayerOptions) -> TarLayer {
    black_box(layer_tar([FileMapping::new(tree.path(), "/")], options).unwrap())
}
