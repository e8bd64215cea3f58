//! A static program that stands for any other: it prints what it was called and given, and the
//! variable `GREETING`.

use std::env;

fn main() {
    println!("{}", env::args().collect::<Vec<_>>().join(" "));
    if let Ok(greeting) = env::var("GREETING") {
        println!("{greeting}");
    }
}
