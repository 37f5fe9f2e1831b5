//! Time as the file system tells it: ages stay right where the hosts that share a store disagree about the hour.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

/// Sets a file's modification time to now. Needs to own the file or to be allowed to write it.
pub(super) fn touch(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for the length of the call; a null pointer means now, for both times (futimens(2)).
    if unsafe { libc::futimens(file.as_raw_fd(), std::ptr::null()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How long before `now` a file with this modification time was written; zero for one from the future.
pub(super) fn age(now: SystemTime, modified: SystemTime) -> Duration {
    now.duration_since(modified).unwrap_or_default()
}

/// Seconds of this host's clock since 1970, for provenance.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
