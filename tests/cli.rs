//! The program: normal use, untrusted layouts, several processes at once, and faults of the
//! machine.

mod common;

mod cli {
    mod above;
    mod base_model;
    mod build;
    mod check;
    mod chunked;
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
    #[cfg(feature = "registry")]
    mod help;
    mod hints;
    mod image_files;
    mod inspect;
    mod interrupted;
    mod layouts;
    mod make;
    mod memory;
    mod mutate;
    mod names;
    #[cfg(feature = "on-demand")]
    mod on_demand;
    mod printable;
    mod referrers;
    mod room;
    mod signatures;
    mod sparse;
    mod split;
    mod squash;
    mod strangers;
    mod values;
}
