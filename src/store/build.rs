//! A new migration is compiled in, though it is no Rust file.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
