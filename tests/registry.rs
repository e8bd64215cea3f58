//! The client of registries, and the registry over layouts.

mod common;

mod registry {
    mod client;
    mod serve;
}
