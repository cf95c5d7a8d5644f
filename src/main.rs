//! The program `oct`. Everything is in the library, so that tests can reach it.

fn main() -> std::process::ExitCode {
    oct::cli::main()
}
