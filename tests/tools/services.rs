//! Services under a real s6, in containers: the scripts that the step `services` writes.

mod container;
mod ends;
mod environment;
mod start;
mod supervision;
mod surroundings;

use container::{Services, compressed_size, sh};

#[test]
fn what_services_need_is_small() {
    let size = compressed_size();
    assert!(size < 3_000_000, "{size}");
}
