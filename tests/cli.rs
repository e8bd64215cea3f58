//! The program: as a user meets it, on layouts of strangers, beside others of its kind, and when
//! the machine fails.

mod common;

mod cli {
    mod above;
    mod base_model;
    mod closure;
    mod companions;
    mod concurrent;
    mod copy;
    mod diff;
    mod errors;
    mod export;
    #[cfg(feature = "registry")]
    mod faults;
    mod files;
    mod image_files;
    mod interrupted;
    mod layouts;
    mod make;
    mod memory;
    mod printable;
    mod room;
    mod sparse;
    mod squash;
    mod strangers;
    mod values;
}
