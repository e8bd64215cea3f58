//! A static program that stands for any other: it prints its name, its arguments, and the variable
//! `GREETING`.

use std::env;

fn main() {
    println!("{}", env::args().collect::<Vec<_>>().join(" "));
    if let Ok(greeting) = env::var("GREETING") {
        println!("{greeting}");
    }
}
