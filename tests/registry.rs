//! Images from registries and to them, and the registry over layouts.

mod common;

mod registry {
    mod client;
    mod serve;
}
