//! A reader of standard output that went away (`nasperf-pipe plan m.toml | head`) ends the program without a word, as it does
//! with others in a pipeline. The signal that would do it stays ignored, as it would also end a run whose server hangs up.

use crate::cli::exit::READER_GONE;

/// `print!` panics where the reader is gone: this comes before what panics say.
pub fn end_quietly() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let gone = |text: &str| text.starts_with("failed printing to stdout") && text.contains("Broken pipe");
        if panic.payload_as_str().is_some_and(gone) {
            std::process::exit(i32::from(READER_GONE));
        }
        say(panic);
    }));
}
